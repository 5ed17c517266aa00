"""Errors of Neo4j: one line each, and never a password in it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import ConceptGraphError, QueryError, StoreError
from conceptgraph.graph.elements import Node
from conceptgraph.graph.records import Records, records
from conceptgraph.graph.stores.neo4j_store import Neo4jStore
from conceptgraph.graph.stores.store import CypherLimits, CypherResult
from tests.made_runs import small_run
from tests.neo4j_contents import connect
from tests.neo4j_server import NEO4J_2026, Neo4jServer, Release, ServerError, find_java

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "open sesame"


def refusal(uri: str, database: str | None = None, user: str | None = "neo4j") -> str:
    with pytest.raises(StoreError) as caught:
        Neo4jStore.connect(uri, user, SECRET, database)
    line = str(caught.value)
    assert "\n" not in line
    assert SECRET not in line + repr(caught.value)
    return line


@pytest.fixture
def store(neo4j_server: Neo4jServer) -> Iterator[Neo4jStore]:
    server = neo4j_server
    with Neo4jStore.connect(server.uri, server.user, server.password, "neo4j") as opened:
        yield opened


def test_a_wrong_password_or_none(neo4j_server: Neo4jServer) -> None:
    uri = neo4j_server.uri
    remedy = "Set $NEO4J_USERNAME and $NEO4J_PASSWORD"
    assert refusal(uri) == f"{uri} refuses this user or password. {remedy}"
    assert refusal(uri, user=None) == f"{uri} refuses this user or password. {remedy}"


def test_routing_that_fails_names_the_direct_scheme() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for scheme in ("neo4j", "neo4j+s", "neo4j+ssc"):
        direct = scheme.replace("neo4j", "bolt")
        line = refusal(f"{scheme}://127.0.0.1:{port}")
        assert line.endswith(f"in Docker, answers at {direct}://127.0.0.1:{port}")
    assert "in Docker" not in refusal(f"bolt://127.0.0.1:{port}")


@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_an_unknown_database(neo4j_server: Neo4jServer, scheme: str) -> None:
    uri = neo4j_server.uri.replace("bolt", scheme)
    with pytest.raises(StoreError, match=rf"no database 'wrong' at {uri}\. Name one with"):
        Neo4jStore.connect(uri, neo4j_server.user, neo4j_server.password, "wrong")


def test_the_wrong_port_or_encryption(neo4j_server: Neo4jServer) -> None:
    http = neo4j_server.http.replace("http", "bolt")
    assert f"no Neo4j answers at {http}: it speaks HTTP" in refusal(http)
    encrypted = neo4j_server.uri.replace("bolt", "bolt+s")
    assert "no encrypted connection" in refusal(encrypted)


def test_no_server_listens() -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        uri = f"bolt://127.0.0.1:{bound.getsockname()[1]}"
        line = refusal(uri)
    remedy = "Start it, or name another with --neo4j or $NEO4J_URI"
    assert line == f"no Neo4j answers at {uri}: Connection refused. {remedy}"
    assert "no Neo4j answers at bolt://nowhere.invalid" in refusal("bolt://nowhere.invalid")


@pytest.mark.parametrize(
    "uri",
    ["", "localhost:7687", "http://localhost:7474", "bolt://", "bolt://a:b", "bolt://a:99999"],
)
def test_invalid_addresses(uri: str) -> None:
    line = refusal(uri)
    assert line.startswith(f"not a Neo4j address; found {uri!r}; expected bolt://localhost:7687")


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    line = refusal(f"bolt://neo4j:{SECRET}@localhost")
    assert "Set $NEO4J_USERNAME and $NEO4J_PASSWORD instead" in line


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Listen, and answer the first handshake with these bytes."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        threading.Thread(target=_answer, args=(listening, answer), daemon=True).start()
        yield f"bolt://127.0.0.1:{listening.getsockname()[1]}"


def _answer(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(20)
        connection.sendall(answer)
        connection.recv(4096)


@pytest.mark.parametrize("answer", [bytes(4), b"\0\0\0\2", b"SSH-2.0-OpenSSH"])
def test_a_server_too_old_for_the_driver_or_another_one(answer: bytes) -> None:
    """Neo4j 3 and older answer the handshake with zeros, or version 2 at most."""
    with answering(answer) as uri:
        line = refusal(uri)
    assert line == f"the server at {uri} is too old, or no Neo4j; expected Neo4j 5 or newer"


def test_a_server_too_old_for_this_package() -> None:
    """The answer of Neo4j 4.4: Bolt 4.4, then its name; a real one was tried by hand."""
    greeting = b"\xb1\x70\xa2\x86server\x8cNeo4j/4.4.44\x8dconnection_id\x81x"
    message = len(greeting).to_bytes(2, "big") + greeting + bytes(2)
    with answering(b"\0\0\4\4" + message) as uri:
        line = refusal(uri)
    assert line == f"{uri} is too old; found Neo4j/4.4.44; expected Neo4j 5 or newer"


def test_the_password_is_nowhere_in_the_store(store: Neo4jStore, neo4j_server: Neo4jServer) -> None:
    assert repr(store) == f"""Neo4jStore("{neo4j_server.uri}, database 'neo4j'")"""
    assert neo4j_server.password not in repr(vars(store))


def test_a_read_only_server(neo4j_server: Neo4jServer, tmp_path: Path) -> None:
    graph = records(small_run(tmp_path / "a.cg"))
    server = neo4j_server
    read_only = "server.databases.default_to_read_only"
    server.shut_down()
    server.settings[read_only] = "true"
    try:
        server.start()
        with connect(server) as store:
            assert store.runs() == []
            with pytest.raises(StoreError, match=f"{server.uri} is read-only. Use a database that"):
                store.load(graph)
    finally:
        server.shut_down()
        del server.settings[read_only]
        server.start()


def test_a_run_with_a_slash_is_refused(store: Neo4jStore) -> None:
    """Its uids could be those of another run."""
    with pytest.raises(StoreError, match="cannot contain a /; found 'a/b'"):
        store.load(Records((Node(("Run",), "a/b", {}),), ()))


def test_free_cypher(store: Neo4jStore, tmp_path: Path) -> None:
    store.load(records(small_run(tmp_path / "a.cg")))
    text = "MATCH (c:Class) WHERE c.name <> $not RETURN c.name AS name, c.index AS i"
    assert store.cypher(text, {"not": "road"}) == CypherResult(("name", "i"), [("juggling", 0)])
    long = "UNWIND range(1, 9) AS i RETURN i"
    rows: list[tuple[object, ...]] = [(number,) for number in range(1, 10)]
    assert store.cypher(long, limits=CypherLimits(rows=9)) == CypherResult(("i",), rows)
    cut = store.cypher(long, limits=CypherLimits(rows=8))
    assert cut == CypherResult(("i",), rows[:8], cut=True)
    assert store.cypher("MATCH (n:Nothing) RETURN n.name AS name") == CypherResult(("name",), [])


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("CREATE (n) RETURN n", QueryError, "this Cypher would change the graph"),
        ("MATCH (n) DETACH DELETE n", QueryError, "this Cypher would change the graph"),
        ("MATCH (n) RETRUN n", QueryError, "Cypher: Invalid input 'RETRUN'"),
        ("RETURN $missing AS x", QueryError, "Cypher: Expected parameter"),
        (
            "UNWIND range(1, 2000000000) AS i RETURN sum(i)",
            StoreError,
            "this Cypher takes longer than 0.5 s. Start from",
        ),
    ],
)
def test_free_cypher_that_is_refused(
    store: Neo4jStore, text: str, error: type[ConceptGraphError], line: str
) -> None:
    with pytest.raises(error) as caught:
        store.cypher(text, limits=CypherLimits(seconds=0.5))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_missing_java_says_what_to_install() -> None:
    newer = Release("9999.1", 98, 99, NEO4J_2026.main)
    with pytest.raises(ServerError, match=r"9999.1 needs Java 98.*Install one .*set JAVA_HOME"):
        find_java(newer)
