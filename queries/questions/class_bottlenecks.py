"""The question `class-bottlenecks`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..graph_paths import paths_to_class
from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView, ordered_sum

if TYPE_CHECKING:
    import networkx as nx


class ClassBottleneckRow(NamedTuple):
    """A unit of the last block but one, its paths to the class, and their scores added up."""

    unit: str
    concept: str | None
    paths: int
    score: float


@dataclass(frozen=True)
class ClassBottlenecks(CypherQuestion):
    """The units of the last block but one whose paths carry most of a class's score."""

    name: ClassVar = "class-bottlenecks"
    section: ClassVar[Section] = "Paths"
    row: ClassVar = ClassBottleneckRow
    class_: ClassUid
    beam: int = 1000
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassBottleneckRow]:
        """Return at most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        scores: dict[str, list[float]] = defaultdict(list)
        for score, (first, _) in paths_to_class(view, view.graph_uid(self.class_), 2, self.beam):
            scores[first].append(score)
        rows = [
            ClassBottleneckRow(
                view.local_uid(unit), view.label_name(unit), len(values), ordered_sum(values)
            )
            for unit, values in scores.items()
        ]
        return sorted(rows, key=lambda row: (-row.score, row.unit))[: self.top]
