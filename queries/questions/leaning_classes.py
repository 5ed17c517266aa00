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
        best: dict[str, LeaningClassRow] = {}
        for block, class_uid, edge in view.evidence_of(self.concept):
            row = LeaningClassRow(
                view.local_uid(class_uid),
                view.node(class_uid)["name"],
                block,
                edge["mean"],
                edge["low"],
                edge["high"],
                edge["share"],
                edge["coverage"],
            )
            if row.mean > 0:
                best[row.uid] = min(best.get(row.uid, row), row, key=lambda r: (-r.mean, r.block))
        return sorted(best.values(), key=lambda row: (-row.mean, row.uid))[: self.top]
