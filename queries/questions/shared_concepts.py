"""The question `shared-concepts`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class SharedConceptsRow(NamedTuple):
    """Another class, and the uids of the concepts that feed both."""

    uid: str
    name: str
    shared: int
    concepts: list[str]


@dataclass(frozen=True)
class SharedConcepts(CypherQuestion):
    """The classes that share the most concepts with a class."""

    name: ClassVar = "shared-concepts"
    section: ClassVar[Section] = "Classes"
    row: ClassVar = SharedConceptsRow
    class_: ClassUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[SharedConceptsRow]:
        """Return at most `top` rows, most concepts first."""
        view = RunView(graph, self.run)
        class_uid = view.graph_uid(self.class_)
        labels = [view.label(unit) for unit, e in view.contributors(class_uid) if e["share"] > 0]
        shared: dict[str, set[str]] = defaultdict(set)
        for concept in {label.uid for label in labels if label}:
            for unit in view.labelled(concept):
                for target, edge in view.targets(unit):
                    if view.is_class(target) and edge["share"] > 0 and target != class_uid:
                        shared[target].add(concept)
        rows = [
            SharedConceptsRow(
                view.local_uid(uid), view.node(uid)["name"], len(concepts), sorted(concepts)
            )
            for uid, concepts in shared.items()
        ]
        return sorted(rows, key=lambda row: (-row.shared, row.uid))[: self.top]
