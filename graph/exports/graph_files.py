"""The graph of a run as a file for other programs: GraphML, GEXF, node-link JSON, CSV.

Nodes have their uid, their `labels` (joined by `;`) and properties, relationships their `type` and
properties. A list (a unit's images) is joined by `;` if the format has no lists. In GEXF `label` is
the caption and `type` the direction: a unit's concept is `concept`, a relationship's type `kind`.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..elements import Value
    from ..stores.memory import MemoryStore

_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_graphml(store: MemoryStore, path: Path) -> None:
    """Write GraphML, with typed attributes, for Gephi, yEd, Cytoscape and networkx."""
    nx.write_graphml_xml(_valid_xml(flat_graph(store)), path)


def write_gexf(store: MemoryStore, path: Path) -> None:
    """Write GEXF for Gephi, which shows a node's `label`: here its name."""
    graph = _valid_xml(flat_graph(store))
    for _, node in graph.nodes(data=True):
        if "label" in node:
            node["concept"] = node.pop("label")
        node["label"] = node["name"]
    for _, _, edge in graph.edges(data=True):
        edge["kind"] = edge.pop("type")  # `type` says directed or not in GEXF
    nx.write_gexf(graph, path)


def write_json(store: MemoryStore, path: Path) -> None:
    """Write node-link JSON, which `networkx.node_link_graph(…, edges="edges")` reads."""
    text = json.dumps(nx.node_link_data(store.graph, edges="edges"), ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


def write_nodes(store: MemoryStore, path: Path) -> None:
    """Write a CSV table of nodes: uid, labels, and one column a property, empty if missing."""
    graph = flat_graph(store)
    rows = [{"uid": uid, **node} for uid, node in graph.nodes(data=True)]
    _write_csv(path, ("uid", "labels"), rows)


def write_relationships(store: MemoryStore, path: Path) -> None:
    """Write a CSV table of edges: source, type, target, and one column a property."""
    graph = flat_graph(store)
    edges = graph.edges(data=True)
    rows = [{"source": source, "target": target, **edge} for source, target, edge in edges]
    _write_csv(path, ("source", "type", "target"), rows)


def flat_graph(store: MemoryStore) -> nx.DiGraph[str]:
    """Return a copy of the graph with plain values only: lists and labels joined by `;`."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from((uid, _flat(node)) for uid, node in store.graph.nodes(data=True))
    graph.add_edges_from(
        (source, target, _flat(edge)) for source, target, edge in store.graph.edges(data=True)
    )
    return graph


def _valid_xml(graph: nx.DiGraph[str]) -> nx.DiGraph[str]:
    """Return the graph with U+FFFD for each character that XML cannot hold, also in uids."""
    for _, properties in graph.nodes(data=True):
        properties.update({key: _valid_text(value) for key, value in properties.items()})
    for _, _, properties in graph.edges(data=True):
        properties.update({key: _valid_text(value) for key, value in properties.items()})
    invalid = [uid for uid in graph if _valid_text(uid) != uid]
    valid: nx.DiGraph[str] = nx.relabel_nodes(
        graph, {uid: f"{_valid_text(uid)}" for uid in invalid}
    )
    return valid


def _valid_text(value: object) -> object:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def _flat(properties: Mapping[str, Value | tuple[str, ...]]) -> dict[str, str | int | float | bool]:
    return {
        key: ";".join(map(str, value)) if isinstance(value, list | tuple) else value
        for key, value in properties.items()
    }


def _write_csv(path: Path, first: tuple[str, ...], rows: Sequence[Mapping[str, object]]) -> None:
    others = sorted({key for row in rows for key in row} - set(first))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*first, *others])
        writer.writeheader()
        writer.writerows(rows)
