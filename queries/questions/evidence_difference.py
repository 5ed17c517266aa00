"""The question `evidence-difference`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import BlockName, ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class EvidenceDifferenceRow(NamedTuple):
    """A concept, and its evidence for two classes, each over its own images.

    A mean of None is not among the strongest of the class; it counts as 0.
    """

    uid: str
    name: str
    category: str
    mean: float | None
    other_mean: float | None
    difference: float


@dataclass(frozen=True)
class EvidenceDifference(CypherQuestion):
    """The concepts whose evidence for two classes differs most."""

    name: ClassVar = "evidence-difference"
    section: ClassVar[Section] = "Evidence of classes"
    row: ClassVar = EvidenceDifferenceRow
    class_: ClassUid
    other: ClassUid
    block: BlockName
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[EvidenceDifferenceRow]:
        """Return at most `top` rows, largest difference of either sign first."""
        view = RunView(graph, self.run)
        means, other_means = self._means(view, self.class_), self._means(view, self.other)
        rows = []
        for concept in {*means, *other_means}:
            node, mean, other = view.node(concept), means.get(concept), other_means.get(concept)
            difference = (mean or 0.0) - (other or 0.0)
            row = (node["name"], node["category"], mean, other, difference)
            rows.append(EvidenceDifferenceRow(concept, *row))
        return sorted(rows, key=lambda row: (-abs(row.difference), row.uid))[: self.top]

    def _means(self, view: RunView, class_uid: ClassUid) -> dict[str, float]:
        block = view.graph_uid(self.block)
        return {
            view.concept_of(uid): edge["mean"]
            for uid, edge in view.evidence(view.graph_uid(class_uid))
            if view.block_of(uid) == block
        }
