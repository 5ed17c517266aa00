"""The question `fed-by`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..contributions import ContributionRow, contribution_row
from ..parameters import TargetUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class FedBy(CypherQuestion):
    """The contributors to a unit or class."""

    name: ClassVar = "fed-by"
    section: ClassVar[Section] = "Units"
    row: ClassVar = ContributionRow
    target: TargetUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ContributionRow]:
        """Return at most `top` rows, largest weight first."""
        view = RunView(graph, self.run)
        edges = view.contributors(view.graph_uid(self.target))
        rows = [contribution_row(view, uid, edge) for uid, edge in edges if edge["weight"] > 0]
        return sorted(rows, key=lambda row: (-row.weight, row.uid))[: self.top]
