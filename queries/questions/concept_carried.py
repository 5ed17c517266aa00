"""The question `concept-carried`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class CarriedRow(NamedTuple):
    """A contribution between two units that are labelled with the same concept."""

    source: str
    target: str
    weight: float
    share: float
    rank: int


@dataclass(frozen=True)
class ConceptCarried(CypherQuestion):
    """The contributions from units labelled with a concept to units labelled with it too."""

    name: ClassVar = "concept-carried"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = CarriedRow
    concept: ConceptUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[CarriedRow]:
        """Return at most `top` rows, largest share first."""
        view = RunView(graph, self.run)
        labelled = set(view.labelled(self.concept))
        rows = [
            CarriedRow(
                view.local_uid(source),
                view.local_uid(target),
                edge["weight"],
                edge["share"],
                edge["rank"],
            )
            for source in labelled
            for target, edge in view.targets(source)
            if target in labelled and edge["share"] > 0
        ]
        return sorted(rows, key=lambda row: (-row.share, row.source, row.target))[: self.top]
