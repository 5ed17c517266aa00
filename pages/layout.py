"""Layout of a layered graph: few crossings, evenly spaced boxes, no overlaps.

1. `column_names`: the blocks, in the order in which the paths pass through them.
2. `layered`: the order within every column, by barycentre sweeps (Sugiyama, Tagawa, Toda 1981).
3. `rows`: heights in pixels, evenly spaced within a column, every column centred.

Nodes are integers; edges map `(source, target)` to a weight. Boxes are not measured: a row is high
enough for any of them.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Edges = Mapping[tuple[int, int], float]

ROW = 34
"""Pixels from one box to the next in the fullest column."""
WIDEST_ROW = 64
"""The most pixels from one box to the next, so that a short column stays one group."""
SHORTEST = 320
"""Pixels: the least height of a graph."""
SWEEPS = 12


def column_names(chains: Iterable[Sequence[str]]) -> list[str]:
    """Return the blocks in the order of the paths.

    Args:
        chains: the block of every unit, path by path.

    Raises:
        DataError: two paths pass the same blocks in opposite order, or one passes a block twice.
    """
    order: TopologicalSorter[str] = TopologicalSorter()
    for chain in chains:
        for name in chain:
            order.add(name)
        for before, after in pairwise(chain):
            order.add(after, before)
    try:
        return list(order.static_order())
    except CycleError as error:
        raise DataError(
            "paths disagree about the order of the blocks",
            found=" → ".join(reversed(error.args[1])),
            expected="the same order in every path",
        ) from error


def layered(columns: Sequence[Sequence[int]], edges: Edges) -> list[list[int]]:
    """Reorder the columns so that few edges cross: the best of all sweeps, the first of equals.

    Args:
        columns: nodes from left to right; the order within a column breaks ties.
        edges: `(source, target)` → weight; an edge may skip columns.
    """
    incoming: dict[int, list[tuple[int, float]]] = {}
    outgoing: dict[int, list[tuple[int, float]]] = {}
    for (source, target), weight in edges.items():
        incoming.setdefault(target, []).append((source, abs(weight)))
        outgoing.setdefault(source, []).append((target, abs(weight)))
    order = [list(column) for column in columns]
    best, fewest = [list(column) for column in order], crossings(order, edges)
    for sweep in range(SWEEPS):
        neighbours, step = (incoming, 1) if sweep % 2 == 0 else (outgoing, -1)
        for column in order[::step]:
            _sort_by_barycentre(column, neighbours, _heights(order))
        count = crossings(order, edges)
        if count < fewest:
            best, fewest = [list(column) for column in order], count
    return best


def _heights(columns: Sequence[Sequence[int]]) -> dict[int, float]:
    """Return every node's height as a share of its column's, in (0, 1)."""
    return {
        node: (row + 0.5) / len(column) for column in columns for row, node in enumerate(column)
    }


def _sort_by_barycentre(
    column: list[int],
    neighbours: Mapping[int, Sequence[tuple[int, float]]],
    heights: Mapping[int, float],
) -> None:
    def barycentre(node: int) -> float:
        linked = neighbours.get(node, ())
        total = sum(weight for _, weight in linked)
        if total == 0:
            return heights[node]
        return sum(heights[neighbour] * weight for neighbour, weight in linked) / total

    column.sort(key=barycentre)


def crossings(columns: Sequence[Sequence[int]], edges: Edges) -> int:
    """Count the pairs of edges between the same two columns that cross, in O(edges²) at worst."""
    place = {
        node: (index, row)
        for index, column in enumerate(columns)
        for row, node in enumerate(column)
    }
    hops: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for source, target in edges:
        (left, top), (right, bottom) = place[source], place[target]
        hops.setdefault((left, right), []).append((top, bottom))
    count = 0
    for ends in hops.values():
        above: list[int] = []
        same_source: list[int] = []
        previous = -1
        for top, bottom in sorted(ends):
            if top != previous:  # edges that leave one node together do not cross
                for row in same_source:
                    insort(above, row)
                same_source, previous = [], top
            count += len(above) - bisect_right(above, bottom)
            same_source.append(bottom)
    return count


def rows(columns: Sequence[Sequence[int]]) -> tuple[dict[int, float], int]:
    """Return every node's y in pixels from the top, and the height of the graph."""
    height = max([SHORTEST, *((len(column) + 0.5) * ROW for column in columns)])
    heights = {}
    for column in columns:
        step = min(height / (len(column) + 0.5), WIDEST_ROW)
        top = (height - step * len(column)) / 2
        for row, node in enumerate(column):
            heights[node] = round(top + (row + 0.5) * step, 1)
    return heights, round(height)
