"""What a graph is made of, for any store: plain nodes and relationships, Python's own values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool | list[str] | list[float]


class Node(NamedTuple):
    """A node: its labels (the one in `schema.NODES` first), its uid and its other properties."""

    labels: tuple[str, ...]
    uid: str
    properties: dict[str, Value]


class Edge(NamedTuple):
    """A relationship between two nodes, by uid."""

    type: str
    source: str
    target: str
    properties: dict[str, Value]


class ExplanationGraph(NamedTuple):
    """An explanation's part of the graph: the Image, the Explanation, then its Paths."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def uid(self) -> str:
        """The uid of the Explanation."""
        return self.nodes[1].uid


def drop_missing(properties: Mapping[str, object]) -> dict[str, Value]:
    """Return the properties that have a value, without those that are None or NaN."""
    return {
        name: value
        for name, value in properties.items()
        if isinstance(value, str | int | float | list) and value == value  # noqa: PLR0124
    }
