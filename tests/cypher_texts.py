"""Cypher texts that try to hide a clause: behind the end of another, and a LOAD CSV behind strings,
comments, quoted names and escapes.

`python -m tests.cypher_texts 20000` asks both lines of servers, with and without the guard.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

import neo4j
from neo4j.exceptions import Neo4jError

from conceptgraph.errors import QueryError
from conceptgraph.graph.stores.cypher_guard import check_cypher
from tests.neo4j_server import NEO4J_5, RELEASES, Neo4jServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.neo4j_server import Release

_QUOTES = ("'", '"', "`")
_SPACES = (" ", "\t", "\n", "\r", "\u00a0", "\u2003", "\x0b", "\x1c", "/**/", "/*'*/", "//\n", "")
_PIECES = (
    "'", '"', "`", "\\", "\\\\", "\\'", '\\"', "\\u0027", "\\u0022", "\\u0060", "\\u005c",
    "\\u000a", "\\u000d", "\\u002a", "\\u002f", "\\uu0027", "\\u00e9", "\\n", "``", "''", "//",
    "/*", "*/", "\n", "\r", "\u2028", "\u0085", "\x0b", "\x0c", "\u200b", "x", " ", "1e5", "0x1",
    ";", "$", "AS x ",
)  # fmt: skip
_LOADS = (
    "LOAD{}CSV",
    "load{}csv",
    "`LOAD`{}CSV",
    "LOAD{}`CSV`",
    "\\u004cOAD{}CSV",
    "lo\u0061d{}C\u017fV",
)

_ENDS = (
    "MATCH (a)-->+(b)",
    "OPTIONAL MATCH ((a)-->(b))+",
    "MATCH ((a)-->(b)){1,3}",
    "MATCH ((a)-->(b))*",
    "WITH *",
    "WITH 1 AS as",
    "WITH 1 AS with WITH with",
    "WITH true AS not WITH not",
    "WITH 1 AS a ORDER BY a DESC",
    "WITH 1 AS a RETURN a UNION",
    "WITH 1 AS a RETURN a NEXT",
    "CALL () { RETURN 1 AS x }",
    "CALL db.labels() YIELD *",
    "LET a = 1",
    "WHEN true THEN",
    *(
        f"MATCH (a) WHERE {condition}"
        for condition in (
            "a.x IS :: LIST<INT>", "a.x IS :: INT!", "a.x :: INT NOT NULL", "a:%", "a:!%",
            "a IS A|%", "a:AS", "a:$('A')", "a.x IS NULL", "a.as", "a.x = $p", "a.x = 0xF",
            "a.x = .5", "a.x = [1][0]", "a{.*} = {}", "EXISTS { (a) }", "(a)-->()",
        )
    ),
)  # fmt: skip
_CLAUSES = (
    "CALL dbms.listConfig() YIELD name RETURN 1 AS z",
    "OPTIONAL call dbms.listConfig() YIELD name RETURN 1 AS z",
    "SHOW SETTINGS YIELD name RETURN 1 AS z",
    "TERMINATE TRANSACTION 'x' YIELD message RETURN 1 AS z",
    "CREATE (z)",
    "INSERT (z)",
    "MERGE (z)",
    "SET a.x = 1",
    "DETACH DELETE a",
    "FOREACH (x IN [1] | CREATE (z))",
    "DROP INDEX x",
    "LOAD CSV FROM 'x' AS z RETURN 1 AS z",
)


def clause_texts(release: Release) -> Iterator[tuple[str, str]]:
    """Yield the newest language of a server, and a clause that is refused, behind another."""
    language = "CYPHER 5" if release == NEO4J_5 else "CYPHER 25"
    for end in _ENDS:
        for clause in _CLAUSES:
            yield language, f"{end} {clause}"


def loading_texts(url: str, seed: int, count: int) -> Iterator[str]:
    """Yield texts of which some would load `url`."""
    rng = random.Random(seed)
    for _ in range(count):
        yield _text(url, rng)


def _text(url: str, rng: random.Random) -> str:
    space = rng.choice(_SPACES)
    load = rng.choice(_LOADS[:1] * 6 + _LOADS).format(space)
    load = f"{load} FROM {rng.choice(_QUOTES[:2])}{url}' AS x RETURN x".replace('"', "'")
    noise = "".join(rng.choices(_PIECES, k=rng.choice([0, 1, 1, 2, 3])))
    more = "".join(rng.choices(_PIECES, k=rng.choice([0, 0, 1, 2])))
    quote = rng.choice(_QUOTES)
    before = rng.choice(
        ["", "", "CYPHER runtime=slotted ", "PROFILE ", "USE neo4j ", "RETURN 1 AS x UNION "]
    )
    shapes = (
        f"{before}{load}",
        f"{before}//{noise}{load}",
        f"{before}/*{noise}*/{load}",
        f"{before}/*{noise}{load}{more}*/",
        f"RETURN {quote}{noise} AS x UNION {load} //{more}{quote}",
        f"RETURN {quote}{noise}{quote} AS x UNION {load}",
        f"RETURN 1 AS `{noise}` //{more}\nUNION {load}",
        f"CALL () {{ {load} }} RETURN x{more}",
        f"RETURN 1{noise}{load}",
        f"WITH 1 AS y LIMIT {rng.choice(['0x1', '1', '1e0'])}{load}",
    )
    return rng.choice(shapes)


def passes(text: str) -> bool:
    """Return whether the guard lets a text pass."""
    try:
        check_cypher(text)
    except QueryError:
        return False
    return True


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Listen on loopback; yield an address to load, and the paths that were loaded."""
    loaded: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            loaded.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x", loaded
        server.shutdown()
        thread.join()


class Outcome(NamedTuple):
    """How many texts loaded the address, and those that the guard had let pass."""

    loading: int
    passed: list[str]


def try_texts(driver: neo4j.Driver, seed: int, count: int) -> Outcome:
    """Ask a server all texts, without the guard, in read-only transactions."""
    logging.getLogger("neo4j").setLevel(logging.ERROR)
    loading, passed = 0, []
    with listening() as (url, loaded), driver.session(default_access_mode="READ") as session:
        for text in loading_texts(url, seed, count):
            loaded.clear()
            with suppress(Neo4jError):
                session.run(neo4j.Query(text, timeout=10)).consume()
            if loaded:
                loading += 1
                if passes(text):
                    passed.append(text)
    return Outcome(loading, passed)


def main() -> None:
    """Ask servers of both lines, and print what came out."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for release in RELEASES.values():
        server = Neo4jServer(release)
        with server.driver() as driver:
            outcome = try_texts(driver, options.seed, options.count)
        server.stop()
        sys.stdout.write(
            f"Neo4j {release.version}: of {options.count} texts {outcome.loading} loaded a page in "
            f"a read-only transaction; of these the guard lets {len(outcome.passed)} pass\n"
        )
        sys.stdout.writelines(f"  {text!r}\n" for text in outcome.passed)


if __name__ == "__main__":
    main()
