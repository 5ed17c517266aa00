"""From counts under swapped labels to p-values, lifts, and which labels are beyond chance.

1. With b the intersection of a unit and a concept, R reference draws with sum Σ, and their spread:

       T = (R · b − Σ) / √(spread + MODERATION · the concept's mean spread over the units)

   of the real labels, and of each imitation in the place of the real ones. If the unit's mask has
   nothing to do with *which* image carries which labels, the real labels are one more draw like the
   others: T then has one distribution for real and imitated. (The mean spread is of the reference
   draws only, so that stays so. Without it T is infinite, or huge, wherever the few reference draws
   happen to agree: it is moderated as in Smyth 2004.) So the imitated T of all units of a block are
   pooled (standardised as they are, units of any size of mask compare), and

       p = (1 + imitated T that are no smaller) / (1 + imitated T)

   for each unit and concept. Over a block's units that p is uniform by construction, whatever the
   distribution.
2. Such a p is never below 1 / (1 + imitated T), so with many concepts nothing could be significant.
   Above the pool's upper tenth it comes from a generalised Pareto tail fitted to that tenth
   (Knijnenburg, Wessels, Reinders and Shmulevich 2009): `Tail`. Each concept has its own. One tail
   for all of a block's would rest on more values, but is wrong: measured with 40,000 values each,
   some concepts exceed its .001 in 24 of 1,000 draws, half of them in less than one of 10,000.
3. Benjamini and Hochberg's procedure runs over every unit and concept that occurs, not over labels
   only: a unit's label is its best of all these, and its p alone would flatter it. A test may be
   left out only for what cannot depend on its result, and leaving out half would but double the p
   that is needed.

`tests/test_chance.py` shows that p are uniform on an untrained network,
`tests/test_significance.py` that tails hold and that false discoveries stay below the level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .permutation_null import REFERENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODERATION = 0.3
"""Weight of a concept's mean spread beside a pair's own: enough to keep T from exploding."""
FAR = 0.1
"""Share of the pool, its largest values, that shows what its tail is like."""
ENOUGH = 20
"""Different values there, at least, for a tail to be fitted."""


class Chance(NamedTuple):
    """Counts of one block under swapped labels, as `ChanceCounts` has them, on the processor."""

    real: NDArray[np.int64]
    imitation: NDArray[np.int64]
    reference: NDArray[np.int64]
    spread: NDArray[np.int64]

    @property
    def expected(self) -> NDArray[np.float64]:
        """The mean intersection over all draws, float64 (units, concepts)."""
        draws = len(self.imitation) + REFERENCE
        total: NDArray[np.int64] = self.imitation.sum(axis=0) + self.reference
        return total / draws

    @property
    def enrichment(self) -> NDArray[np.float64]:
        """How many times the expected intersection the real one is; NaN where none is expected."""
        expected = self.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected > 0, self.real / expected, np.nan)


class Tail(NamedTuple):
    """What chance gives beyond `start`: p = share · (1 + shape · (T − start) / scale)^(−1 / shape).

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
        """Of T above `start`, any shape."""
        ratio: NDArray[np.float64] = 1 + self.shape * (t - self.start) / self.scale
        return self.share * ratio ** (-1 / self.shape)


def tail_of(pool: NDArray[np.float64]) -> Tail | None:
    """The tail of imitated T; None where it has too few different values, or infinite ones.

    Shape and scale are by probability-weighted moments (Hosking and Wallis 1987). A shape below 0,
    a tail that ends, is taken for 0, and one standard error (at 0) is added: so many values tell
    no more, and what lies far out must not be called rarer than it is.

    Args:
        pool: float64 (values,), ascending.
    """
    start = pool[len(pool) - 1 - int(FAR * len(pool))]
    beyond = pool[np.searchsorted(pool, start, side="right") :] - start
    if len(np.unique(beyond)) < ENOUGH or np.isinf(beyond[-1]):
        return None
    count = len(beyond)
    mean = beyond.mean()
    weighted = (beyond * np.arange(count - 1, -1, -1)).mean() / (count - 1)
    shape = max(2 - mean / (mean - 2 * weighted), 0)
    error = np.sqrt(4 / 3 / count)
    share = (1 + count) / (1 + len(pool))
    return Tail(float(start), share, float(shape + error), float(mean * (1 - shape)))


def p_values(chance: Chance, tested: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often chance gives an intersection as large; float64 (units, concepts).

    Args:
        chance: counts with own and swapped labels.
        tested: bool (units,); only these are compared and pooled, the others get NaN, as all do
            where nothing was imitated.
    """
    result = np.full(chance.real.shape, np.nan)
    if not (len(chance.imitation) and tested.any()):
        return result
    real = _standardised(chance.real[tested], chance, tested)
    pools = _standardised(chance.imitation[:, tested], chance, tested)
    pools = np.sort(pools.reshape(-1, real.shape[1]), axis=0)
    columns = [p_of(t, pool) for t, pool in zip(real.T, pools.T, strict=True)]
    result[tested] = np.stack(columns, axis=1)
    return result


def p_of(t: NDArray[np.float64], pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often chance gives each T: the share of the pool that is no smaller, or by its tail.

    The larger T, the smaller.

    Args:
        t: float64 (units,); finite where a tail is (else no unit's reference draws differ).
        pool: float64 (values,), ascending.
    """
    smaller = np.searchsorted(pool, t, side="left")
    result: NDArray[np.float64] = (1 + len(pool) - smaller) / (1 + len(pool))
    tail = tail_of(pool)
    if tail is not None:
        far = t > tail.start
        result[far] = tail.p(t[far])
    return result


def _standardised(
    both: NDArray[np.int64], chance: Chance, tested: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """T; 0 where nothing differs, infinite where no unit's reference draws differ at all."""
    excess = (REFERENCE * both - chance.reference[tested]).astype(np.float64)
    spread = chance.spread[tested]
    with np.errstate(divide="ignore", invalid="ignore"):
        moderated = np.sqrt(spread + MODERATION * spread.mean(axis=0))
        return np.where(excess == 0, 0.0, excess / moderated)


def largest_significant(p: NDArray[np.float64], level: float) -> float:
    """The largest p that is significant by Benjamini and Hochberg's procedure; −1 where none is.

    Args:
        p: of every test made, any shape; NaN is no test.
        level: share of false discoveries among what is called significant, on average.
    """
    values = np.sort(p[~np.isnan(p)])
    passed = np.flatnonzero(values <= level * np.arange(1, len(values) + 1) / len(values))
    return float(values[passed[-1]]) if len(passed) else -1.0
