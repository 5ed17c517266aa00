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

    `evidence` is all that the second concept adds to the class.
    """

    source: str
    source_block: int
    target: str
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
        class_uid = view.graph_uid(self.class_)
        evidence = {uid: edge["mean"] for uid, edge in view.evidence(class_uid)}
        keyed = []
        for source, target, edge in view.flows(class_uid):
            first, second = view.block_concept(source), view.block_concept(target)
            if self.category not in {"any", *({first["category"]} & {second["category"]})}:
                continue
            told = abs(edge["mean"]) * (1 - first["coverage"]) * (1 - second["coverage"])
            row = HierarchyRow(
                view.concept_of(source),
                first["block"],
                view.concept_of(target),
                second["block"],
                edge["mean"],
                edge["images"],
                evidence[target],
            )
            keyed.append((-told, source, target, row))
        return [row for *_, row in sorted(keyed)][: self.top]
