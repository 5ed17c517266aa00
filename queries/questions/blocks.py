"""The question `blocks`."""

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


class BlockRow(NamedTuple):
    """A block: its units by status, and the concepts that they are named after.

    `significant` counts the interpretable units whose label is significant, `named` those whose
    label holds as a name.
    """

    block: BlockName
    units: int
    interpretable: int
    significant: int
    named: int
    sparse: int
    dead: int
    concepts: int


@dataclass(frozen=True)
class Blocks(CypherQuestion):
    """The dissected blocks in numbers."""

    name: ClassVar = "blocks"
    section: ClassVar[Section] = "Blocks"
    row: ClassVar = BlockRow

    def answer(self, graph: nx.DiGraph[str]) -> list[BlockRow]:
        """Return one row a block, the earliest first."""
        view = RunView(graph, self.run)
        nodes = defaultdict(list)
        significant: dict[int, int] = defaultdict(int)
        labels: dict[int, set[LabelConcept]] = defaultdict(set)
        for uid, node in view.units():
            nodes[node["block"]].append(node)
            significant[node["block"]] += view.has_significant_label(uid)
            label = view.label(uid)
            if label:
                labels[node["block"]].add(label)
        return [
            BlockRow(
                BlockName(block_name(block)),
                len(units),
                sum(node["interpretable"] for node in units),
                significant[block],
                sum(node["named"] for node in units),
                sum(node["status"] == "sparse" for node in units),
                sum(node["status"] == "dead" for node in units),
                len(labels[block]),
            )
            for block, units in sorted(nodes.items())
        ]
