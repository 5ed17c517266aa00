"""The question `concept-hierarchy`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class HierarchyRow(NamedTuple):
    """A flow: what reaches the class from a concept by way of one of the next block.

    `evidence` is all that the second adds to the class. A concept of None: none of the category.
    """

    source: str | None
    source_category: str
    source_block: int
    target: str | None
    target_category: str
    target_block: int
    mean: float
    images: int
    evidence: float


@dataclass(frozen=True)
class ConceptHierarchy(CypherQuestion):
    """The concepts that carry a class, and those through which they do."""

    name: ClassVar = "concept-hierarchy"
    section: ClassVar[Section] = "Evidence of classes"
    row: ClassVar = HierarchyRow
    class_: ClassUid
    category: str = "any"
    top: int = 20

    def answer(self, graph: nx.DiGraph[str]) -> list[HierarchyRow]:
        """Return at most `top` rows, those first that tell most."""
        view = RunView(graph, self.run)
        rows = []
        for source, target, edge, to_class in view.flows(view.graph_uid(self.class_)):
            if self.category in {"any", *({source["category"]} & {target["category"]})}:
                first = (source.get("concept"), source["category"], source["block"])
                second = (target.get("concept"), target["category"], target["block"])
                means = (edge["mean"], edge["images"], to_class["mean"])
                rows.append(HierarchyRow(*first, *second, *means))
        return rows[: self.top]
