"""The question `class-paths-against`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..graph_paths import ClassPathRow, class_path_rows, paths_to_class
from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class ClassPathsAgainst(CypherQuestion):
    """The strongest paths through the last two blocks that are evidence against a class."""

    name: ClassVar = "class-paths-against"
    section: ClassVar[Section] = "Paths"
    row: ClassVar = ClassPathRow
    class_: ClassUid
    beam: int = 1000
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassPathRow]:
        """Return at most `top` rows, lowest score first."""
        view = RunView(graph, self.run)
        paths = paths_to_class(view, view.graph_uid(self.class_), 2, self.beam, sign=-1)
        rows = class_path_rows(view, paths)
        return sorted(rows, key=lambda row: (row.score, row.first, row.second))[: self.top]
