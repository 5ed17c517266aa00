"""Whether a unit has a formula: what the images held out say, and the permutation null.

    gain        the formula's IoU less that of its best shorter part, on images held out, which had
                no part in its choice; with an interval over these images
    p           how often the best formula of its length is as good with labels permuted between
                images (`null_p`), or the gain is none (`gain_p`): the larger of the two
    precision   as that of names (`names`): the share of the unit's mask on the formula, held out

The interval of a difference of two IoU is linearised: an image adds (i − IoU · u) / Σ u to an IoU,
with i its intersection and u its union, and images are independent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .intervals import Z, wilson
from .iou import EMPTY
from .permutation_null import MOMENT_DRAWS
from .significance import MODERATION, p_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .formulas import Formula
    from .label_sets import Integers, Members

    Floats = NDArray[np.float64]

GAIN = 0.1
"""Of the best shorter part's IoU: a formula is better by so much, at least."""
FEWEST = 10
"""Images held out that a gain comes from, at least."""


class HeldOutSets:
    """The label sets of the images held out, image by image.

    Attributes:
        images: how many.
        members: which concepts each set has.
    """

    def __init__(
        self, members: Members, images: int, image: Integers, sets: Integers, pixels: Integers
    ) -> None:
        """Take rows of image, set and pixels."""
        self.members, self.images = members, images
        self._image, self._sets, self._pixels = image, sets, pixels
        self._areas: dict[Formula, Floats] = {}

    def areas(self, formula: Formula) -> Floats:
        """Return the pixels of each image where a formula holds, float64 (images,)."""
        if formula not in self._areas:
            holds = self.members.holding(formula)[self._sets]
            self._areas[formula] = np.bincount(
                self._image[holds], self._pixels[holds], self.images
            ).astype(np.float64)
        return self._areas[formula]


class Overlap(NamedTuple):
    """Intersection and union of a unit's mask and a formula, each float64 (images,), integers."""

    intersections: Floats
    unions: Floats

    @property
    def iou(self) -> float:
        """Over all images."""
        return float(self.intersections.sum() / (self.unions.sum() + EMPTY))

    @property
    def added(self) -> Floats:
        """What each image adds to the IoU (linearised), float64 (images,)."""
        added: Floats = (self.intersections - self.iou * self.unions) / (self.unions.sum() + EMPTY)
        return added

    def images_unlike(self, other: Overlap) -> float:
        """Return how many images the difference from another overlap comes from, (Σ d)² / Σ d²."""
        unlike = np.abs(self.intersections - other.intersections)
        unlike += np.abs(self.unions - other.unions)
        return float(unlike.sum() ** 2 / ((unlike**2).sum() + EMPTY))


class HeldOutUnit:
    """A unit's mask in the images held out, by image and label set."""

    def __init__(
        self, held_out: HeldOutSets, image: Integers, sets: Integers, pixels: Integers
    ) -> None:
        """Take rows of image, set and pixels."""
        self._held_out = held_out
        self._image, self._sets, self._pixels = image, sets, pixels
        self.areas: Floats = np.bincount(image, pixels, held_out.images).astype(np.float64)

    def intersections(self, formula: Formula) -> Floats:
        """Return the pixels of the mask where a formula holds, in each image."""
        holds = self._held_out.members.holding(formula)[self._sets]
        counts = np.bincount(self._image[holds], self._pixels[holds], self._held_out.images)
        return counts.astype(np.float64)

    def overlap(self, formula: Formula) -> Overlap:
        """Return the overlap with a formula, image by image."""
        intersections = self.intersections(formula)
        unions = self.areas + self._held_out.areas(formula) - intersections
        return Overlap(intersections, unions)

    def precision(self, formula: Formula) -> tuple[float, float]:
        """Return the share of the mask where a formula holds, and its interval's lower end."""
        area, squares = float(self.areas.sum()), float((self.areas**2).sum())
        if not area:
            return math.nan, math.nan
        precision = float(self.intersections(formula).sum()) / area
        return precision, float(wilson(precision, area**2 / squares)[0])


class Gain(NamedTuple):
    """What a formula gains over its shorter parts, on the images held out.

    Attributes:
        iou: of the formula.
        part_iou: of its best shorter part.
        low: lower end of the gain's 95 % interval, the lowest over all parts.
        p: of no gain over one of them; 1 where it comes from fewer than `FEWEST` images.
    """

    iou: float
    part_iou: float
    low: float
    p: float

    @property
    def is_large(self) -> bool:
        """Whether the formula is better by `GAIN`."""
        return self.iou >= (1 + GAIN) * self.part_iou


def gain_over(unit: HeldOutUnit, formula: Formula, shorter: Iterable[Formula]) -> Gain:
    """Compare a formula with shorter ones."""
    overlap = unit.overlap(formula)
    iou, best, low, p = overlap.iou, 0.0, math.inf, 0.0
    for part in shorter:
        other = unit.overlap(part)
        gain = iou - other.iou
        error = math.sqrt(float(((overlap.added - other.added) ** 2).sum()))
        best, low = max(best, other.iou), min(low, gain - Z * error)
        if overlap.images_unlike(other) < FEWEST or not error:
            p = 1.0
        else:
            p = max(p, math.erfc(gain / error / math.sqrt(2)) / 2)
    return Gain(iou, best, low, p)


def null_p(scores: Floats) -> Floats:
    """Compute how often a search finds as good a formula with permuted labels; float64 (units,).

    Standardised and pooled over the units of a block as intersections are (`significance`).

    Args:
        scores: (draws, units), the best IoU: with own labels, of the null samples, and of the
            moment draws, in this order.
    """
    moments = scores[-MOMENT_DRAWS:]
    total = moments.sum(axis=0)
    spread = MOMENT_DRAWS * (moments**2).sum(axis=0) - total**2
    scale = np.sqrt(np.maximum(spread + MODERATION * spread.mean(), EMPTY**2))
    t = (MOMENT_DRAWS * scores[:-MOMENT_DRAWS] - total) / scale
    return p_of(t[0], np.sort(t[1:].reshape(-1)))
