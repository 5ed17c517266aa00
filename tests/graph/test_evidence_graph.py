"""The evidence of classes in the graph, against plain loops; and evidence that is damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptgraph.errors import RunError
from conceptgraph.graph.records import records
from conceptgraph.graph.run.class_evidence import read_class_evidence
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.stores.memory import MemoryStore
from conceptgraph.graph.uids import class_uid, flow_uid
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


def concept(row: dict[str, Any], end: str = "") -> str | None:
    name = row[f"{end}name"]
    return name and f"{row[f'{end}category']}/{name}"


def test_the_strongest_concepts_of_each_class_and_block(run: Run) -> None:
    expected = set()
    for name in CLASSES:
        for block in run.blocks:
            named = [r for r in rows(run, "evidence") if r["name"] and r["class"] == name]
            here = [r for r in named if r["block"] == block]
            for rank, row in enumerate(sorted(here, key=lambda r: -abs(r["mean"]))[:2]):
                uid = f"a/{block}/at/{concept(row)}"
                expected.add((uid, f"a/{class_uid(name)}", row["mean"], rank))
    graph = records(run, edges_per_target=2)
    found = {
        (edge.source, edge.target, edge.properties["mean"], edge.properties["rank"])
        for edge in graph.edges
        if edge.type == "EVIDENCE"
    }
    assert found == expected
    nodes = {node.uid: node for node in graph.nodes if "BlockConcept" in node.labels}
    at = {edge.target for edge in graph.edges if edge.type == "AT"}
    assert set(nodes) == {source for source, *_ in expected} | at
    seen = [r for r in rows(run, "evidence") if (r["block"], r["name"]) == ("block3", "ball")]
    node = nodes["a/block3/at/object/ball"].properties
    assert node["images"] == sum(row["images"] for row in seen)
    assert node["coverage"] == pytest.approx(sum(row["coverage"] for row in seen) / len(seen))


def test_flows_are_a_tree_of_those_that_tell_most(run: Run) -> None:
    everything = rows(run, "flows")
    evidence = {
        (r["class"], r["block"], r["category"], r["name"]): r for r in rows(run, "evidence")
    }

    def told(row: dict[str, Any]) -> float:
        ends = []
        for end in ("source", "target"):
            block, category, name = (row[f"{end}_{part}"] for part in ("block", "category", "name"))
            ends.append(evidence[row["class"], block, category, name])
        names = any(end["name"] for end in ends)
        free = (1 - ends[0]["coverage"]) * (1 - ends[1]["coverage"])
        return float(abs(row["mean"]) * free * names)

    graph = records(run, edges_per_target=3)
    nodes = {node.uid: node.properties for node in graph.nodes if node.labels[0] == "Flow"}
    flows = [edge for edge in graph.edges if edge.type == "FLOWS"]
    assert len({edge.source for edge in flows}) == len(flows) == len(nodes)
    for name in CLASSES:
        strongest = sorted((r for r in everything if r["class"] == name), key=lambda r: -told(r))
        leaves = [e for e in flows if e.target in nodes and e.properties["class"] == name]
        leaves.sort(key=lambda edge: int(str(edge.properties["rank"])))
        assert [e.properties["mean"] for e in leaves] == [r["mean"] for r in strongest[:6]]
        for edge, row in zip(leaves, strongest, strict=False):
            same = ("class", "source_category", "source_name", "target_category")
            sizes = [abs(r["mean"]) for r in everything if all(r[k] == row[k] for k in same)]
            assert edge.properties["share"] == pytest.approx(abs(row["mean"]) / sum(sizes))
            for uid, end in ((edge.source, "source_"), (edge.target, "target_")):
                assert nodes[uid].get("concept") == concept(row, end)
                assert nodes[uid]["name"] == (row[f"{end}name"] or "elsewhere")
        branches = [e for e in flows if e.target == f"a/{class_uid(name)}"]
        assert {edge.source for edge in branches} == {edge.target for edge in leaves}
        for edge in branches:
            node = nodes[edge.source]
            row = evidence[name, "block4", node["category"],
                           None if node["name"] == "elsewhere" else node["name"]]  # fmt: skip
            assert edge.properties["mean"] == row["mean"]
    at = {(edge.source, edge.target) for edge in graph.edges if edge.type == "AT"}
    assert at == {
        (uid, f"a/block{node['block']}/at/{node['concept']}")
        for uid, node in nodes.items()
        if "concept" in node
    }


@given(
    st.lists(
        st.tuples(st.text("a/:%", max_size=3), st.text("a/:%", max_size=3)), min_size=2, max_size=2
    )
)
def test_uids_of_flows_differ_if_their_names_do(names: list[tuple[str, str]]) -> None:
    uids = [flow_uid(0, [("block4", *name), ("block3", "a", None)]) for name in names]
    assert (uids[0] == uids[1]) == (names[0] == names[1])


def test_a_run_without_evidence_has_none(tmp_path: Path) -> None:
    graph = records(random_run(tmp_path / "b.cg", {"block3": 5, "block4": 6}))
    assert not {"EVIDENCE", "FLOWS", "SEES", "IS", "AT"}.intersection(
        edge.type for edge in graph.edges
    )


def test_unloading_removes_it(run: Run) -> None:
    store = MemoryStore()
    store.load(records(run))
    assert any("BlockConcept" in node["labels"] for node in store.graph.nodes.values())
    store.unload("a")
    assert not store.graph.nodes


def test_neo4j_holds_it_and_unloads_it(store: Neo4jStore, run: Run) -> None:
    graph = records(run)
    store.load(graph)
    count = "MATCH (n) WHERE n:BlockConcept OR n:Flow RETURN count(n) AS n"
    nodes = [node for node in graph.nodes if node.labels[0] in {"BlockConcept", "Flow"}]
    assert store.cypher(count).rows == [(len(nodes),)]
    tree = "MATCH p = (:Class {uid: $uid})<-[:FLOWS]-(:Flow)<-[:FLOWS]-(:Flow) RETURN count(p) AS n"
    branches = {e.source for e in graph.edges if e.target == f"a/{class_uid(CLASSES[0])}"}
    leaves = [e for e in graph.edges if e.type == "FLOWS" and e.target in branches]
    assert store.cypher(tree, {"uid": f"a/{class_uid(CLASSES[0])}"}).rows == [(len(leaves),)]
    add_evidence(run, seed=9)  # computed again: the run is replaced
    again = records(run)
    store.load(again)
    means = {e.properties["mean"] for e in again.edges if e.type == "EVIDENCE"}
    found = store.cypher("MATCH ()-[e:EVIDENCE]->() RETURN DISTINCT e.mean AS mean").rows
    assert {mean for (mean,) in found} == means
    store.unload("a")
    assert store.cypher(count).rows == [(0,)]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("class", "nobody", "column class; found 'nobody'; expected a class of the run"),
        ("block", "block9", "column block; found 'block9'; expected a block of the run"),
        ("name", "nothing", "a concept that the run does not have; found 'object/nothing'"),
    ],
)
def test_names_that_the_run_lacks_are_refused(
    run: Run, column: str, value: str, message: str
) -> None:
    file = run.path / "evidence.parquet"
    table = pd.read_parquet(file)
    row = table.index[table["category"] == "object"][0]
    table.loc[row, column] = value
    table.to_parquet(file, index=False)
    with pytest.raises(RunError, match=message):
        read_class_evidence(open_run(run.path))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"versus": 3, "images": {}}'])
def test_facts_that_are_none(run: Run, text: str) -> None:
    (run.path / "evidence.json").write_text(text)
    with pytest.raises(RunError, match=r"evidence.json: not the evidence of classes"):
        read_class_evidence(run)


@pytest.mark.parametrize("name", ["evidence", "flows"])
def test_a_duplicated_row_is_refused(run: Run, name: str) -> None:
    file = run.path / f"{name}.parquet"
    table = pd.read_parquet(file)
    pd.concat([table[1:], table[1:2]]).to_parquet(file, index=False)
    with pytest.raises(RunError, match=f"{name}.parquet: a row is duplicated"):
        records(run, dense=True)


def test_files_outside_of_the_run_are_not_read(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "evidence.json"
    elsewhere.write_text(json.dumps({"versus": None, "images": {}}))
    (run.path / "evidence.json").unlink()
    (run.path / "evidence.json").symlink_to(elsewhere)
    with pytest.raises(RunError, match="outside of it"):
        read_class_evidence(run)
