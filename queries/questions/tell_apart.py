"""The question `tell-apart`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class TellApartRow(NamedTuple):
    """A unit with a positive weight to one class and a negative one to another."""

    unit: str
    concept: str | None
    weight: float
    other_weight: float
    difference: float


@dataclass(frozen=True)
class TellApart(CypherQuestion):
    """The units that are evidence for a class and against another."""

    name: ClassVar = "tell-apart"
    section: ClassVar[Section] = "Classes"
    row: ClassVar = TellApartRow
    class_: ClassUid
    other: ClassUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[TellApartRow]:
        """Return at most `top` rows, largest difference of weights first."""
        view = RunView(graph, self.run)
        against = {
            unit: edge["weight"]
            for unit, edge in view.contributors(view.graph_uid(self.other))
            if edge["weight"] < 0
        }
        rows = [
            TellApartRow(
                view.local_uid(unit),
                view.label_name(unit),
                edge["weight"],
                against[unit],
                edge["weight"] - against[unit],
            )
            for unit, edge in view.contributors(view.graph_uid(self.class_))
            if edge["weight"] > 0 and unit in against
        ]
        return sorted(rows, key=lambda row: (-row.difference, row.unit))[: self.top]
