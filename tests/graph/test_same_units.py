"""SAME_UNIT between runs of one network: exactly while both are complete, in every store."""

from __future__ import annotations

import threading
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import ConceptGraphError, StoreError
from conceptgraph.graph.records import records
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.stores import neo4j_completion, neo4j_load, neo4j_store
from conceptgraph.graph.stores.memory import MemoryStore, open_store
from conceptgraph.graph.stores.offline_cypher import CypherGraph
from conceptgraph.queries.parameters import UnitUid
from conceptgraph.queries.questions.unit_in_other_runs import UnitInOtherRuns
from tests.made_runs import random_run
from tests.neo4j_contents import connect, database_content, expected_content

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.records import Records
    from conceptgraph.graph.stores.neo4j_store import Neo4jStore
    from tests.neo4j_server import Neo4jServer

LINKS = "MATCH (a:Unit)-[:SAME_UNIT]->(b:Unit) RETURN a.uid AS a, b.uid AS b"
Links = list[tuple[object, ...]]


def random_records(
    folder: Path, name: str, network: str = "n", blocks: tuple[str, ...] = ("block4",)
) -> Records:
    """Make a run with three units in each block."""
    folder.mkdir(exist_ok=True)
    return records(random_run(folder / f"{name}.cg", dict.fromkeys(blocks, 3), network=network))


def expected_links(*pairs: tuple[str, str]) -> Links:
    """Return the links of all units of block4 between these pairs of runs."""
    return sorted((f"{a}/block4/{i}", f"{b}/block4/{i}") for a, b in pairs for i in range(3))


def links_in(store: MemoryStore) -> Links:
    edges = store.graph.edges(data=True)
    return sorted((a, b) for a, b, edge in edges if edge["type"] == "SAME_UNIT")


def links_in_neo4j(server: Neo4jServer) -> Links:
    with server.driver() as driver:
        return sorted(tuple(row) for row in driver.execute_query(LINKS).records)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Records, ...]:
    """Three runs of one network; the name of one begins with another's."""
    return tuple(random_records(tmp_path, name) for name in ("b", "a", "a b"))


ALL_LINKS = expected_links(("a", "a b"), ("a", "b"), ("a b", "b"))


class Interrupted(Exception):  # noqa: N818
    pass


def interrupt(_done: int) -> None:
    raise Interrupted


def interrupt_deletion(*_: object) -> int:
    raise Interrupted


def test_one_for_each_pair_whichever_came_first(three: tuple[Records, ...]) -> None:
    for order in permutations(three):
        memory = MemoryStore()
        for graph in order:
            memory.load(graph)
        assert links_in(memory) == ALL_LINKS
        assert sorted(CypherGraph(order).ask(LINKS).rows) == ALL_LINKS
    memory.load(three[0])
    assert links_in(memory) == ALL_LINKS
    memory.unload("a")
    assert links_in(memory) == expected_links(("a b", "b"))


def test_only_of_one_network_and_of_blocks_that_both_have(tmp_path: Path) -> None:
    runs = (
        random_records(tmp_path, "a", "n", ("block3", "block4")),
        random_records(tmp_path, "b", "n", ("block4",)),
        random_records(tmp_path, "c", "another"),
        random_records(tmp_path, "d", "a third"),
        random_records(tmp_path, "e", "a fourth"),
    )
    memory = MemoryStore()
    for graph in runs:
        memory.load(graph)
    assert links_in(memory) == expected_links(("a", "b"))
    memory.load(random_records(tmp_path / "trained on", "b", "another"))
    assert links_in(memory) == expected_links(("b", "c"))


def test_two_runs_of_one_name_are_not_opened_together(tmp_path: Path) -> None:
    random_records(tmp_path, "a")
    with pytest.raises(StoreError, match="two runs of one name; found 'a'"):
        open_store(open_run(tmp_path / "a.cg"), open_run(tmp_path / "a.cg"))


def test_neo4j_whichever_came_first(
    neo4j_server: Neo4jServer, store: Neo4jStore, three: tuple[Records, ...], tmp_path: Path
) -> None:
    for order in (three, three[::-1]):
        neo4j_server.clear()
        for graph in (*order, three[0]):
            store.load(graph)
        assert links_in_neo4j(neo4j_server) == ALL_LINKS
        assert database_content(neo4j_server) == expected_content(*three)
    store.load(other := random_records(tmp_path / "trained on", "a", "another"))
    assert database_content(neo4j_server) == expected_content(three[0], three[2], other)
    store.load(three[1])
    assert database_content(neo4j_server) == expected_content(*three)
    store.unload("a b")
    assert links_in_neo4j(neo4j_server) == expected_links(("a", "b"))
    assert database_content(neo4j_server) == expected_content(*three[:2])


def test_an_interrupted_load_links_nothing_and_the_next_links_all(
    neo4j_server: Neo4jServer,
    store: Neo4jStore,
    three: tuple[Records, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if the last transaction fails between setting "complete" and linking."""
    monkeypatch.setattr(neo4j_load, "ROWS_PER_TRANSACTION", 10)
    first, second, _ = three
    store.load(first)
    with pytest.raises(Interrupted):
        store.load(second, interrupt)
    assert links_in_neo4j(neo4j_server) == []
    with monkeypatch.context() as patch:
        failing = f"{neo4j_completion.LINK_UNITS} RETURN 1 / 0"
        patch.setattr(neo4j_completion, "LINK_UNITS", failing)
        with pytest.raises(ConceptGraphError):
            store.load(second)
    assert [run.status for run in store.runs()] == ["loading", "complete"]
    assert links_in_neo4j(neo4j_server) == []
    store.load(second)
    assert database_content(neo4j_server) == expected_content(first, second)


def test_an_interrupted_unload_has_deleted_all_links(
    neo4j_server: Neo4jServer,
    store: Neo4jStore,
    three: tuple[Records, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of the run is in no answer about another, and not linked to a third."""
    first, second, third = three
    store.load(first)
    store.load(second)
    with monkeypatch.context() as patch:
        patch.setattr(neo4j_store, "_delete", interrupt_deletion)
        with pytest.raises(Interrupted):
            store.unload("a")
    assert store.ask(UnitInOtherRuns("b", UnitUid("block4/0"))) == []
    store.load(third)
    assert links_in_neo4j(neo4j_server) == expected_links(("a b", "b"))
    store.load(second)
    assert database_content(neo4j_server) == expected_content(*three)


def test_runs_loaded_at_the_same_time_see_one_another(
    neo4j_server: Neo4jServer, three: tuple[Records, ...]
) -> None:
    failed: list[Exception] = []

    def load(graph: Records) -> None:
        try:
            with connect(neo4j_server) as store:
                store.load(graph)
        except ConceptGraphError as error:
            failed.append(error)

    for _ in range(4):
        neo4j_server.clear()
        threads = [threading.Thread(target=load, args=(graph,)) for graph in three]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert database_content(neo4j_server) == expected_content(*three)
