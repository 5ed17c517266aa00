"""The question `unit-sources`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..concept_shares import ShareRow, concept_share_rows
from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class UnitSources(CypherQuestion):
    """The concepts of the previous block that feed a unit."""

    name: ClassVar = "unit-sources"
    section: ClassVar[Section] = "Units"
    row: ClassVar = ShareRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ShareRow]:
        """Return at most `top` rows of positive share, largest first."""
        view = RunView(graph, self.run)
        return concept_share_rows(view, view.graph_uid(self.unit))[: self.top]
