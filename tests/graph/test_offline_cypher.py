"""Free Cypher without a server: its answers, and what it refuses."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import QueryError, StoreError
from conceptgraph.graph.records import records
from conceptgraph.graph.stores import offline_cypher
from conceptgraph.graph.stores.offline_cypher import CypherGraph, run_cypher
from conceptgraph.graph.stores.store import CypherLimits, CypherResult
from tests.cypher_texts import loading_texts
from tests.hand_made_graph import EVIL, RUN, hand_made
from tests.made_runs import random_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def graph() -> CypherGraph:
    return CypherGraph([hand_made()])


def test_a_text_of_the_users() -> None:
    text = """
        MATCH (u:Unit {uid: $run + '/block4/0'})-[d:DETECTS]->(k:Concept)
        RETURN k.name AS concept, d.iou AS iou ORDER BY iou DESC"""
    result = run_cypher([hand_made()], text, {"run": RUN})
    assert result == CypherResult(("concept", "iou"), [("juggling", 0.3), ("ball", 0.06)])


def test_the_graph_is_complete(tmp_path: Path) -> None:
    """Nodes with both labels, edges with their properties, concepts of two runs once."""
    runs = [
        records(random_run(tmp_path / f"{name}.cg", {"block3": 9, "block4": 7}, seed=seed))
        for seed, name in enumerate(("a", "b"))
    ]
    graph = CypherGraph(runs)
    nodes = {node.uid: node for run in runs for node in run.nodes}
    edges = [edge for run in runs for edge in run.edges]
    result = graph.ask("MATCH (n) RETURN n.uid AS uid, labels(n) AS labels")
    assert {uid: tuple(labels) for uid, labels in result.rows} == {  # type: ignore[arg-type]
        uid: node.labels for uid, node in nodes.items()
    }
    text = "MATCH (s)-[e:CONTRIBUTES]->(t) RETURN s.uid, t.uid, e.weight, e.pre, e.share, e.rank"
    assert sorted(graph.ask(text).rows) == sorted(
        (edge.source, edge.target, *edge.properties.values())
        for edge in edges
        if edge.type == "CONTRIBUTES"
    )
    assert graph.ask("MATCH ()-[e]->() RETURN count(e) AS n").rows == [(len(edges),)]


def test_names_are_never_read_as_cypher(graph: CypherGraph) -> None:
    text = "MATCH (k:Concept) WHERE k.name = $name RETURN k.category AS category"
    assert graph.ask(text, {"name": EVIL}).rows == [("scene type",)]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE (n:Unit)",
        "MATCH (n) DETACH DELETE n",
        "MATCH (n:Unit) SET n.name = 'x' RETURN n.name",
        "MERGE (n:Unit {uid: 'x'}) RETURN n",
        "MATCH (n:Unit) REMOVE n.name",
        "CREATE INDEX i IF NOT EXISTS FOR (n:Unit) ON (n.name)",
    ],
)
def test_nothing_can_be_changed(graph: CypherGraph, text: str) -> None:
    before = graph.ask("MATCH (n) RETURN n.uid AS uid, n.name AS name ORDER BY uid")
    with pytest.raises(QueryError, match=r"would change the graph; expected MATCH"):
        graph.ask(text)
    assert graph.ask("MATCH (n) RETURN n.uid AS uid, n.name AS name ORDER BY uid") == before


def test_no_file_can_be_read(graph: CypherGraph, tmp_path: Path) -> None:
    """What the guard lets pass reads nothing; unguarded, the engine reads the file."""
    (tmp_path / "secret").write_text("the secret\n")
    read = 0
    for text in loading_texts(f"file://{tmp_path / 'secret'}", 0, 400):
        with suppress(QueryError, StoreError):
            assert "the secret" not in str(graph.ask(text)), text
        with pytest.MonkeyPatch.context() as patch, suppress(QueryError, StoreError):
            patch.setattr(offline_cypher, "check_cypher", bool)
            read += "the secret" in str(graph.ask(text))
    assert read > 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MATCH (n RETURN n", r"Cypher syntax error at line 1, col 17.*RETURN\. Close the pattern"),
        ("MATCH (n) RETURN m", "Undefined variable 'm'"),
        ("MATCH (n) WHERE n.uid = $uid RETURN n.uid", r"Missing parameter: \$uid"),
        ("", "Empty query"),
        ("RETURN 'x", "Cypher: a ' that is not closed"),
        ("MATCH (n) RETURN n.uid FORMAT CSV", "FORMAT CSV is not Cypher"),
    ],
)
def test_invalid_cypher(graph: CypherGraph, text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        graph.ask(text)
    assert "\n" not in str(caught.value)


def test_limits(graph: CypherGraph) -> None:
    endless = "MATCH (a:Unit), (b:Unit), (c:Unit), (d:Unit), (e:Unit), (f:Unit), (g:Unit) "
    endless += "WHERE a.iou + b.iou + c.iou + d.iou + e.iou + f.iou + g.iou > 9 RETURN count(*)"
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"this Cypher takes longer than 0\.2 s\. Start from"):
        graph.ask(endless, limits=CypherLimits(seconds=0.2, work=10**12))
    assert time.monotonic() - start < 5
    with pytest.raises(StoreError, match=r"needs more than 1000 steps\. Start from"):
        graph.ask(endless, limits=CypherLimits(work=1000))
    cut = graph.ask("MATCH (u:Unit) RETURN u.uid", limits=CypherLimits(rows=3))
    assert (len(cut.rows), cut.cut) == (3, True)
    whole = graph.ask("MATCH (u:Unit) RETURN u.uid LIMIT 3", limits=CypherLimits(rows=3))
    assert whole == cut._replace(cut=False)


def test_memory_is_limited(graph: CypherGraph) -> None:
    """Also where the engine counts few steps; the next text is answered."""
    for bomb in (
        "WITH [1] AS s " + "WITH s + s AS s " * 40 + "RETURN size(s)",
        "RETURN size(reduce(s = 'x', i IN range(1, 40) | s + s)) AS size",
    ):
        with pytest.raises(StoreError, match=r"needs more than 0\.2 GB|takes longer than 1 s"):
            graph.ask(bomb, limits=CypherLimits(seconds=1, gigabytes=0.2))
        assert graph.ask("RETURN 1 AS x").rows == [(1,)]


def test_a_text_that_breaks_the_engine_is_an_error(graph: CypherGraph) -> None:
    with pytest.raises(QueryError, match="nesting exceeds 512 levels"):
        graph.ask(f"RETURN {'(' * 9999}1{')' * 9999} AS x")


def test_the_engine_holds_no_connection_of_this_process(graph: CypherGraph) -> None:
    """What is closed here is closed for the other end (a browser waited for `serve` in vain)."""
    graph.close()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert graph.ask("RETURN 1 AS one").rows == [(1,)]
        ours.close()
        theirs.settimeout(10)
        assert theirs.recv(1) == b""


def test_without_the_extra_one_line_says_how_to_get_it() -> None:
    """If kglite is not installed, its import fails, but importing this package does not."""
    code = (
        "import sys; sys.modules['kglite'] = None\n"
        "from conceptgraph.graph.stores.offline_cypher import run_cypher\n"
        "from conceptgraph.errors import StoreError\n"
        "try: run_cypher([], 'RETURN 1')\n"
        "except StoreError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == (
        "free Cypher without a server needs kglite. Get it with `pip install conceptgraph[cypher]`,"
        " or ask Neo4j with --neo4j\n"
    )


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], graph: CypherGraph) -> None:
    """The engine itself would warn on stderr."""
    assert graph.ask("MATCH (n:Unknown) RETURN n.uid").rows == []
    assert capfd.readouterr() == ("", "")
