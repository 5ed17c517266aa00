"""The question `detectors`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..parameters import ConceptUid
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx


class DetectorRow(NamedTuple):
    """A unit that detects a concept; `best` if it is also labelled with it.

    `significant` is None in a run without null samples.
    """

    uid: str
    name: str
    iou: float
    best: bool
    significant: bool | None


@dataclass(frozen=True)
class Detectors(CypherQuestion):
    """The units that detect a concept above the run's minimum IoU."""

    name: ClassVar = "detectors"
    section: ClassVar[Section] = "Concepts"
    row: ClassVar = DetectorRow
    concept: ConceptUid
    top: int = 10

    def answer(self, graph: nx.DiGraph[str]) -> list[DetectorRow]:
        """Return at most `top` rows, highest IoU first."""
        view = RunView(graph, self.run)
        labelled = set(view.labelled(self.concept))
        rows = [
            DetectorRow(
                view.local_uid(uid),
                view.unit(uid)["name"],
                edge["iou"],
                uid in labelled,
                edge.get("significant"),
            )
            for uid, edge in view.interpretable_detectors(self.concept)
        ]
        return sorted(rows, key=lambda row: (-row.iou, row.uid))[: self.top]
