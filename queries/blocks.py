"""Blocks at a glance: what their units detect."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .question import CypherQuestion
from .view import Concept, RunView

if TYPE_CHECKING:
    import networkx as nx


class BlockRow(NamedTuple):
    """A block's units by what became of them, and how many concepts they are labelled with.

    `significant` are interpretable units whose label is beyond chance.
    """

    block: str
    units: int
    interpretable: int
    significant: int
    sparse: int
    dead: int
    concepts: int


@dataclass(frozen=True)
class Blocks(CypherQuestion):
    """The dissected blocks in numbers."""

    name: ClassVar = "blocks"
    row: ClassVar = BlockRow

    def answer(self, graph: nx.DiGraph[str]) -> list[BlockRow]:
        """One row a block, the earliest first."""
        view = RunView(graph, self.run)
        nodes = defaultdict(list)
        significant: dict[int, int] = defaultdict(int)
        labels: dict[int, set[Concept]] = defaultdict(set)
        for uid, node in view.units():
            nodes[node["block"]].append(node)
            significant[node["block"]] += view.is_significant(uid)
            label = view.label(uid)
            if label:
                labels[node["block"]].add(label)
        return [
            BlockRow(
                f"block{block}",
                len(units),
                sum(node["interpretable"] for node in units),
                significant[block],
                sum(node["status"] == "sparse" for node in units),
                sum(node["status"] == "dead" for node in units),
                len(labels[block]),
            )
            for block, units in sorted(nodes.items())
        ]


class CategoryRow(NamedTuple):
    """How many units of a block detect concepts of a category, and how many different ones.

    `significant` are units whose label is beyond chance.
    """

    block: str
    category: str
    units: int
    significant: int
    concepts: int


@dataclass(frozen=True)
class CategoriesByBlock(CypherQuestion):
    """The paper's figure: categories of concepts over the blocks."""

    name: ClassVar = "categories-by-block"
    row: ClassVar = CategoryRow

    def answer(self, graph: nx.DiGraph[str]) -> list[CategoryRow]:
        """Rows by block and category."""
        view = RunView(graph, self.run)
        found: dict[tuple[int, str], list[Concept]] = defaultdict(list)
        significant: dict[tuple[int, str], int] = defaultdict(int)
        for uid, node in view.units():
            label = view.label(uid)
            if label:
                found[node["block"], label.category].append(label)
                significant[node["block"], label.category] += view.is_significant(uid)
        return [
            CategoryRow(f"block{key[0]}", key[1], len(each), significant[key], len(set(each)))
            for key, each in sorted(found.items())
        ]


class BlockConceptRow(NamedTuple):
    """A concept that units of a block are labelled with."""

    uid: str
    name: str
    category: str
    units: int
    best_iou: float


@dataclass(frozen=True)
class BlockConcepts(CypherQuestion):
    """The concepts of a block ("block4"), those with most units first."""

    name: ClassVar = "block-concepts"
    row: ClassVar = BlockConceptRow
    block: str
    top: int = 20

    def answer(self, graph: nx.DiGraph[str]) -> list[BlockConceptRow]:
        """At most `top` rows."""
        view = RunView(graph, self.run)
        found: dict[Concept, list[float]] = defaultdict(list)
        for uid, node in view.units():
            label = view.label(uid)
            if label and f"block{node['block']}" == self.block:
                found[label].append(node["iou"])
        rows = [BlockConceptRow(*label, len(ious), max(ious)) for label, ious in found.items()]
        return sorted(rows, key=lambda row: (-row.units, row.uid))[: self.top]
