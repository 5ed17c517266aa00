"""The question `concept-paths`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid, ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class ConceptPathRow(NamedTuple):
    """A path: a unit that detects the concept → a unit of the last block → the class."""

    score: float
    first: str
    iou: float
    second: str
    second_concept: str | None


@dataclass(frozen=True)
class ConceptPaths(CypherQuestion):
    """The strongest paths from the units that detect a concept to a class."""

    name: ClassVar = "concept-paths"
    section: ClassVar[Section] = "Paths"
    row: ClassVar = ConceptPathRow
    concept: ConceptUid
    class_: ClassUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ConceptPathRow]:
        """Return at most `top` rows, highest score first."""
        view = RunView(graph, self.run)
        class_uid = view.graph_uid(self.class_)
        shares = {unit: edge["share"] for unit, edge in view.contributors(class_uid)}
        rows = [
            ConceptPathRow(
                shares[second] * edge["share"],
                view.local_uid(first),
                detects["iou"],
                view.local_uid(second),
                view.label_name(second),
            )
            for first, detects in view.interpretable_detectors(self.concept)
            for second, edge in view.targets(first)
            if edge["share"] > 0 and shares.get(second, 0) > 0
        ]
        return sorted(rows, key=lambda row: (-row.score, row.first, row.second))[: self.top]
