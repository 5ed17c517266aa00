"""From counts to IoU, and from IoU to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMPTY = 1e-10  # the reference's guard against 0 / 0


class OverlapCounts(NamedTuple):
    """Pixel counts of one block's units over all images.

    Attributes:
        intersection: int64 (units, concepts), mask pixels that the concept labels.
        activation_area: int64 (units, categories), mask pixels in images that count for the
            category.
        concept_area: int64 (concepts,), labelled pixels.
        category: int64 (concepts,), position of each concept's category.
    """

    intersection: NDArray[np.int64]
    activation_area: NDArray[np.int64]
    concept_area: NDArray[np.int64]
    category: NDArray[np.int64]


def iou(counts: OverlapCounts) -> NDArray[np.float64]:
    """Compute intersection over union, float64 (units, concepts)."""
    areas = counts.activation_area[:, counts.category] + counts.concept_area
    return counts.intersection / (areas - counts.intersection + EMPTY)


def attainable_iou(activation_area: int, concept_area: int) -> float:
    """Compute the largest IoU that two masks of these areas can have: one inside the other."""
    return min(activation_area, concept_area) / max(activation_area, concept_area, 1)


class RankedConcept(NamedTuple):
    """A concept that a unit detects: its column, and its rank among all concepts (0 = best)."""

    concept: int
    rank: int


def ranking(scores: NDArray[np.float64], category: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort concept columns from best to worst for each unit, int64 (units, concepts).

    Ties go as in the reference: to the later category, and within it to the lower label number.
    """
    by_tie = np.lexsort((np.arange(len(category)), -category))
    best = np.argsort(-scores[:, by_tie], axis=1, kind="stable")
    return by_tie[best]


def label_units(
    scores: NDArray[np.float64], category: NDArray[np.int64], top: int
) -> list[list[RankedConcept]]:
    """Choose each unit's `top` concepts and the best of every category; IoU 0 is no label.

    Returns:
        One list a unit, the best concept first.
    """
    labels = []
    for unit, columns in enumerate(ranking(scores, category)):
        chosen = np.zeros(len(columns), np.bool_)
        chosen[np.unique(category[columns], return_index=True)[1]] = True
        chosen[:top] = True
        chosen &= scores[unit, columns] > 0
        ranks = np.flatnonzero(chosen)
        labels.append([RankedConcept(int(columns[rank]), int(rank)) for rank in ranks])
    return labels
