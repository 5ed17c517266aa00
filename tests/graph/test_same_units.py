"""Units of one network in several runs: tied exactly while both runs are whole, in every store."""

from __future__ import annotations

import threading
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import ConceptGraphError, StoreError
from conceptgraph.graph.records import records
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.stores import neo4j_completion as neo4j_whole
from conceptgraph.graph.stores import neo4j_load, neo4j_store
from conceptgraph.graph.stores.memory import MemoryStore, open_store
from conceptgraph.graph.stores.offline_cypher import CypherGraph
from conceptgraph.queries.units import UnitInOtherRuns
from tests.made_runs import random_run
from tests.neo4j_contents import connect, content, said

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.records import Records
    from conceptgraph.graph.stores.neo4j_store import Neo4jStore
    from tests.neo4j_server import Neo4jServer

TIES = "MATCH (a:Unit)-[:SAME_UNIT]->(b:Unit) RETURN a.uid AS a, b.uid AS b"
Ties = list[tuple[object, ...]]


def made(
    folder: Path, name: str, network: str | None = "n", blocks: tuple[str, ...] = ("block4",)
) -> Records:
    """A run with three units in each block."""
    folder.mkdir(exist_ok=True)
    return records(random_run(folder / f"{name}.cg", dict.fromkeys(blocks, 3), network=network))


def wanted(*pairs: tuple[str, str]) -> Ties:
    """All units of block4, for these pairs of runs."""
    return sorted((f"{a}/block4/{i}", f"{b}/block4/{i}") for a, b in pairs for i in range(3))


def ties(store: MemoryStore) -> Ties:
    edges = store.graph.edges(data=True)
    return sorted((a, b) for a, b, edge in edges if edge["type"] == "SAME_UNIT")


def ties_in(server: Neo4jServer) -> Ties:
    with server.driver() as driver:
        return sorted(tuple(row) for row in driver.execute_query(TIES).records)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Records, ...]:
    """Of one network; the name of one begins with another's."""
    return tuple(made(tmp_path, name) for name in ("b", "a", "a b"))


EVERY = wanted(("a", "a b"), ("a", "b"), ("a b", "b"))


class Interrupted(Exception):  # noqa: N818
    pass


def interrupt(_done: int) -> None:
    raise Interrupted


def cut_off(*_: object) -> int:
    raise Interrupted


def test_one_for_each_pair_whichever_came_first(three: tuple[Records, ...]) -> None:
    for order in permutations(three):
        memory = MemoryStore()
        for each in order:
            memory.load(each)
        assert ties(memory) == EVERY
        assert sorted(CypherGraph(order).ask(TIES).rows) == EVERY
    memory.load(three[0])
    assert ties(memory) == EVERY
    memory.unload("a")
    assert ties(memory) == wanted(("a b", "b"))


def test_only_of_one_network_and_of_blocks_that_both_have(tmp_path: Path) -> None:
    runs = (
        made(tmp_path, "a", "n", ("block3", "block4")),
        made(tmp_path, "b", "n", ("block4",)),
        made(tmp_path, "c", "another"),
        made(tmp_path, "d", None),
        made(tmp_path, "e", None),
    )
    memory = MemoryStore()
    for each in runs:
        memory.load(each)
    assert ties(memory) == wanted(("a", "b"))
    memory.load(made(tmp_path / "trained on", "b", "another"))
    assert ties(memory) == wanted(("b", "c"))


def test_two_runs_of_one_name_are_not_opened_together(tmp_path: Path) -> None:
    made(tmp_path, "a")
    with pytest.raises(StoreError, match="two runs of one name; found 'a'"):
        open_store(open_run(tmp_path / "a.cg"), open_run(tmp_path / "a.cg"))


def test_neo4j_whichever_came_first(
    neo4j_server: Neo4jServer, store: Neo4jStore, three: tuple[Records, ...], tmp_path: Path
) -> None:
    for order in (three, three[::-1]):
        neo4j_server.clear()
        for each in (*order, three[0]):
            store.load(each)
        assert ties_in(neo4j_server) == EVERY
        assert content(neo4j_server) == said(*three)
    store.load(other := made(tmp_path / "trained on", "a", "another"))
    assert content(neo4j_server) == said(three[0], three[2], other)
    store.load(three[1])
    assert content(neo4j_server) == said(*three)
    store.unload("a b")
    assert ties_in(neo4j_server) == wanted(("a", "b"))
    assert content(neo4j_server) == said(*three[:2])


def test_a_load_cut_off_has_tied_nothing_and_the_next_ties_all(
    neo4j_server: Neo4jServer,
    store: Neo4jStore,
    three: tuple[Records, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the last transaction fails between saying "complete" and tying."""
    monkeypatch.setattr(neo4j_load, "ROWS", 10)
    first, second, _ = three
    store.load(first)
    with pytest.raises(Interrupted):
        store.load(second, interrupt)
    assert ties_in(neo4j_server) == []
    with monkeypatch.context() as patch:
        patch.setattr(neo4j_whole, "TIE", f"{neo4j_whole.TIE} RETURN 1 / 0")
        with pytest.raises(ConceptGraphError):
            store.load(second)
    assert [run.status for run in store.runs()] == ["loading", "complete"]
    assert ties_in(neo4j_server) == []
    store.load(second)
    assert content(neo4j_server) == said(first, second)


def test_an_unload_cut_off_has_untied_all(
    neo4j_server: Neo4jServer,
    store: Neo4jStore,
    three: tuple[Records, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of the run is not told of another, nor tied to a third."""
    first, second, third = three
    store.load(first)
    store.load(second)
    with monkeypatch.context() as patch:
        patch.setattr(neo4j_store, "_gone", cut_off)
        with pytest.raises(Interrupted):
            store.unload("a")
    assert store.ask(UnitInOtherRuns("b", "block4/0")) == []
    store.load(third)
    assert ties_in(neo4j_server) == wanted(("a b", "b"))
    store.load(second)
    assert content(neo4j_server) == said(*three)


def test_runs_loaded_at_the_same_time_see_one_another(
    neo4j_server: Neo4jServer, three: tuple[Records, ...]
) -> None:
    failed: list[Exception] = []

    def load(each: Records) -> None:
        try:
            with connect(neo4j_server) as store:
                store.load(each)
        except ConceptGraphError as error:
            failed.append(error)

    for _ in range(4):
        neo4j_server.clear()
        threads = [threading.Thread(target=load, args=(each,)) for each in three]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert content(neo4j_server) == said(*three)
