"""The question `unit-concepts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class DetectionRow(NamedTuple):
    """A concept whose masks a unit's activation area overlaps.

    `attainable_iou` is the maximum attainable IoU, given the activation area and the concept area.
    `p` and `enrichment` compare the intersection with the permutation null, and `significant` holds
    at the run's false discovery rate; all three are None in a run without null samples.
    """

    uid: str
    name: str
    category: str
    iou: float
    attainable_iou: float
    p: float | None
    enrichment: float | None
    significant: bool | None


@dataclass(frozen=True)
class UnitConcepts(CypherQuestion):
    """The concepts stored for a unit, also below the run's minimum IoU."""

    name: ClassVar = "unit-concepts"
    section: ClassVar[Section] = "Units"
    row: ClassVar = DetectionRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[DetectionRow]:
        """Return at most `top` rows, highest IoU first."""
        view = RunView(graph, self.run)
        rows = []
        for uid, edge in view.detections(view.graph_uid(self.unit)):
            node = view.node(uid)
            null = (edge.get("p"), edge.get("enrichment"), edge.get("significant"))
            row = (uid, node["name"], node["category"], edge["iou"], edge["attainable_iou"], *null)
            rows.append(DetectionRow(*row))
        return sorted(rows, key=lambda row: (-row.iou, row.uid))[: self.top]
