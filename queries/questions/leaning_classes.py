"""The question `leaning-classes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class LeaningClassRow(NamedTuple):
    """A class, and a concept's evidence for it in the block where it is most.

    `low` and `high` are the mean's 95 % interval, `share` that of the images that have the concept.
    """

    uid: str
    name: str
    block: int
    mean: float
    low: float
    high: float
    share: float
    coverage: float


@dataclass(frozen=True)
class LeaningClasses(CypherQuestion):
    """The classes for which a concept is most evidence."""

    name: ClassVar = "leaning-classes"
    section: ClassVar[Section] = "Evidence of classes"
    row: ClassVar = LeaningClassRow
    concept: ConceptUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[LeaningClassRow]:
        """Return at most `top` rows, most evidence first."""
        view = RunView(graph, self.run)
        rows = [row for uid in view.classes() if (row := self._row(view, uid))]
        return sorted(rows, key=lambda row: (-row.mean, row.uid))[: self.top]

    def _row(self, view: RunView, class_uid: str) -> LeaningClassRow | None:
        edges = [
            (-edge["mean"], view.block_concept(uid)["block"], edge)
            for uid, edge in view.evidence(class_uid)
            if edge["mean"] > 0 and view.concept_of(uid) == self.concept
        ]
        if not edges:
            return None
        _, block, edge = min(edges, key=lambda each: each[:2])
        return LeaningClassRow(
            view.local_uid(class_uid),
            view.node(class_uid)["name"],
            block,
            edge["mean"],
            edge["low"],
            edge["high"],
            edge["share"],
            edge["coverage"],
        )
