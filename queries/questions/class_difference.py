"""The question `class-difference`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..concept_shares import shares_by_concept
from ..parameters import ClassUid
from ..question import CypherQuestion, Section
from ..view import RunView, ordered_sum

if TYPE_CHECKING:
    import networkx as nx


class ClassDifferenceRow(NamedTuple):
    """A concept, and its share of each of two classes.

    `units` and `other_units` are the contributions in the graph that are added up; a share without
    any is 0.
    """

    uid: str
    name: str
    category: str
    units: int
    share: float
    other_units: int
    other_share: float
    difference: float


@dataclass(frozen=True)
class ClassDifference(CypherQuestion):
    """The concepts in which two classes differ most."""

    name: ClassVar = "class-difference"
    section: ClassVar[Section] = "Classes"
    row: ClassVar = ClassDifferenceRow
    class_: ClassUid
    other: ClassUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[ClassDifferenceRow]:
        """Return at most `top` rows, largest difference of either sign first."""
        view = RunView(graph, self.run)
        shares = shares_by_concept(view, view.graph_uid(self.class_))
        other_shares = shares_by_concept(view, view.graph_uid(self.other))
        rows = []
        for label in {*shares, *other_shares}:
            each, other_each = shares.get(label, []), other_shares.get(label, [])
            share, other_share = ordered_sum(each), ordered_sum(other_each)
            row = ClassDifferenceRow(
                *label, len(each), share, len(other_each), other_share, share - other_share
            )
            rows.append(row)
        return sorted(rows, key=lambda row: (-abs(row.difference), row.uid))[: self.top]
