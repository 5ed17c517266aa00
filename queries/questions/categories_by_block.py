"""The question `categories-by-block`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ...graph.uids import block_name
from ..question import CypherQuestion, Section
from ..view import RunView

if TYPE_CHECKING:
    import networkx as nx

    from ..view import LabelConcept


class CategoryRow(NamedTuple):
    """The units of a block that are labelled with concepts of a category, and these concepts.

    `significant` counts the units whose label is significant.
    """

    block: str
    category: str
    units: int
    significant: int
    concepts: int


@dataclass(frozen=True)
class CategoriesByBlock(CypherQuestion):
    """The categories of concepts over the blocks, as in the paper's Figure 6."""

    name: ClassVar = "categories-by-block"
    section: ClassVar[Section] = "Blocks"
    row: ClassVar = CategoryRow

    def answer(self, graph: nx.DiGraph[str]) -> list[CategoryRow]:
        """Return all rows, by block and category."""
        view = RunView(graph, self.run)
        labels: dict[tuple[int, str], list[LabelConcept]] = defaultdict(list)
        significant: dict[tuple[int, str], int] = defaultdict(int)
        for uid, node in view.units():
            label = view.label(uid)
            if label:
                labels[node["block"], label.category].append(label)
                significant[node["block"], label.category] += view.has_significant_label(uid)
        return [
            CategoryRow(
                block_name(block),
                category,
                len(concepts),
                significant[block, category],
                len(set(concepts)),
            )
            for (block, category), concepts in sorted(labels.items())
        ]
