"""The question `dynamic-units`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class DynamicUnitRow(NamedTuple):
    """A unit, and the correlations of its maps with those of reversed and of frozen clips."""

    unit: str
    concept: str | None
    reversed: float
    frozen: float | None


@dataclass(frozen=True)
class DynamicUnits(CypherQuestion):
    """The units of a run of clips that see motion."""

    name: ClassVar = "dynamic-units"
    section: ClassVar[Section] = "Units"
    row: ClassVar = DynamicUnitRow
    top: int = 20

    def answer(self, graph: nx.DiGraph[str]) -> list[DynamicUnitRow]:
        """Return at most `top` rows, the most dynamic first."""
        view = RunView(graph, self.run)
        rows = [
            DynamicUnitRow(
                view.local_uid(uid), view.label_name(uid), node["reversed"], node.get("frozen")
            )
            for uid, node in view.units()
            if node.get("reversed") is not None
        ]
        return sorted(rows, key=lambda row: (row.reversed, row.unit))[: self.top]
