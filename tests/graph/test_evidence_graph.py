"""The evidence of classes in the graph, against plain loops; and evidence that is damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from conceptgraph.errors import RunError
from conceptgraph.graph.records import records
from conceptgraph.graph.run.class_evidence import read_class_evidence
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.uids import block_concept_uid, class_uid
from tests.made_runs import CLASSES, add_evidence, random_run

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.stores.neo4j_store import Neo4jStore


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = random_run(tmp_path / "a.cg", {"block3": 5, "block4": 6}, seed=3)
    add_evidence(run)
    return run


def rows(run: Run, name: str) -> list[dict[str, Any]]:
    frame = pd.read_parquet(run.path / f"{name}.parquet")
    frame = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def uid(row: dict[str, Any], end: str = "") -> str:
    concept = f"{row[f'{end}category']}/{row[f'{end}name']}"
    index = CLASSES.index(row["class"])
    return f"a/{block_concept_uid(row[f'{end}block'], concept, index)}"


def test_the_strongest_concepts_of_each_class_and_block(run: Run) -> None:
    expected = set()
    for name in CLASSES:
        for block in run.blocks:
            named = [r for r in rows(run, "evidence") if r["name"] and r["class"] == name]
            here = [r for r in named if r["block"] == block]
            for rank, row in enumerate(sorted(here, key=lambda r: -abs(r["mean"]))[:2]):
                expected.add((uid(row), f"a/{class_uid(name)}", row["mean"], rank))
    graph = records(run, edges_per_target=2)
    found = {
        (edge.source, edge.target, edge.properties["mean"], edge.properties["rank"])
        for edge in graph.edges
        if edge.type == "EVIDENCE"
    }
    assert found == expected
    assert {node.uid for node in graph.nodes if "BlockConcept" in node.labels} == {
        source for source, *_ in expected
    }


def test_flows_and_their_shares(run: Run) -> None:
    everything = rows(run, "flows")
    graph = records(run, dense=True)
    found = {(e.source, e.target): e.properties for e in graph.edges if e.type == "FLOWS"}
    named = [row for row in everything if row["source_name"] and row["target_name"]]
    assert set(found) == {(uid(row, "source_"), uid(row, "target_")) for row in named}
    same = ("class", "source_category", "source_name", "target_category")
    for row in named:
        sizes = [abs(r["mean"]) for r in everything if all(r[k] == row[k] for k in same)]
        properties = found[uid(row, "source_"), uid(row, "target_")]
        assert properties["mean"] == row["mean"]
        assert properties["share"] == pytest.approx(
            abs(row["mean"]) / sum(sizes) if sum(sizes) else 0
        )
    ranks: dict[str, list[tuple[object, float]]] = {}
    for (_, target), properties in found.items():
        ranks.setdefault(target, []).append(
            (properties["rank"], -abs(float(str(properties["mean"]))))
        )
    assert all(sorted(of) == sorted(of, key=lambda each: each[1]) for of in ranks.values())


def test_a_run_without_evidence_has_none(tmp_path: Path) -> None:
    graph = records(random_run(tmp_path / "b.cg", {"block3": 5, "block4": 6}))
    assert not {"EVIDENCE", "FLOWS", "SEES", "IS"}.intersection(edge.type for edge in graph.edges)


def test_unloading_removes_it(run: Run) -> None:
    store = MemoryStore()
    store.load(records(run))
    assert any("BlockConcept" in node["labels"] for node in store.graph.nodes.values())
    store.unload("a")
    assert not store.graph.nodes


def test_neo4j_holds_it_and_unloads_it(store: Neo4jStore, run: Run) -> None:
    graph = records(run)
    store.load(graph)
    count = "MATCH (n:BlockConcept {run: $run}) RETURN count(n) AS n"
    nodes = [node for node in graph.nodes if "BlockConcept" in node.labels]
    assert store.cypher(count, {"run": "a"}).rows == [(len(nodes),)]
    tree = (
        "MATCH p = (:Class {uid: $uid})<-[:EVIDENCE]-(:BlockConcept)<-[:FLOWS]-(:BlockConcept) "
        "RETURN count(p) AS n"
    )
    flows = [e for e in graph.edges if e.type == "FLOWS" and e.properties["class"] == CLASSES[0]]
    assert store.cypher(tree, {"uid": f"a/{class_uid(CLASSES[0])}"}).rows == [(len(flows),)]
    add_evidence(run, seed=9)  # computed again: the run is replaced
    store.load(records(run))
    assert store.cypher(count, {"run": "a"}).rows == [(len(nodes),)]
    store.unload("a")
    assert store.cypher(count, {"run": "a"}).rows == [(0,)]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("class", "nobody", "a class that the run does not have"),
        ("block", "block9", "a block that the run does not have"),
        ("name", "nothing", "a concept that the run does not have"),
    ],
)
def test_names_that_the_run_lacks_are_refused(
    run: Run, column: str, value: str, message: str
) -> None:
    file = run.path / "evidence.parquet"
    pd.read_parquet(file).assign(**{column: value}).to_parquet(file, index=False)
    with pytest.raises(RunError, match=f"{message}; found .*{value}.*conceptgraph evidence"):
        read_class_evidence(open_run(run.path))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"versus": 3, "images": {}}'])
def test_facts_that_are_none(run: Run, text: str) -> None:
    (run.path / "evidence.json").write_text(text)
    with pytest.raises(RunError, match=r"evidence.json: not the evidence of classes"):
        read_class_evidence(run)


def test_a_duplicated_row_is_refused(run: Run) -> None:
    file = run.path / "evidence.parquet"
    table = pd.read_parquet(file)
    pd.concat([table, table]).to_parquet(file, index=False)
    with pytest.raises(RunError, match="duplicated"):
        records(run, dense=True)


def test_files_outside_of_the_run_are_not_read(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "evidence.json"
    elsewhere.write_text(json.dumps({"versus": None, "images": {}}))
    (run.path / "evidence.json").unlink()
    (run.path / "evidence.json").symlink_to(elsewhere)
    with pytest.raises(RunError, match="outside of it"):
        read_class_evidence(run)
