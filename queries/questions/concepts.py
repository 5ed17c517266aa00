"""The question `concepts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class RunConceptRow(NamedTuple):
    """A concept, with the images and pixels that it labels in the run's data.

    `center_bias` is the center-bias baseline: the best IoU of a centered box, of eight sizes.
    `source` is what made its labels, a model or tags; None if people drew them.
    """

    uid: ConceptUid
    name: str
    category: str
    images: int
    pixels: int
    center_bias: float | None
    source: str | None


@dataclass(frozen=True)
class Concepts(CypherQuestion):
    """The concepts in a run's data."""

    name: ClassVar = "concepts"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = RunConceptRow

    def answer(self, graph: nx.DiGraph[str]) -> list[RunConceptRow]:
        """Return all rows, by uid."""
        view = RunView(graph, self.run)
        rows = []
        for uid in view.concepts():
            node, edge = view.node(uid), graph.edges[self.run, uid]
            counts = edge["images"], edge["pixels"], edge.get("center_bias"), edge.get("source")
            rows.append(RunConceptRow(ConceptUid(uid), node["name"], node["category"], *counts))
        return sorted(rows)
