"""From counts to IoU, and from IoU to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMPTY = 1e-10  # the reference's guard against 0 / 0


class Counts(NamedTuple):
    """Counts of one block over all images.

    Attributes:
        both: int64 (units, concepts), mask pixels that the concept labels.
        activation: int64 (units, categories), mask pixels in images that count for the category.
        truth: int64 (concepts,), labelled pixels.
        category: int64 (concepts,), position of each concept's category.
    """

    both: NDArray[np.int64]
    activation: NDArray[np.int64]
    truth: NDArray[np.int64]
    category: NDArray[np.int64]


def iou(counts: Counts) -> NDArray[np.float64]:
    """IoU = both / (activation + truth − both), float64 (units, concepts)."""
    union = counts.activation[:, counts.category] + counts.truth - counts.both
    return counts.both / (union + EMPTY)


def attainable_iou(activation: int, truth: int) -> float:
    """The largest IoU that two masks of so many pixels could have: one inside the other."""
    return min(activation, truth) / max(activation, truth, 1)


class Label(NamedTuple):
    """One concept that a unit detects: its column, and its rank among all concepts (0 = best)."""

    concept: int
    rank: int


def ranking(scores: NDArray[np.float64], category: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concept columns from best to worst for each unit, int64 (units, concepts).

    Ties go as in the reference: to the later category, and within it to the lower label number.
    """
    by_tie = np.lexsort((np.arange(len(category)), -category))
    best = np.argsort(-scores[:, by_tie], axis=1, kind="stable")
    return by_tie[best]


def labels(scores: NDArray[np.float64], category: NDArray[np.int64], top: int) -> list[list[Label]]:
    """Each unit's `top` concepts and the best of every category, best first; IoU 0 is no label."""
    order = ranking(scores, category)
    result = []
    for unit, columns in enumerate(order):
        first = np.zeros(len(columns), np.bool_)
        first[np.unique(category[columns], return_index=True)[1]] = True
        first[:top] = True
        first &= scores[unit, columns] > 0
        ranks = np.flatnonzero(first)
        result.append([Label(int(columns[rank]), int(rank)) for rank in ranks])
    return result
