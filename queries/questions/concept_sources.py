"""The question `concept-sources`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView, ordered_sum

if TYPE_CHECKING:
    import networkx as nx

    from ..view import LabelConcept


class ConceptSourceRow(NamedTuple):
    """A concept whose units feed units of another concept.

    `steps` counts these contributions, `share` is the sum of their shares.
    """

    uid: str
    name: str
    category: str
    steps: int
    share: float


@dataclass(frozen=True)
class ConceptSources(CypherQuestion):
    """The concepts of earlier blocks that feed the units labelled with a concept."""

    name: ClassVar = "concept-sources"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = ConceptSourceRow
    concept: ConceptUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ConceptSourceRow]:
        """Return at most `top` rows, largest share first."""
        view = RunView(graph, self.run)
        shares: dict[LabelConcept, list[float]] = defaultdict(list)
        for unit in view.labelled(self.concept):
            for source, edge in view.contributors(unit):
                label = view.label(source)
                if label and edge["share"] > 0:
                    shares[label].append(edge["share"])
        rows = [
            ConceptSourceRow(*label, len(values), ordered_sum(values))
            for label, values in shares.items()
        ]
        return sorted(rows, key=lambda row: (-row.share, row.uid))[: self.top]
