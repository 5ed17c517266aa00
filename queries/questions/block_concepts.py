"""The question `block-concepts`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ...graph.uids import block_name
from ..parameters import BlockName
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx

    from ..view import LabelConcept


class BlockConceptRow(NamedTuple):
    """A concept, the units of the block that are labelled with it, and their highest IoU."""

    uid: str
    name: str
    category: str
    units: int
    best_iou: float


@dataclass(frozen=True)
class BlockConcepts(CypherQuestion):
    """The concepts that the units of a block are labelled with."""

    name: ClassVar = "block-concepts"
    section: ClassVar[Section] = "Blocks"
    row: ClassVar = BlockConceptRow
    block: BlockName
    top: int = 20

    def answer(self, graph: nx.DiGraph[str]) -> list[BlockConceptRow]:
        """Return at most `top` rows, most units first."""
        view = RunView(graph, self.run)
        ious: dict[LabelConcept, list[float]] = defaultdict(list)
        for uid, node in view.units():
            label = view.label(uid)
            if label and block_name(node["block"]) == self.block:
                ious[label].append(node["iou"])
        rows = [BlockConceptRow(*label, len(v), max(v)) for label, v in ious.items()]
        return sorted(rows, key=lambda row: (-row.units, row.uid))[: self.top]
