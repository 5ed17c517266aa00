"""The strongest paths through dense matrices: pure numpy, no names.

Exact best-first search, for hundreds of billions of paths in milliseconds:

1. From the class backwards: for each unit, the largest and the smallest product of any path suffix
   to the class. With them, the largest score that a path prefix can reach is known exactly.
2. Path prefixes wait in a heap by that bound. The best is taken and extended by one unit. Of its
   extensions only the best enters the heap, and the next best once that one is taken.
3. A complete path that is taken is the next strongest.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class ScoredPath(NamedTuple):
    """A path: its score, and the index of its unit in each block, the earliest block first."""

    score: float
    indices: tuple[int, ...]


def strongest_paths(
    matrices: Sequence[NDArray[np.floating]], target: int, count: int, *, sign: int = 1
) -> list[ScoredPath]:
    """Return the `count` paths with the largest product of weights, exactly, in descending order.

    Args:
        matrices: one for each hop, (sources, targets); the targets of one are the sources of the
            next. Weights may have any sign.
        target: the column of the last matrix that paths end in.
        count: how many; fewer are returned if fewer have a product of this sign.
        sign: 1 for the largest positive products, -1 for the most negative, the lowest first.

    Of equal paths the one with the lower indices comes first.
    """
    last = sign * matrices[-1][:, target].astype(np.float64)
    hops = list(matrices[:-1])
    suffixes = _suffix_products(hops, last)
    heap: list[tuple[float, tuple[int, ...], int, _Extensions]] = []

    def push(extensions: _Extensions, position: int) -> None:
        if position < len(extensions.units):
            path = (*extensions.prefix, extensions.units[position])
            heapq.heappush(heap, (-extensions.bounds[position], path, position, extensions))

    push(_extensions((), np.ones(len(suffixes[0][0])), suffixes[0], count), 0)
    paths: list[ScoredPath] = []
    while heap and len(paths) < count:
        _, path, position, extensions = heapq.heappop(heap)
        push(extensions, position + 1)
        product, depth = extensions.products[position], len(path)
        if depth == len(matrices):
            paths.append(ScoredPath(sign * product * float(last[path[-1]]), path))
        else:
            products = product * hops[depth - 1][path[-1]].astype(np.float64)
            push(_extensions(path, products, suffixes[depth], count), 0)
    # Bounds and scores are rounded differently: near ties may come out one place off.
    return sorted(paths, key=lambda path: (-sign * path.score, path.indices))


class _Extensions(NamedTuple):
    """The units by which a path prefix can be extended, best first.

    `products` are those of the extended prefixes, `bounds` the largest scores they can reach.
    """

    prefix: tuple[int, ...]
    units: list[int]
    bounds: list[float]
    products: list[float]


_SuffixProducts = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
"""For each unit of a block, the largest and the smallest product of a path suffix."""


def _suffix_products(
    hops: Sequence[NDArray[np.floating]], last: NDArray[np.float64]
) -> list[_SuffixProducts]:
    """Compute, for each block, the largest and smallest product from each unit to the class."""
    suffixes = [(last, last)]
    for hop in reversed(hops):
        suffixes.insert(0, _best_over_targets(hop, *suffixes[0]))
    return suffixes


def _best_over_targets(
    hop: NDArray[np.floating], high: NDArray[np.float64], low: NDArray[np.float64]
) -> _SuffixProducts:
    """Lengthen the suffixes by one hop, in slices of rows, so that products stay in the cache."""
    best, worst = np.empty(len(hop)), np.empty(len(hop))
    for start in range(0, len(hop), 16):
        rows = hop[start : start + 16]
        with_high, with_low = rows * high, rows * low
        best[start : start + 16] = np.maximum(with_high, with_low).max(axis=1)
        worst[start : start + 16] = np.minimum(with_high, with_low).min(axis=1)
    return best, worst


def _extensions(
    prefix: tuple[int, ...], products: NDArray[np.float64], suffixes: _SuffixProducts, count: int
) -> _Extensions:
    """Return the `count` best extensions; any other cannot be on one of the `count` best paths."""
    bounds = np.maximum(products * suffixes[0], products * suffixes[1])
    least = np.partition(bounds, max(len(bounds) - count, 0))[max(len(bounds) - count, 0)]
    units = np.flatnonzero((bounds >= least) & (bounds > 0))
    units = units[np.argsort(-bounds[units], kind="stable")][:count]
    return _Extensions(prefix, units.tolist(), bounds[units].tolist(), products[units].tolist())
