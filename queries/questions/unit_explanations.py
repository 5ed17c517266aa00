"""The question `unit-explanations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..explanation_view import ExplanationView
from ..parameters import UnitUid
from ..question import CypherQuestion, Section

if TYPE_CHECKING:
    import networkx as nx


class UnitExplanationRow(NamedTuple):
    """A path of a saved explanation that runs through the unit."""

    image: str
    class_name: str
    rank: int
    contribution: float


@dataclass(frozen=True)
class UnitExplanations(CypherQuestion):
    """The saved explanations with a path through a unit."""

    name: ClassVar = "unit-explanations"
    section: ClassVar[Section] = "Saved explanations"
    row: ClassVar = UnitExplanationRow
    unit: UnitUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[UnitExplanationRow]:
        """Return at most `top` rows, largest contribution of either sign first."""
        view = ExplanationView(graph, self.run)
        unit_uid = view.graph_uid(self.unit)
        paths = [
            (-abs(path["contribution"]), uid, view.node(image)["path"], class_uid, path)
            for explanation, class_uid, image in view.explanations()
            for uid, path in view.paths(explanation)
            if unit_uid in (unit for _, unit in view.steps(uid))
        ]
        paths.sort(key=lambda path: path[:3])
        return [
            UnitExplanationRow(
                image, view.node(class_uid)["name"], path["rank"], path["contribution"]
            )
            for _, _, image, class_uid, path in paths[: self.top]
        ]
