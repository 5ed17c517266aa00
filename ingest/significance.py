"""From counts under swapped labels to p-values, lifts, and which labels are beyond chance.

With b the intersection of a unit and a concept, R reference draws with sum Σ, and their spread:

    T = (R · b − Σ) / √spread

of the real labels, and of each imitation in the place of the real ones. If the unit's mask has
nothing to do with *which* image carries which labels, the real labels are one more draw like the
others: T then has one distribution for real and imitated. So the imitated T of all units of a block
are pooled (standardised as they are, units of any size of mask compare), and

    p = (1 + imitated T that are no smaller) / (1 + imitated T)

for each unit and concept. Over a block's units that p is uniform by construction, whatever the
distribution; `tests/test_significance.py` shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .chance import REFERENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    def lift(self) -> NDArray[np.float64]:
        """How many times the expected intersection the real one is; NaN where none is expected."""
        expected = self.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected > 0, self.real / expected, np.nan)


def p_values(chance: Chance, tested: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often chance gives an intersection as large; float64 (units, concepts).

    Args:
        chance: counts with own and swapped labels.
        tested: bool (units,); only these are compared and pooled, the others get NaN, as all do
            where nothing was imitated.
    """
    concepts = chance.real.shape[1]
    result = np.full(chance.real.shape, np.nan)
    if not len(chance.imitation):
        return result
    real = _standardised(chance.real[tested], chance, tested)
    pool = _standardised(chance.imitation[:, tested], chance, tested)
    pool = np.sort(pool.reshape(-1, concepts), axis=0)
    size = len(pool)
    for column in range(concepts):
        smaller = np.searchsorted(pool[:, column], real[:, column], side="left")
        result[tested, column] = (1 + size - smaller) / (1 + size)
    return result


def _standardised(
    both: NDArray[np.int64], chance: Chance, tested: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """T; 0 where nothing differs, infinite where the reference draws do not differ at all."""
    excess = (REFERENCE * both - chance.reference[tested]).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(excess == 0, 0.0, excess / np.sqrt(chance.spread[tested]))


def largest_significant(p: NDArray[np.float64], level: float) -> float:
    """The largest p that is significant by Benjamini and Hochberg's procedure; −1 where none is.

    Args:
        p: of every test made, any shape; NaN is no test.
        level: share of false discoveries among what is called significant, on average.
    """
    values = np.sort(p[~np.isnan(p)])
    passed = np.flatnonzero(values <= level * np.arange(1, len(values) + 1) / len(values))
    return float(values[passed[-1]]) if len(passed) else -1.0
