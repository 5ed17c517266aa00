"""The question `class-paths`."""

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
class ClassPaths(CypherQuestion):
    """The strongest paths through the last two blocks to a class."""

    name: ClassVar = "class-paths"
    section: ClassVar[Section] = "Paths"
    row: ClassVar = ClassPathRow
    class_: ClassUid
    beam: int = 1000
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassPathRow]:
        """Return at most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        paths = paths_to_class(view, view.graph_uid(self.class_), 2, self.beam)
        rows = class_path_rows(view, paths)
        return sorted(rows, key=lambda row: (-row.score, row.first, row.second))[: self.top]
