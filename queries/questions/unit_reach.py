"""The question `unit-reach`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import UnitUid
from ..question import CypherQuestion, Section
from ..view import RunView, ordered_sum

if TYPE_CHECKING:
    import networkx as nx


class ReachedClassRow(NamedTuple):
    """A class, the number of paths to it, and their scores added up."""

    uid: str
    name: str
    paths: int
    score: float


@dataclass(frozen=True)
class UnitReach(CypherQuestion):
    """The classes that a unit of the last block but one reaches through the units it feeds."""

    name: ClassVar = "unit-reach"
    section: ClassVar[Section] = "Units"
    row: ClassVar = ReachedClassRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ReachedClassRow]:
        """Return at most `top` rows of positive score, highest first."""
        view = RunView(graph, self.run)
        scores: dict[str, list[float]] = defaultdict(list)
        for next_unit, first in view.targets(view.graph_uid(self.unit)):
            for target, second in view.targets(next_unit):
                if view.is_class(target):
                    scores[target].append(second["share"] * first["share"])
        rows = [
            ReachedClassRow(
                view.local_uid(uid), view.node(uid)["name"], len(values), ordered_sum(values)
            )
            for uid, values in scores.items()
        ]
        positive = [row for row in rows if row.score > 0]
        return sorted(positive, key=lambda row: (-row.score, row.uid))[: self.top]
