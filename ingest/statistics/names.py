"""Which names hold: what a unit's activation area lies on, in images held out.

IoU and p-values say that a unit has more to do with a concept than by chance; not that it has more
to do with it than with anything else. Where two concepts are labelled, a unit that sees lorries is
"significantly" a car. So a name needs more:

    precision   share of the unit's activation area that lies on the concept, over the images held
                out that are annotated with its category. Everything else that the unit may fire on,
                labelled or not, is the rest
    chance      the precision that the unit would have with labels permuted between images, so
                that large concepts and those in the middle have to do better
    excess      (precision − chance) / (1 − chance): 0 by chance, 1 if all of the area is on it

A name holds if the excess is above `min_precision` (a half: more of what chance leaves is on the
concept than on all else together), and the lower end of the precision's 95 % interval is above
chance. Precision does not depend on which other concepts the data have: so concepts that are
missing cost names, but give no wrong ones.

The interval is Wilson's for as many images as the area comes from, (Σ a)² / Σ a² of the images'
areas a: pixels of one image are not independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .significance import NullDistribution

DRAWS = 100
"""Of `wrong_names`."""


class HeldOut(NamedTuple):
    """Counts of one block over the images held out, as `HeldOutCounts` has them, on the CPU."""

    intersection: NDArray[np.int64]
    activation_area: NDArray[np.int64]
    squares: NDArray[np.int64]


class NameEvidence(NamedTuple):
    """The evidence for naming each unit after each concept; all float64 (units, concepts).

    Attributes:
        precision: NaN where the unit never fires in images held out that are annotated.
        low: lower end of its 95 % interval.
        chance: NaN where nothing was permuted.
    """

    precision: NDArray[np.float64]
    low: NDArray[np.float64]
    chance: NDArray[np.float64]

    def holds(self, min_precision: float) -> NDArray[np.bool_]:
        """Return whether names hold, bool (units, concepts)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            excess = (self.precision - self.chance) / (1 - self.chance)
            holds: NDArray[np.bool_] = (excess > min_precision) & (self.low > self.chance)
        return holds


def name_evidence(
    held_out: HeldOut, category: NDArray[np.int64], null: NullDistribution
) -> NameEvidence:
    """Compute precision, its interval, and chance.

    Args:
        held_out: counts of the block.
        category: int64 (concepts,), position of each concept's category.
        null: counts of the block with permuted labels, over all images; chance is the precision
            divided by the enrichment.
    """
    area, squares = (counts[:, category] for counts in held_out[1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(area > 0, held_out.intersection / area, np.nan)
        images = area.astype(np.float64) ** 2 / squares
        low, _ = wilson(precision, images)
        chance = precision * np.where(null.expected > 0, null.expected / null.observed, 0.0)
    if not len(null.null_samples):
        chance = np.full_like(precision, np.nan)
    return NameEvidence(precision, low, np.minimum(chance, 1.0))


class WrongNames(NamedTuple):
    """How names fare where concepts are missing from the data.

    Attributes:
        given: units that have a name when a random half of the concepts is left out, on average.
        wrong: share of these names that the other half contradicts: the unit has more than twice
            the IoU with another concept; None where no name is given.
    """

    given: float
    wrong: float | None


def wrong_names(
    iou: NDArray[np.float64],
    holds: NDArray[np.bool_],
    min_iou: float,
    seed: int,
) -> WrongNames:
    """Leave random halves of the concepts out, and count names that all concepts contradict.

    Args:
        iou: float64 (units, concepts).
        holds: bool (units, concepts).
        min_iou: IoU above which a unit is interpretable.
        seed: of the choice.
    """
    generator = np.random.default_rng(seed)
    units, best_iou = np.arange(len(iou)), iou.max(axis=1)
    given = wrong = 0
    for _ in range(DRAWS):
        left = np.flatnonzero(generator.random(iou.shape[1]) < 0.5)
        if not len(left):
            continue
        best = left[iou[:, left].argmax(axis=1)]
        scores = iou[units, best]
        named = holds[units, best] & (scores > min_iou)
        given += int(named.sum())
        wrong += int((named & (2 * scores < best_iou)).sum())
    return WrongNames(given / DRAWS, wrong / given if given else None)
