"""How far a box in the middle of every image gets: what of an IoU is due to centring.

People frame what they photograph, and boxes drawn around it are large and central. So each concept
is also measured against "units" that see nothing: each fires on one box in the middle of every
image, with sides of k/8 of the image's, k = 1 … 8. They are counted as units are; the best one
counts. Integers, in the pass that decodes the masks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .scores import Counts, iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .settings import IouVariant

SIZES = 8


class CenterBoxes:
    """Counts of all boxes, summed over images.

    Attributes:
        inside: int64 (SIZES, concepts), labelled pixels inside each box; the last is the image.
        activation: int64 (SIZES, categories), pixels of each box in images that count.
    """

    def __init__(self, category: NDArray[np.int64], categories: int, variant: IouVariant) -> None:
        """Start at zero.

        Args:
            category: int64 (concepts,), position of each concept's category.
            categories: how many there are.
            variant: which images count for a category, as for units.
        """
        self.inside = np.zeros((SIZES, len(category)), np.int64)
        self.activation = np.zeros((SIZES, categories), np.int64)
        self._category, self._variant = category, variant
        self._one_hot = category[:, None] == np.arange(categories)

    def add(self, inside: NDArray[np.int64], area: NDArray[np.int64]) -> None:
        """Count an image.

        Args:
            inside: int64 (SIZES, concepts), its labelled pixels inside each box.
            area: int64 (SIZES,), pixels of each box.
        """
        self.inside += inside
        counts = (inside > 0) @ self._one_hot
        if self._variant == "paper":
            counts = counts[-1:]
        elif self._variant == "unrestricted":
            counts[:] = True
        self.activation += area[:, None] * counts

    def best(self) -> NDArray[np.float64]:
        """The largest IoU that a box has with each concept, float64 (concepts,)."""
        truth = self.inside[-1]
        scores = iou(Counts(self.inside, self.activation, truth, self._category))
        best: NDArray[np.float64] = scores.max(axis=0)
        return best


def labelled_inside(planes: NDArray[np.uint16], concepts: int) -> NDArray[np.int64]:
    """Labelled pixels of an image inside each box, int64 (SIZES, concepts).

    Args:
        planes: uint16 (planes, height, width): concept column + 1, 0 where unlabelled.
        concepts: how many there are.
    """
    at = planes.astype(np.int64) * SIZES + _first_boxes(*planes.shape[1:])
    found = np.bincount(at.reshape(-1), minlength=SIZES * (concepts + 1))
    inside: NDArray[np.int64] = found.reshape(concepts + 1, SIZES)[1:].T.cumsum(axis=0)
    return inside


@lru_cache(maxsize=64)
def box_areas(height: int, width: int) -> NDArray[np.int64]:
    """Pixels of each box, int64 (SIZES,)."""
    return np.bincount(_first_boxes(height, width).reshape(-1), minlength=SIZES).cumsum()


@lru_cache(maxsize=64)
def _first_boxes(height: int, width: int) -> NDArray[np.int64]:
    """The smallest box that holds each pixel's middle, from 0; int64 (height, width)."""
    return np.maximum(_first(height)[:, None], _first(width))


def _first(side: int) -> NDArray[np.int64]:
    """The first box that reaches each row's middle, edges inside; int64 (side,)."""
    from_centre = np.abs(2 * np.arange(side) + 1 - side)
    first: NDArray[np.int64] = np.maximum(-(-from_centre * SIZES // side), 1) - 1
    return first
