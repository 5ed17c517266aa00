"""The question `unnamed-units`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UnnamedUnitRow(NamedTuple):
    """A contributor to the class that is named after no concept."""

    unit: str
    weight: float
    share: float
    rank: int


@dataclass(frozen=True)
class UnnamedUnits(CypherQuestion):
    """The contributors to a class that are named after no concept."""

    name: ClassVar = "unnamed-units"
    section: ClassVar[Section] = "Classes"
    row: ClassVar = UnnamedUnitRow
    class_: ClassUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[UnnamedUnitRow]:
        """Return at most `top` rows, largest weight first."""
        view = RunView(graph, self.run)
        rows = [
            UnnamedUnitRow(view.local_uid(unit), edge["weight"], edge["share"], edge["rank"])
            for unit, edge in view.contributors(view.graph_uid(self.class_))
            if edge["weight"] > 0 and view.label(unit) is None
        ]
        return sorted(rows, key=lambda row: (-row.weight, row.unit))[: self.top]
