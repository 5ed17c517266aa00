"""From dense contributions to the few that go into the graph: shares, and the strongest per target.

`weight` is the target's response after its ReLU (the paper's; for a class the signed weight of the
final layer), `pre` the signed one before it. Both are (sources, targets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PrunedEdges(NamedTuple):
    """The strongest edges, by target, contributors first; one-dimensional arrays of equal length.

    `rank` counts from 0 within a target, separately for contributors and inhibitors.
    """

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    weight: NDArray[np.float32]
    pre: NDArray[np.float32]
    share: NDArray[np.float64]
    rank: NDArray[np.intp]


def positive_sums(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum each target's positive incoming weights, (targets,)."""
    sums: NDArray[np.float64] = np.add.reduce(np.maximum(weight, 0), axis=0, dtype=np.float64)
    return sums


def incoming_shares(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """Divide each weight by its target's positive incoming weights; 0 if a target has none."""
    sums = positive_sums(weight)
    return weight / np.where(sums > 0, sums, np.inf)


def strongest(values: NDArray[np.float32], count: int) -> tuple[NDArray[np.intp], ...]:
    """Find the `count` largest positive values of each column.

    Of equal values the lower row comes first.

    Returns:
        row, column and rank of each, by column and rank.
    """
    by_target = np.ascontiguousarray(values.T)
    kth = max(values.shape[0] - count, 0)
    least = np.partition(by_target, kth, axis=1)[:, kth, None]
    target, source = np.nonzero((by_target >= least) & (by_target > 0))
    order = np.lexsort((source, -by_target[target, source], target))
    target, source = target[order], source[order]
    rank = np.arange(len(target)) - np.searchsorted(target, target)
    first = rank < count
    return source[first], target[first], rank[first]


def prune(
    weight: NDArray[np.float32],
    pre: NDArray[np.float32],
    count: int,
    *,
    live_sources: NDArray[np.bool_],
    live_targets: NDArray[np.bool_],
) -> PrunedEdges:
    """Select, per target, the `count` strongest contributors and the `count` strongest inhibitors.

    Contributors have the largest positive `weight`; inhibitors the most negative `pre` among the
    rest: a ReLU hides them, so `weight` cannot rank them. Units that are not live (dead on the
    data) have no edge, but their weights still count in the shares' denominators.
    """
    live = live_sources[:, None] & live_targets
    source, target, rank = strongest(np.where(live, weight, 0), count)
    inhibition = np.where(live, -pre, 0)
    inhibition[source, target] = 0
    inhibitor, inhibited, inhibitor_rank = strongest(inhibition, count)
    by_target = np.argsort(np.concatenate([target, inhibited]), kind="stable")
    source = np.concatenate([source, inhibitor])[by_target]
    target = np.concatenate([target, inhibited])[by_target]
    return PrunedEdges(
        source,
        target,
        weight[source, target],
        pre[source, target],
        incoming_shares(weight)[source, target],
        np.concatenate([rank, inhibitor_rank])[by_target],
    )
