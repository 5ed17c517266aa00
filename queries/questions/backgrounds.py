"""The question `backgrounds`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import BlockName
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class BackgroundRow(NamedTuple):
    """A class, another concept that is evidence for it, and the evidence of its own concept.

    `own` is None if that is not among the strongest of the class; it counts as 0.
    """

    uid: str
    name: str
    concept: str
    mean: float
    coverage: float
    own: float | None
    difference: float


@dataclass(frozen=True)
class Backgrounds(CypherQuestion):
    """The classes for which other concepts are more evidence than the one of their own name."""

    name: ClassVar = "backgrounds"
    section: ClassVar[Section] = "Evidence of classes"
    row: ClassVar = BackgroundRow
    block: BlockName
    coverage: float = 0.8
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[BackgroundRow]:
        """Return at most `top` rows, largest difference first."""
        view = RunView(graph, self.run)
        names = {view.node(uid)["name"] for uid in view.concepts()}
        rows = [
            row
            for uid in view.classes()
            if view.node(uid)["name"] in names
            for row in self._rows(view, uid)
        ]
        return sorted(rows, key=lambda r: (-r.difference, r.uid, r.concept))[: self.top]

    def _rows(self, view: RunView, class_uid: str) -> list[BackgroundRow]:
        name, block = view.node(class_uid)["name"], view.graph_uid(self.block)
        seen = [
            (view.block_concept(uid)["name"], uid, edge)
            for uid, edge in view.evidence(class_uid)
            if view.block_of(uid) == block
        ]
        own = max((edge["mean"] for concept, _, edge in seen if concept == name), default=None)
        return [
            BackgroundRow(
                view.local_uid(class_uid),
                name,
                view.concept_of(uid),
                edge["mean"],
                edge["coverage"],
                own,
                edge["mean"] - (own or 0.0),
            )
            for concept, uid, edge in seen
            if concept != name and edge["mean"] > (own or 0.0) and edge["coverage"] < self.coverage
        ]
