"""The picture of what a Cypher text returned: its nodes in columns, its relationships as lines.

The engines return paths in two forms: kglite a dict of nodes and relationships, Neo4j's driver a
list of nodes' properties and relationships' types in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graph.uids import concept_uid
from ...pages.layout import layered
from .rendering import url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST = 60
"""Nodes that are drawn."""
_WIDTH, _GAP, _ROW, _HEIGHT = 150, 90, 38, 28
_LONGEST = 20
_CLASS, _CONCEPT, _OTHER = 10_000, 10_001, -1
"""Columns after and before those of blocks."""


class Box(NamedTuple):
    """A node: where its box is, its name, and the page that it leads to, if it has one."""

    x: float
    y: float
    text: str
    title: str
    category: str
    url: str | None


class GraphPicture(NamedTuple):
    """A picture, in pixels.

    Attributes:
        width: of the picture.
        height: of the picture.
        boxes: of the nodes.
        lines: of the relationships, as paths of SVG, each with its type.
        left_out: nodes that are not drawn.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[tuple[str, str], ...]
    left_out: int


class _Graph:
    """Nodes by uid, and the types of relationships by their ends."""

    def __init__(self) -> None:
        self.nodes: dict[str, Mapping[str, object]] = {}
        self.edges: dict[tuple[str, str], str] = {}
        self._uids: dict[object, str] = {}

    def take(self, value: object) -> None:
        """Take the nodes and relationships in a value of a row."""
        if isinstance(value, dict):
            self._take_dict(value)
        elif isinstance(value, list | tuple):
            self._take_list(value)

    def _take_dict(self, value: Mapping[str, object]) -> None:
        nodes, edges = value.get("nodes"), value.get("relationships")
        if isinstance(nodes, list) and isinstance(edges, list):
            for part in (*nodes, *edges):
                self.take(part)
            return
        properties = value.get("properties", value)
        if isinstance(properties, dict) and isinstance(uid := properties.get("uid"), str):
            self.nodes[uid] = properties
            self._uids[value.get("id")] = uid
        elif "start" in value and "end" in value:
            ends = self._uids.get(value["start"]), self._uids.get(value["end"])
            if ends[0] is not None and ends[1] is not None:
                self.edges[ends[0], ends[1]] = str(value.get("type", ""))

    def _take_list(self, values: Sequence[object]) -> None:
        for value in values:
            self.take(value)
        for first, kind, second in zip(values, values[1:], values[2:], strict=False):
            if isinstance(first, dict) and isinstance(second, dict) and isinstance(kind, str):
                ends = first.get("uid"), second.get("uid")
                if isinstance(ends[0], str) and isinstance(ends[1], str):
                    self.edges[ends[0], ends[1]] = kind


def graph_picture(run: str, name: str, rows: Iterable[Sequence[object]]) -> GraphPicture | None:
    """Draw the nodes and relationships in some rows; None if there is none.

    Args:
        run: key of the run, in addresses.
        name: uid of the run, which uids begin with.
        rows: of the answer.
    """
    graph = _Graph()
    for row in rows:
        for value in row:
            graph.take(value)
    if not graph.nodes:
        return None
    uids = list(graph.nodes)[:MOST]
    number = {uid: place for place, uid in enumerate(uids)}
    columns: dict[int, list[int]] = {}
    for uid in uids:
        columns.setdefault(_column(graph.nodes[uid], uid), []).append(number[uid])
    of = {node: place for place, key in enumerate(sorted(columns)) for node in columns[key]}
    ends = [(number[a], number[b], kind) for (a, b), kind in graph.edges.items()
            if a in number and b in number]  # fmt: skip
    ordered = [(a, b, kind) if of[a] <= of[b] else (b, a, kind) for a, b, kind in ends]
    rows_of = layered(
        [columns[key] for key in sorted(columns)],
        {(a, b): 1.0 for a, b, _ in ordered if of[a] < of[b]},
    )
    height = _ROW * max(map(len, rows_of))
    at = {
        node: (place * (_WIDTH + _GAP), (height - _ROW * len(column)) / 2 + row * _ROW)
        for place, column in enumerate(rows_of)
        for row, node in enumerate(column)
    }
    return GraphPicture(
        len(rows_of) * (_WIDTH + _GAP) - _GAP,
        height,
        tuple(_box(run, name, uid, graph.nodes[uid], *at[number[uid]]) for uid in uids),
        tuple((_line(at[a], at[b]), kind) for a, b, kind in ordered),
        len(graph.nodes) - len(uids),
    )


def _column(node: Mapping[str, object], uid: str) -> int:
    block = node.get("block")
    if isinstance(block, int):
        return block
    if "/class/" in uid and "index" in node:
        return _CLASS
    return _CONCEPT if "category" in node else _OTHER


def _box(run: str, name: str, uid: str, node: Mapping[str, object], x: float, y: float) -> Box:
    local = uid.removeprefix(f"{name}/")
    column = _column(node, uid)
    title, category, address = str(node.get("name", uid)), str(node.get("category", "")), None
    if column == _CLASS:
        address, category = url("/class", run=run, uid=local), ""
    elif column == _CONCEPT:
        address = url("/concept", run=run, uid=uid)
    elif "index" in node:
        title = f"{local} {node['label']}" if node.get("named") else local
        address, category = url("/unit", run=run, uid=local), category * bool(node.get("named"))
    elif "block" in node and category:  # a concept as a block sees it, or a flow from there
        concept = node.get("concept") if "class" in node else concept_uid(category, title)
        address = None if concept is None else url("/concept", run=run, uid=concept)
        title = f"block{node['block']} {title}"
    text = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
    return Box(x, y, text, title, category, address)


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return the path of a line between two boxes; beside them, if they are in one column."""
    (x, y), (right, bottom) = start, end
    y, bottom = y + _HEIGHT / 2, bottom + _HEIGHT / 2
    first = x + _WIDTH
    if x == right:
        return f"M{first} {y:g}C{first + 50} {y:g} {first + 50} {bottom:g} {first} {bottom:g}"
    middle = (first + right) / 2
    return f"M{first} {y:g}C{middle:g} {y:g} {middle:g} {bottom:g} {right} {bottom:g}"
