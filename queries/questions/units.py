"""The question `units`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UnitRow(NamedTuple):
    """A unit of a run, its caption, and whether it is `ok`, `sparse` or `dead`."""

    uid: UnitUid
    name: str
    status: str


@dataclass(frozen=True)
class Units(CypherQuestion):
    """The units of a run."""

    name: ClassVar = "units"
    section: ClassVar[Section] = "Units"
    row: ClassVar = UnitRow
    top: int = 1000

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitRow]:
        """Return at most `top` rows, by uid."""
        view = RunView(graph, self.run)
        rows = (
            UnitRow(UnitUid(view.local_uid(uid)), node["name"], node["status"])
            for uid, node in view.units()
        )
        return sorted(rows)[: self.top]
