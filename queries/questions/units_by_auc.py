"""The question `units-by-auc`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class AucRow(NamedTuple):
    """A unit that tells images with a concept from those without.

    `auc` is 0.5 by chance, `auc_low` the lower end of its 95 % interval; `significant` holds at the
    run's false discovery rate.
    """

    uid: str
    name: str
    auc: float
    auc_low: float | None
    significant: bool | None


@dataclass(frozen=True)
class UnitsByAuc(CypherQuestion):
    """The units that tell images with a concept best, of concepts that label whole images."""

    name: ClassVar = "units-by-auc"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = AucRow
    concept: ConceptUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[AucRow]:
        """Return at most `top` rows, highest AUC first."""
        view = RunView(graph, self.run)
        rows = [
            AucRow(
                view.local_uid(uid),
                view.unit(uid)["name"],
                edge["auc"],
                edge.get("auc_low"),
                edge.get("auc_significant"),
            )
            for uid, edge in view.detectors(self.concept)
            if "auc" in edge
        ]
        return sorted(rows, key=lambda row: (-row.auc, row.uid))[: self.top]
