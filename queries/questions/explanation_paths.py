"""The question `explanation-paths`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..explanation_view import ExplanationView
from ..parameters import ExplanationUid
from ..question import CypherQuestion, Section

if TYPE_CHECKING:
    import networkx as nx


class PathStepRow(NamedTuple):
    """One unit of one path of an explanation."""

    rank: int
    contribution: float
    measured: float | None
    position: int
    unit: str
    concept: str | None


@dataclass(frozen=True)
class ExplanationPaths(CypherQuestion):
    """The paths of a saved explanation, unit by unit."""

    name: ClassVar = "explanation-paths"
    section: ClassVar[Section] = "Saved explanations"
    row: ClassVar = PathStepRow
    explanation: ExplanationUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[PathStepRow]:
        """Return the rows of at most `top` paths, by rank and position."""
        view = ExplanationView(graph, self.run)
        paths = view.paths(view.graph_uid(self.explanation))[: self.top]
        return [
            PathStepRow(
                path["rank"],
                path["contribution"],
                path.get("measured"),
                position,
                view.local_uid(unit),
                view.label_name(unit),
            )
            for uid, path in paths
            for position, unit in view.steps(uid)
        ]
