"""The question `unit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UnitDetailsRow(NamedTuple):
    """A unit; `images`, `activations` and `thumbnails` are parallel lists, the strongest first.

    `reversed` and `frozen`, of a run of clips: the correlations of its maps with those of reversed
    and of frozen clips, near 1 if it sees no motion.
    """

    uid: str
    name: str
    status: str
    threshold: float | None
    interpretable: bool
    named: bool
    reversed: float | None
    frozen: float | None
    images: list[str]
    activations: list[float]
    thumbnails: list[str]


@dataclass(frozen=True)
class Unit(CypherQuestion):
    """What a unit is, and the images on which it is strongest."""

    name: ClassVar = "unit"
    section: ClassVar[Section] = "Units"
    row: ClassVar = UnitDetailsRow
    unit: UnitUid

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitDetailsRow]:
        """Return one row, or none if there is no such unit."""
        view = RunView(graph, self.run)
        node = view.unit(view.graph_uid(self.unit))
        if not node:
            return []
        return [
            UnitDetailsRow(
                self.unit,
                node["name"],
                node["status"],
                node.get("threshold"),
                node["interpretable"],
                node["named"],
                node.get("reversed"),
                node.get("frozen"),
                node.get("images", []),
                node.get("activations", []),
                node.get("thumbnails", []),
            )
        ]
