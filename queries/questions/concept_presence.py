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

    `mcc` is the Matthews correlation, 0 for a probe that always says yes, with its 95 % interval;
    `positions` is how many positions of these images the concept labels; explanations use a probe
    that is `usable`.
    """

    block: str
    mcc: float
    mcc_low: float
    mcc_high: float
    usable: bool
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
            PresenceRow(
                view.local_uid(uid),
                *(edge["mcc"], edge["mcc_low"], edge["mcc_high"], edge["usable"]),
                *(edge["f1"], edge["precision"], edge["recall"], edge["positions"]),
            )
            for uid, edge in view.probed_at(self.concept)
        ]
        return sorted(rows)
