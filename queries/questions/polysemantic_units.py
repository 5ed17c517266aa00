"""The question `polysemantic-units`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class PolysemanticUnitRow(NamedTuple):
    """A unit, the number of concepts that it detects, and the two strongest."""

    unit: str
    concepts: int
    first: str
    first_iou: float
    second: str
    second_iou: float


@dataclass(frozen=True)
class PolysemanticUnits(CypherQuestion):
    """The units that detect more than one concept above an IoU."""

    name: ClassVar = "polysemantic-units"
    section: ClassVar[Section] = "Units"
    row: ClassVar = PolysemanticUnitRow
    iou: float = 0.04
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[PolysemanticUnitRow]:
        """Return at most `top` rows, highest IoU of the second concept first."""
        view = RunView(graph, self.run)
        rows = []
        for unit, node in view.units():
            strong = [(-e["iou"], uid) for uid, e in view.detections(unit) if e["iou"] > self.iou]
            if len(strong) > 1 and node["status"] == "ok":
                (first_iou, first), (second_iou, second) = sorted(strong)[:2]
                row = (len(strong), first, -first_iou, second, -second_iou)
                rows.append(PolysemanticUnitRow(view.local_uid(unit), *row))
        return sorted(rows, key=lambda row: (-row.second_iou, row.unit))[: self.top]
