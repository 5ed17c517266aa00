"""The Neo4j store, on real servers: the database holds what the records hold, whatever interrupted
the load."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import pytest

from conceptgraph.errors import ConceptGraphError, StoreError
from conceptgraph.graph.records import Records, records
from conceptgraph.graph.schema import NODES
from conceptgraph.graph.stores import neo4j_load
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.stores.store import Statement
from tests.made_runs import random_run, small_run
from tests.neo4j_contents import connect, database_content, expected_content

if TYPE_CHECKING:
    from pathlib import Path

    import networkx as nx

    from conceptgraph.graph.stores.neo4j_store import Neo4jStore
    from tests.neo4j_server import Neo4jServer

ODD = (
    "it's",
    'say "road"',
    "`back`tick`",
    "'}) DETACH DELETE n //",
    "$run",
    "\\u0027",
    "🤹 juggling",
    "<b>bold</b>",
    " ",
)
LOADER = """
import os, sys
from conceptgraph.graph.stores import neo4j_load
from conceptgraph.graph.stores.neo4j_store import Neo4jStore
from conceptgraph.graph.records import records
from conceptgraph.graph.run.reader import open_run
neo4j_load.ROWS_PER_TRANSACTION = int(sys.argv[2])
graph = records(open_run(sys.argv[1]))
password = os.environ["NEO4J_PASSWORD"]
with Neo4jStore.connect(os.environ["NEO4J_URI"], "neo4j", password) as store:
    store.load(graph, lambda done: print(done, flush=True))
"""


class ClassRow(NamedTuple):
    name: str
    contributors: int


@dataclass(frozen=True)
class Classes:
    """A question, as small as can be."""

    row: ClassVar = ClassRow
    run: str

    def cypher(self) -> Statement:
        text = (
            "MATCH (:Run {uid: $run})-[:HAS_CLASS]->(c)<-[e:CONTRIBUTES]-() "
            "WITH c, count(e) AS contributors ORDER BY c.uid RETURN contributors, c.name AS name"
        )
        return Statement(text, {"run": self.run})

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassRow]:
        """The same."""
        contributors = Counter(
            target
            for _, target, edge in graph.in_edges(graph.adj[self.run], data=True)
            if edge["type"] == "CONTRIBUTES" and "/class/" in target
        )
        return [
            ClassRow(graph.nodes[uid]["name"], count) for uid, count in sorted(contributors.items())
        ]


@pytest.fixture
def short_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty rows each, so that small runs take many."""
    monkeypatch.setattr(neo4j_load, "ROWS_PER_TRANSACTION", 20)


def some_records(out: Path, seed: int = 0) -> Records:
    classes = [f"class {i}" for i in range(6)]
    widths = {"block3": 12, "block4": 10}
    out.parent.mkdir(exist_ok=True)
    return records(random_run(out, widths, classes=classes, seed=seed))


def test_the_database_holds_what_the_records_hold(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    graph = records(small_run(tmp_path / "camvid.cg"))
    done: list[int] = []
    store.load(graph, done.append)
    assert database_content(neo4j_server) == expected_content(graph)
    assert sum(done) == len(graph)
    names = [f"conceptgraph_{label.lower()}_uid" for label in NODES]
    with neo4j_server.driver() as driver:
        rows = driver.execute_query("SHOW CONSTRAINTS YIELD name, type").records
    assert {(name, "UNIQUENESS") for name in names} <= {
        (row["name"], row["type"].removeprefix("NODE_PROPERTY_")) for row in rows
    }


def test_questions_are_answered(store: Neo4jStore, tmp_path: Path) -> None:
    memory = MemoryStore()
    for loaded in (records(small_run(tmp_path / "camvid.cg")), some_records(tmp_path / "a.cg")):
        store.load(loaded)
        memory.load(loaded)
        question = Classes(loaded.run)
        assert store.ask(question) == memory.ask(question) != []
    with pytest.raises(StoreError, match=r"no run 'camvit' in the store. Did you mean 'camvid'"):
        store.ask(Classes("camvit"))


def test_what_a_run_owns_is_found_by_its_name(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    """`WHERE u.run = $run` is what people write; an index serves it."""
    for name in ("a", "b"):
        store.load(some_records(tmp_path / f"{name}.cg"))
    text = "MATCH (u:Unit) WHERE u.run = $run RETURN count(u) AS units, min(u.uid) AS first"
    assert store.cypher(text, {"run": "a"}).rows == [(22, "a/block3/0")]
    indexes = "SHOW INDEXES YIELD name, labelsOrTypes AS labels, properties"
    with neo4j_server.driver() as driver:
        rows = driver.execute_query(indexes).records
    indexed = {row["labels"][0] for row in rows if row["properties"] == ["run"]}
    assert indexed == {label for label, properties in NODES.items() if "run" in properties}


@pytest.mark.usefixtures("short_transactions")
def test_loading_twice_changes_nothing(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    graph = some_records(tmp_path / "a.cg")
    store.load(graph)
    before = database_content(neo4j_server)
    done: list[int] = []
    store.load(some_records(tmp_path / "again" / "a.cg"), done.append)
    assert database_content(neo4j_server) == before == expected_content(graph)
    assert done == [len(graph)]


def test_runs_share_concepts_and_are_unloaded_one_by_one(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    camvid = records(small_run(tmp_path / "camvid.cg"))
    more = ("object/ball", "scene/park")
    park = records(random_run(tmp_path / "park.cg", {"block4": 4}, concepts=more))
    near = records(random_run(tmp_path / "camvid 2.cg", {"block4": 3}, concepts=more[:1]))
    for run in (park, camvid, near):
        store.load(run)
    assert database_content(neo4j_server) == expected_content(camvid, park, near)
    memory = MemoryStore()
    for run in (park, camvid, near):
        memory.load(run)
    assert store.runs() == memory.runs()
    store.unload("camvid")
    assert database_content(neo4j_server) == expected_content(park, near)
    with pytest.raises(StoreError, match="no run 'camvid' in the store"):
        store.unload("camvid")
    store.unload("park")
    store.unload("camvid 2")
    assert database_content(neo4j_server) == ([], [])


@pytest.mark.usefixtures("short_transactions")
def test_a_run_of_other_content_is_replaced(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    store.load(some_records(tmp_path / "a.cg"))
    other = some_records(tmp_path / "other" / "a.cg", seed=1)
    store.load(other)
    assert database_content(neo4j_server) == expected_content(other)


@pytest.mark.usefixtures("short_transactions")
def test_nodes_of_other_programs_stay(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    create = "CREATE (:Run {name: 'marathon'})-[:HAS_CONCEPT]->(:Concept {name: 'speed'}), (:Unit)"
    with neo4j_server.driver() as driver:
        driver.execute_query(create)
        before = database_content(neo4j_server)
        store.load(some_records(tmp_path / "a.cg"))
        assert [run.uid for run in store.runs()] == ["a"]
        driver.execute_query(
            "MATCH (c:Class {uid: 'a/class/class 0'}), (u:Unit {uid: 'a/block4/0'}) "
            "CREATE (:Image {uid: 'f00'})-[:EXPLAINED_BY]->(e:Explanation {uid: 'a/e'})-[:OF]->(c),"
            " (e)-[:HAS_PATH]->(:Path {uid: 'a/e/0'})-[:STEP]->(u),"
            " (i:Image {uid: 'f11'})-[:EXPLAINED_BY]->(:Explanation {uid: 'a/e2'}),"
            " (i)-[:EXPLAINED_BY]->(:Explanation {uid: 'b/e'})"
        )
        store.unload("a")
        left = driver.execute_query("MATCH (n) WHERE n.uid IS NOT NULL RETURN n.uid").records
        assert sorted(row[0] for row in left) == ["b/e", "f11"]
        driver.execute_query("MATCH (n) WHERE n.uid IS NOT NULL DETACH DELETE n")
    assert database_content(neo4j_server) == before


class Interrupted(Exception):  # noqa: N818
    pass


@pytest.mark.usefixtures("short_transactions")
def test_a_load_interrupted_anywhere_is_completed(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    """Also if all that is left to do is to set the status."""
    graph = some_records(tmp_path / "a.cg")
    steps: list[int] = []
    store.load(graph, steps.append)
    assert len(steps) > 10
    for last in range(0, len(steps), 3):
        neo4j_server.clear()
        with pytest.raises(Interrupted):
            store.load(graph, _Interrupt(last))
        assert [run.status for run in store.runs()] == ["loading"]
        with pytest.raises(
            StoreError, match=r"'a' is not completely loaded\. Run `conceptgraph load` again"
        ):
            store.ask(Classes("a"))
        store.load(graph)
        assert database_content(neo4j_server) == expected_content(graph)
    neo4j_server.clear()
    with pytest.raises(Interrupted):
        store.load(graph, _Interrupt(len(steps) // 2))
    store.unload("a")
    assert database_content(neo4j_server) == ([], [])


class _Interrupt:
    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, done: int) -> None:
        if not self.left:
            raise Interrupted
        self.left -= 1


def test_a_run_whose_unload_was_interrupted_is_not_answered(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    graph = some_records(tmp_path / "a.cg")
    store.load(graph)
    with neo4j_server.driver() as driver:
        driver.execute_query("MATCH (r:Run) SET r.status = 'unloading'")
        driver.execute_query("MATCH (n:Unit) WHERE n.index > 3 DETACH DELETE n")
    with pytest.raises(StoreError, match="not completely loaded"):
        store.ask(Classes("a"))
    store.load(graph)
    assert database_content(neo4j_server) == expected_content(graph)


@pytest.mark.usefixtures("short_transactions")
def test_two_loads_of_the_same_run_take_turns(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    graph = some_records(tmp_path / "a.cg")
    failed: list[Exception] = []

    def load() -> None:
        try:
            with connect(neo4j_server) as other:
                other.load(graph)
        except ConceptGraphError as error:
            failed.append(error)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert database_content(neo4j_server) == expected_content(graph)


def test_a_killed_load_is_completed_by_the_next(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    """SIGKILL at three random points; `benchmarks/neo4j.py` does more."""
    graph = some_records(tmp_path / "a.cg")
    for _ in range(3):
        neo4j_server.clear()
        rows = random.randrange(len(graph))
        kill_loader(neo4j_server, tmp_path / "a.cg", rows)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(neo4j_load, "ROWS_PER_TRANSACTION", 20)
            store.load(graph)
            assert database_content(neo4j_server) == expected_content(graph), (
                f"killed after {rows} rows"
            )


def kill_loader(server: Neo4jServer, run: Path, rows: int) -> None:
    """Load a run in another process, and kill that after so many rows."""
    secret = {"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password}
    with subprocess.Popen(
        [sys.executable, "-c", LOADER, str(run), "20"],
        env={**os.environ, **secret},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        done = 0
        while done <= rows:
            line = process.stdout.readline()
            assert line, "it ended before it was killed"
            done += int(line)
        process.send_signal(signal.SIGKILL)


@pytest.mark.usefixtures("short_transactions")
def test_a_server_killed_during_a_load(neo4j_server: Neo4jServer, tmp_path: Path) -> None:
    """The load waits until it answers again, and no second one is needed."""
    graph = some_records(tmp_path / "a.cg")
    reached = threading.Event()
    down = threading.Event()
    failed: list[Exception] = []
    left = random.randrange(len(graph))

    def stop_half_way(done: int) -> None:
        nonlocal left
        left -= done
        if left < 0 and not reached.is_set():
            reached.set()
            down.wait(30)

    def load() -> None:
        try:
            with connect(neo4j_server) as store:
                store.load(graph, stop_half_way)
        except ConceptGraphError as error:
            failed.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    assert reached.wait(60)
    neo4j_server.kill()
    down.set()
    neo4j_server.start()
    thread.join(60)
    assert not thread.is_alive()
    assert failed == []
    assert database_content(neo4j_server) == expected_content(graph)


def test_names_are_never_read_as_cypher(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    concepts = [f"{name.replace('/', '')}/{name}" for name in ODD]
    out = tmp_path / 'it\'s `a` "b"}) DETACH DELETE n; $run 🤹.cg'
    graph = records(random_run(out, {"block4": 12}, classes=ODD, concepts=concepts))
    other = some_records(tmp_path / "other.cg")
    store.load(other)
    store.load(graph)
    assert database_content(neo4j_server) == expected_content(other, graph)
    assert sorted(row.name for row in store.ask(Classes(graph.run))) == sorted(ODD)
    store.unload(graph.run)
    assert database_content(neo4j_server) == expected_content(other)


def test_a_run_of_a_newer_schema_is_not_changed(
    neo4j_server: Neo4jServer, store: Neo4jStore, tmp_path: Path
) -> None:
    graph = some_records(tmp_path / "a.cg")
    store.load(graph)
    with neo4j_server.driver() as driver:
        driver.execute_query("MATCH (r:Run) SET r.schema = 99, r.digest = 'x'")
    before = database_content(neo4j_server)
    newer = r"run 'a' was loaded by a newer conceptgraph \(schema 99\).*Upgrade"
    with pytest.raises(StoreError, match=newer):
        store.load(graph)
    with pytest.raises(StoreError, match=newer):
        store.ask(Classes("a"))
    with pytest.raises(StoreError, match=newer):
        store.unload("a")
    assert [run.uid for run in store.runs()] == ["a"]
    assert database_content(neo4j_server) == before
