"""The question `unit-labels`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UnitLabelRow(NamedTuple):
    """A unit, and the concept with the largest IoU, however weak; None if nothing overlaps it.

    `named` if that holds as a name. `significant` is None if the unit is not interpretable, or the
    run has no null samples.
    """

    uid: UnitUid
    label: str | None
    category: str | None
    iou: float | None
    status: str
    interpretable: bool
    named: bool
    significant: bool | None


@dataclass(frozen=True)
class UnitLabels(CypherQuestion):
    """The units of a run with their labels."""

    name: ClassVar = "unit-labels"
    section: ClassVar[Section] = "Units"
    row: ClassVar = UnitLabelRow
    top: int = 1000

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitLabelRow]:
        """Return at most `top` rows, by uid."""
        view = RunView(graph, self.run)
        rows = []
        for uid, unit in view.units():
            best = (edge for _, edge in view.detections(uid) if edge["rank"] == 0)
            significant = next((edge.get("significant") for edge in best), None)
            row = UnitLabelRow(
                UnitUid(view.local_uid(uid)),
                unit.get("label"),
                unit.get("category"),
                unit.get("iou"),
                unit["status"],
                unit["interpretable"],
                unit["named"],
                significant if unit["interpretable"] else None,
            )
            rows.append(row)
        return sorted(rows, key=lambda row: row.uid)[: self.top]
