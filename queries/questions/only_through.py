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
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[OnlyThroughRow]:
        """Return at most `top` rows, by their rank."""
        view = RunView(graph, self.run)
        rows = []
        for source, target, edge, _ in view.flows(view.graph_uid(self.class_)):
            first, second = source.get("concept"), target.get("concept")
            if first and second and first != second and edge["share"] >= self.share:
                values = (edge["mean"], edge["share"], edge["images"])
                rows.append(
                    OnlyThroughRow(first, source["block"], second, target["block"], *values)
                )
        return rows[: self.top]
