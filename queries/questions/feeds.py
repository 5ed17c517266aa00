"""The question `feeds`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..contributions import ContributionRow, contribution_row
from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Feeds(CypherQuestion):
    """The units or classes of which a unit has the largest share.

    Weights to different targets are on different scales; shares are not.
    """

    name: ClassVar = "feeds"
    section: ClassVar[Section] = "Units"
    row: ClassVar = ContributionRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ContributionRow]:
        """Return at most `top` rows, largest share first."""
        view = RunView(graph, self.run)
        edges = view.targets(view.graph_uid(self.unit))
        rows = [contribution_row(view, uid, edge) for uid, edge in edges if edge["share"] > 0]
        return sorted(rows, key=lambda row: (-row.share, row.uid))[: self.top]
