"""From counts under permuted labels to p-values, enrichments, and which labels are significant.

1. With b the intersection of a unit and a concept, R moment draws with sum Σ, and their spread:

       T = (R · b − Σ) / √(spread + MODERATION · the concept's mean spread over the units)

   of the observed labels, and of each null sample in their place. If the unit's mask has nothing to
   do with *which* image carries which labels, the observed labels are one more draw like the
   others: T then has one distribution for observed and null samples. (The mean spread is of the
   moment draws only, so that stays so. Without it T is infinite, or huge, wherever the few moment
   draws happen to agree: it is moderated as in Smyth 2004.) So the null T of all units of a block
   are pooled (standardised as they are, units of any size of mask compare), and

       p = (1 + null T that are no smaller) / (1 + null T)

   for each unit and concept. Over a block's units that p is uniform by construction, whatever the
   distribution.
2. Such a p is never below 1 / (1 + null T), so with many concepts nothing could be significant.
   Above the pool's upper tenth it comes from a generalised Pareto tail fitted to that tenth
   (Knijnenburg, Wessels, Reinders and Shmulevich 2009): `ParetoTail`. Each concept has its own. One
   tail for all of a block's would rest on more values, but is wrong: measured with 40,000 values
   each, some concepts exceed its .001 in 24 of 1,000 draws, half of them in less than one of
   10,000.
3. Benjamini and Hochberg's procedure runs over every unit and concept that occurs, not over labels
   only: a unit's label is its best of all these, and its p alone would flatter it. A test may be
   left out only for what cannot depend on its result, and leaving out half would but double the p
   that is needed.

`tests/ingest/statistics/test_permutation_null.py` shows that p are uniform on an untrained network,
`test_significance.py` that tails hold and that false discoveries stay below their rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .permutation_null import MOMENT_DRAWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODERATION = 0.3
"""Weight of a concept's mean spread beside a pair's own: enough to keep T from exploding."""
TAIL_SHARE = 0.1
"""Share of the pool, its largest values, that shows what its tail is like."""
MIN_DISTINCT = 20
"""Different values there, at least, for a tail to be fitted."""


class NullDistribution(NamedTuple):
    """Counts of one block under permuted labels, as `NullCounts` has them, on the CPU."""

    observed: NDArray[np.int64]
    null_samples: NDArray[np.int64]
    moment_sum: NDArray[np.int64]
    moment_spread: NDArray[np.int64]

    @property
    def expected(self) -> NDArray[np.float64]:
        """The mean intersection over all draws, float64 (units, concepts)."""
        draws = len(self.null_samples) + MOMENT_DRAWS
        total: NDArray[np.int64] = self.null_samples.sum(axis=0) + self.moment_sum
        return total / draws

    @property
    def enrichment(self) -> NDArray[np.float64]:
        """Observed over expected intersection, float64 (units, concepts); NaN if 0 is expected."""
        expected = self.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected > 0, self.observed / expected, np.nan)


class ParetoTail(NamedTuple):
    """The null beyond `start`: p = share · (1 + shape · (T − start) / scale)^(−1 / shape).

    Attributes:
        start: the T above which this holds.
        share: p there.
        shape: above 0: no tail ends.
        scale: in units of T.
    """

    start: float
    share: float
    shape: float
    scale: float

    def p(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return p of T above `start`, any shape."""
        ratio: NDArray[np.float64] = 1 + self.shape * (t - self.start) / self.scale
        return self.share * ratio ** (-1 / self.shape)


def fit_tail(pool: NDArray[np.float64]) -> ParetoTail | None:
    """Fit the tail of null T; None where it has too few different values, or infinite ones.

    Shape and scale are by probability-weighted moments (Hosking and Wallis 1987). A shape below 0,
    a tail that ends, is taken for 0, and one standard error (at 0) is added: so many values show no
    more, and what lies far out must not be called rarer than it is.

    Args:
        pool: float64 (values,), ascending.
    """
    start = pool[len(pool) - 1 - int(TAIL_SHARE * len(pool))]
    excess = pool[np.searchsorted(pool, start, side="right") :] - start
    if len(np.unique(excess)) < MIN_DISTINCT or np.isinf(excess[-1]):
        return None
    count = len(excess)
    mean = excess.mean()
    weighted = (excess * np.arange(count - 1, -1, -1)).mean() / (count - 1)
    shape = max(2 - mean / (mean - 2 * weighted), 0)
    error = np.sqrt(4 / 3 / count)
    share = (1 + count) / (1 + len(pool))
    return ParetoTail(float(start), share, float(shape + error), float(mean * (1 - shape)))


def p_values(null: NullDistribution, tested: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute how often the null has an intersection as large; float64 (units, concepts).

    Args:
        null: counts with own and permuted labels.
        tested: bool (units,); only these are compared and pooled, the others get NaN, as all do
            where there are no null samples.
    """
    p = np.full(null.observed.shape, np.nan)
    if not (len(null.null_samples) and tested.any()):
        return p
    observed = _standardise(null.observed[tested], null, tested)
    pools = _standardise(null.null_samples[:, tested], null, tested)
    pools = np.sort(pools.reshape(-1, observed.shape[1]), axis=0)
    columns = [p_of(t, pool) for t, pool in zip(observed.T, pools.T, strict=True)]
    p[tested] = np.stack(columns, axis=1)
    return p


def p_of(t: NDArray[np.float64], pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute p of each T: the share of the pool that is no smaller, or by the pool's tail.

    Args:
        t: float64 (units,); finite where a tail is (else no unit's moment draws differ).
        pool: float64 (values,), ascending.
    """
    smaller = np.searchsorted(pool, t, side="left")
    p: NDArray[np.float64] = (1 + len(pool) - smaller) / (1 + len(pool))
    tail = fit_tail(pool)
    if tail is not None:
        far = t > tail.start
        p[far] = tail.p(t[far])
    return p


def _standardise(
    intersection: NDArray[np.int64], null: NullDistribution, tested: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Compute T; 0 where nothing differs, infinite where no unit's moment draws differ at all."""
    excess = (MOMENT_DRAWS * intersection - null.moment_sum[tested]).astype(np.float64)
    spread = null.moment_spread[tested]
    with np.errstate(divide="ignore", invalid="ignore"):
        moderated = np.sqrt(spread + MODERATION * spread.mean(axis=0))
        return np.where(excess == 0, 0.0, excess / moderated)


def largest_significant(p: NDArray[np.float64], rate: float) -> float:
    """Return the largest significant p by Benjamini and Hochberg's procedure; −1 where none is.

    Args:
        p: of every test made, any shape; NaN is no test.
        rate: of false discoveries among what is called significant, on average.
    """
    values = np.sort(p[~np.isnan(p)])
    passed = np.flatnonzero(values <= rate * np.arange(1, len(values) + 1) / len(values))
    return float(values[passed[-1]]) if len(passed) else -1.0
