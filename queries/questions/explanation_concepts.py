"""The question `explanation-concepts`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..explanation_view import ExplanationView
from ..parameters import ExplanationUid
from ..question import CypherQuestion, Section
from ..view import ordered_sum

if TYPE_CHECKING:
    import networkx as nx


class ExplanationConceptRow(NamedTuple):
    """What the paths that start in units of a concept contribute; None: units without a label."""

    uid: str | None
    name: str | None
    category: str | None
    paths: int
    contribution: float


@dataclass(frozen=True)
class ExplanationConcepts(CypherQuestion):
    """The paths of a saved explanation, added up by the label of their first unit."""

    name: ClassVar = "explanation-concepts"
    section: ClassVar[Section] = "Saved explanations"
    row: ClassVar = ExplanationConceptRow
    explanation: ExplanationUid

    def answer(self, graph: nx.DiGraph[str]) -> list[ExplanationConceptRow]:
        """Return all rows, largest contribution of either sign first."""
        view = ExplanationView(graph, self.run)
        contributions = defaultdict(list)
        for uid, path in view.paths(view.graph_uid(self.explanation)):
            for position, unit in view.steps(uid):
                if position == 0:
                    contributions[view.label(unit)].append(path["contribution"])
        rows = []
        for label, values in contributions.items():
            row = ExplanationConceptRow(
                label and label.uid,
                label and label.name,
                label and label.category,
                len(values),
                ordered_sum(values),
            )
            rows.append(row)
        return sorted(rows, key=lambda row: (-abs(row.contribution), row.uid or ""))
