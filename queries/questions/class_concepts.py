"""The question `class-concepts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..concept_shares import ShareRow, concept_share_rows
from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class ClassConcepts(CypherQuestion):
    """The concepts that the units which feed a class are labelled with."""

    name: ClassVar = "class-concepts"
    section: ClassVar[Section] = "Classes"
    row: ClassVar = ShareRow
    class_: ClassUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ShareRow]:
        """Return at most `top` rows of positive share, largest first."""
        view = RunView(graph, self.run)
        return concept_share_rows(view, view.graph_uid(self.class_))[: self.top]
