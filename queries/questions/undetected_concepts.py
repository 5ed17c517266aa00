"""The question `undetected-concepts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class UndetectedConceptRow(NamedTuple):
    """A concept that no unit detects; `best_iou` is None if it is stored for no unit."""

    uid: str
    name: str
    category: str
    images: int
    best_iou: float | None


@dataclass(frozen=True)
class UndetectedConcepts(CypherQuestion):
    """The concepts that no unit detects above the run's minimum IoU."""

    name: ClassVar = "undetected-concepts"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = UndetectedConceptRow
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[UndetectedConceptRow]:
        """Return at most `top` rows, those in most images first."""
        view = RunView(graph, self.run)
        rows = []
        for uid in view.concepts():
            if any(view.interpretable_detectors(uid)):
                continue
            node, images = view.node(uid), graph.edges[self.run, uid]["images"]
            best_iou = max((edge["iou"] for _, edge in view.detectors(uid)), default=None)
            row = UndetectedConceptRow(uid, node["name"], node["category"], images, best_iou)
            rows.append(row)
        return sorted(rows, key=lambda row: (-row.images, row.uid))[: self.top]
