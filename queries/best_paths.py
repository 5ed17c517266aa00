"""The strongest paths through dense matrices: pure numpy, no names.

Exact best-first search, for hundreds of billions of paths in milliseconds:

1. From the class backwards: for each unit, the largest and the smallest product of any way on to
   the class. With them, the best a started path can still become is known exactly.
2. Started paths wait in a heap by that bound; the best is taken and lengthened by one unit.
   Of its continuations only the best enters, and the next best once that one is taken.
3. A complete path that is taken is the next strongest.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class FoundPath(NamedTuple):
    """One path: its score and the index of its unit in each block, the earliest block first."""

    score: float
    indices: tuple[int, ...]


def strongest_paths(
    matrices: Sequence[NDArray[np.floating]], target: int, count: int, *, sign: int = 1
) -> list[FoundPath]:
    """The `count` paths of largest product of weights, exactly, in descending order.

    Args:
        matrices: one for each hop, (sources, targets); the targets of one are the sources of the
            next. Any signs.
        target: the column of the last matrix that paths end in.
        count: how many; fewer are returned when fewer have a product of the wanted sign.
        sign: 1 for the largest positive products, -1 for the most negative, the lowest first.

    Of equal paths the one with the lower indices comes first.
    """
    last = sign * matrices[-1][:, target].astype(np.float64)
    hops = list(matrices[:-1])
    reach = _suffix_products(hops, last)
    heap: list[tuple[float, tuple[int, ...], int, _Continuations]] = []

    def push(group: _Continuations, position: int) -> None:
        if position < len(group.units):
            path = (*group.path, group.units[position])
            heapq.heappush(heap, (-group.bounds[position], path, position, group))

    push(_continuations((), np.ones(len(reach[0][0])), reach[0], count), 0)
    found: list[FoundPath] = []
    while heap and len(found) < count:
        _, path, position, group = heapq.heappop(heap)
        push(group, position + 1)
        product, depth = group.products[position], len(path)
        if depth == len(matrices):
            found.append(FoundPath(sign * product * float(last[path[-1]]), path))
        else:
            step = product * hops[depth - 1][path[-1]].astype(np.float64)
            push(_continuations(path, step, reach[depth], count), 0)
    # Bounds and scores are rounded differently: near ties may come out one place off.
    return sorted(found, key=lambda path: (-sign * path.score, path.indices))


class _Continuations(NamedTuple):
    """How a started path can go on, best first."""

    path: tuple[int, ...]
    units: list[int]
    bounds: list[float]
    products: list[float]


_Reach = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


def _suffix_products(
    hops: Sequence[NDArray[np.floating]], last: NDArray[np.float64]
) -> list[_Reach]:
    """For each block, the largest and smallest product from each of its units to the class."""
    reach = [(last, last)]
    for hop in reversed(hops):
        reach.insert(0, _best_over_targets(hop, *reach[0]))
    return reach


def _best_over_targets(
    hop: NDArray[np.floating], high: NDArray[np.float64], low: NDArray[np.float64]
) -> _Reach:
    """One hop further back; by slices of rows, so that the products stay in the cache."""
    best, worst = np.empty(len(hop)), np.empty(len(hop))
    for start in range(0, len(hop), 16):
        rows = hop[start : start + 16]
        with_high, with_low = rows * high, rows * low
        best[start : start + 16] = np.maximum(with_high, with_low).max(axis=1)
        worst[start : start + 16] = np.minimum(with_high, with_low).min(axis=1)
    return best, worst


def _continuations(
    path: tuple[int, ...], products: NDArray[np.float64], reach: _Reach, count: int
) -> _Continuations:
    """The `count` best units to go on with; a worse one cannot be on one of `count` best paths."""
    bounds = np.maximum(products * reach[0], products * reach[1])
    floor = np.partition(bounds, max(len(bounds) - count, 0))[max(len(bounds) - count, 0)]
    units = np.flatnonzero((bounds >= floor) & (bounds > 0))
    units = units[np.argsort(-bounds[units], kind="stable")][:count]
    return _Continuations(path, units.tolist(), bounds[units].tolist(), products[units].tolist())
