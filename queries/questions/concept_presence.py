"""The question `concept-presence`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class PresenceRow(NamedTuple):
    """A block, and the scores of its presence probe on held-out images.

    `positions` is how many positions of these images the concept labels.
    """

    block: str
    f1: float
    precision: float
    recall: float
    positions: int


@dataclass(frozen=True)
class ConceptPresence(CypherQuestion):
    """How well a presence probe of each block predicts where a concept is, on held-out images."""

    name: ClassVar = "concept-presence"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = PresenceRow
    concept: ConceptUid

    def answer(self, graph: nx.DiGraph[str]) -> list[PresenceRow]:
        """Return one row for each block that has a probe, the earliest first."""
        view = RunView(graph, self.run)
        rows = [
            PresenceRow(view.local_uid(uid), e["f1"], e["precision"], e["recall"], e["positions"])
            for uid, e in view.probed_at(self.concept)
        ]
        return sorted(rows)
