"""The question `formulas`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class FormulaRow(NamedTuple):
    """A unit with a formula, and its best single concept; IoU over all images."""

    unit: str
    formula: str
    iou: float
    concept: str
    concept_iou: float


@dataclass(frozen=True)
class Formulas(CypherQuestion):
    """The units that a formula of several concepts describes better than any one of them."""

    name: ClassVar = "formulas"
    section: ClassVar[Section] = "Units"
    row: ClassVar = FormulaRow
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[FormulaRow]:
        """Return at most `top` rows, highest IoU first."""
        view = RunView(graph, self.run)
        rows = [
            FormulaRow(
                view.local_uid(unit),
                node["formula"],
                node["formula_iou"],
                node["formula_concept"],
                node["formula_concept_iou"],
            )
            for unit, node in view.units()
            if node.get("formula") is not None
        ]
        return sorted(rows, key=lambda row: (-row.iou, row.unit))[: self.top]
