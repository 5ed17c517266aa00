"""The question `quiet-units`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class QuietUnitRow(NamedTuple):
    """A unit that is never active (`dead`), or so rarely that its threshold is 0 (`sparse`)."""

    unit: str
    status: str


@dataclass(frozen=True)
class QuietUnits(CypherQuestion):
    """The dead and the sparse units."""

    name: ClassVar = "quiet-units"
    section: ClassVar[Section] = "Units"
    row: ClassVar = QuietUnitRow
    top: int = 100

    def answer(self, graph: nx.DiGraph[str]) -> list[QuietUnitRow]:
        """Return at most `top` rows, the dead first, then by uid."""
        view = RunView(graph, self.run)
        rows = [
            QuietUnitRow(view.local_uid(uid), node["status"])
            for uid, node in view.units()
            if node["status"] != "ok"
        ]
        return sorted(rows, key=lambda row: (row.status, row.unit))[: self.top]
