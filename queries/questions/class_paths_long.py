"""The question `class-paths-long`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..graph_paths import paths_to_class
from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class LongPathRow(NamedTuple):
    """A path first → second → third → fourth → class, with the units' labels."""

    score: float
    first: str
    first_concept: str | None
    second: str
    second_concept: str | None
    third: str
    third_concept: str | None
    fourth: str
    fourth_concept: str | None


@dataclass(frozen=True)
class ClassPathsLong(CypherQuestion):
    """The strongest paths through four blocks to a class."""

    name: ClassVar = "class-paths-long"
    section: ClassVar[Section] = "Paths"
    row: ClassVar = LongPathRow
    class_: ClassUid
    beam: int = 8
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[LongPathRow]:
        """Return at most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        paths = paths_to_class(view, view.graph_uid(self.class_), 4, self.beam)
        strongest = sorted(paths, key=lambda path: (-path.score, path.units))[: self.top]
        rows = []
        for score, (first, second, third, fourth) in strongest:
            row = LongPathRow(
                score,
                view.local_uid(first),
                view.label_name(first),
                view.local_uid(second),
                view.label_name(second),
                view.local_uid(third),
                view.label_name(third),
                view.local_uid(fourth),
                view.label_name(fourth),
            )
            rows.append(row)
        return rows
