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
    at the run's false discovery rate. `precision` is the share of the activation area that lies on
    the concept, in images held out, `precision_low` the lower end of its 95 % interval, `chance`
    the share by chance; `holds` if the concept may name the unit. What compares with the null is
    None in a run without null samples. `auc` is how well the unit tells images with the concept
    from those without, of concepts that label whole images; None for others.
    """

    uid: str
    name: str
    category: str
    iou: float
    attainable_iou: float
    p: float | None
    enrichment: float | None
    significant: bool | None
    precision: float | None
    precision_low: float | None
    chance: float | None
    holds: bool | None
    auc: float | None
    auc_low: float | None
    auc_significant: bool | None


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
            name = (edge.get("precision"), edge.get("precision_low"), edge.get("chance"))
            row = (uid, node["name"], node["category"], edge["iou"], edge["attainable_iou"], *null)
            auc = (edge.get("auc"), edge.get("auc_low"), edge.get("auc_significant"))
            rows.append(DetectionRow(*row, *name, edge.get("holds"), *auc))
        return sorted(rows, key=lambda row: (-row.iou, row.uid))[: self.top]
