"""The question `unit-classes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UnitClassRow(NamedTuple):
    """A class, and the weight of the unit in the network's final layer."""

    uid: str
    name: str
    weight: float
    share: float
    rank: int


@dataclass(frozen=True)
class UnitClasses(CypherQuestion):
    """The classes that a unit of the last block is evidence for or against."""

    name: ClassVar = "unit-classes"
    section: ClassVar[Section] = "Units"
    row: ClassVar = UnitClassRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitClassRow]:
        """Return at most `top` rows, largest weight of either sign first."""
        view = RunView(graph, self.run)
        rows = [
            UnitClassRow(
                view.local_uid(uid),
                view.node(uid)["name"],
                edge["weight"],
                edge["share"],
                edge["rank"],
            )
            for uid, edge in view.targets(view.graph_uid(self.unit))
            if view.is_class(uid)
        ]
        return sorted(rows, key=lambda row: (-abs(row.weight), row.uid))[: self.top]
