"""The question `concept-classes`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..concept_shares import ShareRow, ranked
from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView, ordered_sum

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class ConceptClasses(CypherQuestion):
    """The classes that the units labelled with a concept feed."""

    name: ClassVar = "concept-classes"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = ShareRow
    concept: ConceptUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ShareRow]:
        """Return at most `top` rows of positive share, largest first."""
        view = RunView(graph, self.run)
        shares: dict[str, list[float]] = defaultdict(list)
        for unit in view.labelled(self.concept):
            for target, edge in view.targets(unit):
                if view.is_class(target):
                    shares[target].append(edge["share"])
        rows = [
            ShareRow(
                view.local_uid(uid), view.node(uid)["name"], None, len(values), ordered_sum(values)
            )
            for uid, values in shares.items()
        ]
        return ranked(rows)[: self.top]
