"""The question `only-through`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class OnlyThroughRow(NamedTuple):
    """A concept, and the other one by way of which a share of its evidence reaches the class."""

    source: str
    source_block: int
    through: str
    through_block: int
    mean: float
    share: float
    images: int


@dataclass(frozen=True)
class OnlyThrough(CypherQuestion):
    """The concepts that reach a class, for the most part, by way of another."""

    name: ClassVar = "only-through"
    section: ClassVar[Section] = "Evidence of classes"
    row: ClassVar = OnlyThroughRow
    class_: ClassUid
    share: float = 0.5
    coverage: float = 0.8
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[OnlyThroughRow]:
        """Return at most `top` rows, largest |mean| first."""
        view = RunView(graph, self.run)
        keyed = []
        for source, target, edge in view.flows(view.graph_uid(self.class_)):
            first, second = view.concept_of(source), view.concept_of(target)
            node = view.block_concept(target)
            if edge["share"] >= self.share and node["coverage"] < self.coverage and first != second:
                block = view.block_concept(source)["block"]
                values = (edge["mean"], edge["share"], edge["images"])
                row = OnlyThroughRow(first, block, second, node["block"], *values)
                keyed.append((-abs(edge["mean"]), source, target, row))
        return [row for *_, row in sorted(keyed)][: self.top]
