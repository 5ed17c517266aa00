"""The question `unit-in-other-runs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class OtherRunRow(NamedTuple):
    """A unit's label in another run; None if it has no name in that run.

    `other_settings` are those that decide labels, if they are not those of the run asked about.
    """

    run: str
    concept: str | None
    category: str | None
    iou: float | None
    other_settings: str | None


@dataclass(frozen=True)
class UnitInOtherRuns(CypherQuestion):
    """The same unit in the other runs of its network that are in the graph."""

    name: ClassVar = "unit-in-other-runs"
    section: ClassVar[Section] = "Units"
    row: ClassVar = OtherRunRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[OtherRunRow]:
        """Return at most `top` rows, by run."""
        view = RunView(graph, self.run)
        rows = []
        for uid in view.same_units(view.graph_uid(self.unit)):
            label = view.label(uid)
            row = OtherRunRow(
                view.run_of(uid),
                label and label.name,
                label and label.category,
                view.unit(uid)["iou"] if label else None,
                view.other_settings(view.run_of(uid)),
            )
            rows.append(row)
        return sorted(rows, key=lambda row: row.run)[: self.top]
