"""Exports, read back by networkx and csv, against the graph they came from."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest

from conceptgraph.graph.exports.graph_files import (
    flat_graph,
    write_gexf,
    write_graphml,
    write_json,
    write_nodes,
    write_relationships,
)
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.stores.memory import MemoryStore, open_store
from tests.command_line import run
from tests.made_runs import random_run, small_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["small", "random"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore:
    if request.param == "small":
        return open_store(small_run(tmp_path / "a.cg"))
    return open_store(random_run(tmp_path / "a.cg", {"block3": 7, "block4": 9}))


def content(graph: nx.Graph[str]) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    edges = {(source, target): dict(edge) for source, target, edge in graph.edges(data=True)}
    return {uid: dict(node) for uid, node in graph.nodes(data=True)}, edges


def test_graphml_holds_everything(store: MemoryStore, tmp_path: Path) -> None:
    write_graphml(store, tmp_path / "a.graphml")
    assert content(nx.read_graphml(tmp_path / "a.graphml")) == content(flat_graph(store))


def test_gexf_holds_everything_with_the_names_gephi_uses(
    store: MemoryStore, tmp_path: Path
) -> None:
    write_gexf(store, tmp_path / "a.gexf")
    nodes, edges = content(nx.read_gexf(tmp_path / "a.gexf"))
    expected_nodes, expected_edges = content(flat_graph(store))
    for node in expected_nodes.values():
        if "label" in node:
            node["concept"] = node.pop("label")
        node["label"] = node["name"]
    for edge in expected_edges.values():
        edge["kind"] = edge.pop("type")
    for edge in edges.values():
        edge.pop("id", None)
    assert nodes == expected_nodes
    assert edges == expected_edges


def test_characters_that_xml_cannot_hold(store: MemoryStore, tmp_path: Path) -> None:
    odd = "bell \x07 \x0b \ud800 \ufffe end"
    uid = next(iter(store.graph))
    nx.relabel_nodes(store.graph, {uid: odd}, copy=False)
    store.graph.nodes[odd]["name"] = odd
    write_graphml(store, tmp_path / "a.graphml")
    write_gexf(store, tmp_path / "a.gexf")
    for graph in (nx.read_graphml(tmp_path / "a.graphml"), nx.read_gexf(tmp_path / "a.gexf")):
        assert len(graph) == len(store.graph)
        assert graph.nodes["bell \ufffd \ufffd \ufffd \ufffd end"]["name"].startswith("bell \ufffd")


def test_json_holds_everything_with_its_lists(store: MemoryStore, tmp_path: Path) -> None:
    write_json(store, tmp_path / "a.json")
    with (tmp_path / "a.json").open(encoding="utf-8") as file:
        nodes, edges = content(nx.node_link_graph(json.load(file), edges="edges"))
    expected_nodes, expected_edges = content(store.graph)
    for node in nodes.values():
        node["labels"] = tuple(node["labels"])
    assert nodes == expected_nodes
    assert edges == expected_edges


def test_csv_holds_everything(store: MemoryStore, tmp_path: Path) -> None:
    write_nodes(store, tmp_path / "nodes.csv")
    write_relationships(store, tmp_path / "relationships.csv")
    expected_nodes, expected_edges = content(flat_graph(store))
    with (tmp_path / "nodes.csv").open(newline="", encoding="utf-8") as file:
        nodes = {row.pop("uid"): row for row in csv.DictReader(file)}
    with (tmp_path / "relationships.csv").open(newline="", encoding="utf-8") as file:
        edges = {(row.pop("source"), row.pop("target")): row for row in csv.DictReader(file)}
    assert list(nodes) == list(expected_nodes)
    assert list(edges) == list(expected_edges)
    rows = [*nodes.values(), *edges.values()]
    for row, expected in zip(
        rows, [*expected_nodes.values(), *expected_edges.values()], strict=True
    ):
        values = {name: value for name, value in row.items() if value != ""}
        assert values == {name: str(value) for name, value in expected.items() if value != ""}


def test_the_commands(tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg")
    for words in (
        ("graphml", "-o", "a.graphml"),
        ("gexf", "-o", "a.gexf"),
        ("json", "-o", "a.json"),
        ("csv", "-o", "tables"),
    ):
        done = run("export", *words, folder=tmp_path)
        assert done.status == 0, done.err
    expected = content(flat_graph(open_store(open_run(tmp_path / "a.cg"))))
    assert content(nx.read_graphml(tmp_path / "a.graphml")) == expected
    assert (tmp_path / "tables" / "relationships.csv").stat().st_size > 0
    failed = run("export", "json", "-o", "nowhere/a.json", folder=tmp_path)
    assert failed.status == 1
    assert "cannot be written" in failed.err
