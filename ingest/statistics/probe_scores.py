"""How good presence probes are: histograms of their scores on held-out images.

Every other held-out image chooses each probe's threshold, the score above which the concept is
predicted: the one with the largest F1. The images between state precision, recall and F1 there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..engine.tensors import bincount

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from ..engine.process_group import ProcessGroup

LOWEST, STEP, BINS = -4.0, 1 / 16, 512
"""Bins of a score: from −4 to 28 standard deviations; beyond, the first and the last one."""


class ScoreHistograms:
    """Histograms of one block's probe scores.

    Attributes:
        counts: int64 (halves, labelled or not, concepts, BINS).
    """

    def __init__(self, category: Tensor) -> None:
        """Start at zero.

        Args:
            category: int64 (concepts,), each concept's category, on the device of the work.
        """
        self._category = category
        shape = (2, 2, len(category), BINS)
        self.counts = torch.zeros(shape, dtype=torch.int64, device=category.device)

    def partial(self, scores: Tensor, labelled: Tensor, annotated: Tensor, half: Tensor) -> Tensor:
        """Count the scores of images, for concepts of categories they are annotated with.

        Args:
            scores: float32 (images, positions, concepts).
            labelled: as in `block_probes.Positions`.
            annotated: bool (images, categories).
            half: int64 (images,), 0 for images that choose the threshold, 1 for those that test it.
        """
        concepts = scores.shape[2]
        annotated, half = (t.to(scores.device, non_blocking=True) for t in (annotated, half))
        bins = ((scores - LOWEST) / STEP).long().clamp_(0, BINS - 1)
        counter = (half[None, :, None] * 2 + labelled) * concepts
        counter = (counter + torch.arange(concepts, device=scores.device)[:, None, None]) * BINS
        counter = counter + bins.permute(2, 0, 1)
        counted = annotated[:, self._category].T[:, :, None].expand_as(counter)
        return bincount(counter[counted], self.counts.numel()).view_as(self.counts)

    def update(self, partial: Tensor) -> None:
        """Add what images add."""
        self.counts += partial

    def all_reduce(self, group: ProcessGroup) -> ScoreHistograms:
        """Return the sum over all ranks."""
        total = ScoreHistograms(self._category)
        total.counts = group.all_reduce(self.counts)
        return total

    def table(self) -> pd.DataFrame:
        """Return one row per concept: `threshold`, `precision`, `recall`, `f1`, `positions`.

        `positions` are those that the concept labels, of the half that tests the threshold; where
        there are none in either half, nothing is known and all else is 0.
        """
        import pandas as pd

        choosing, testing = self.counts.cpu().numpy()
        right, predicted = (_at_least(counts) for counts in (choosing[1], choosing.sum(axis=0)))
        labelled = choosing[1].sum(axis=1, keepdims=True)
        threshold = _f1(right, predicted, labelled).argmax(axis=1)
        rows = np.arange(len(threshold))
        right, predicted = (
            _at_least(counts)[rows, threshold] for counts in (testing[1], testing.sum(axis=0))
        )
        positions = testing[1].sum(axis=1)
        known = (positions > 0) & (labelled[:, 0] > 0)
        frame: pd.DataFrame = pd.DataFrame(
            {
                "threshold": np.where(known, LOWEST + STEP * threshold, 0.0),
                "precision": np.where(known, right / np.maximum(predicted, 1), 0.0),
                "recall": np.where(known, right / np.maximum(positions, 1), 0.0),
                "f1": np.where(known, _f1(right, predicted, positions), 0.0),
                "positions": positions,
            }
        )
        return frame


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many scores lie in each bin or above; (concepts, BINS)."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1]


def _f1(
    right: NDArray[np.int64], predicted: NDArray[np.int64], labelled: NDArray[np.int64]
) -> NDArray[np.float64]:
    f1: NDArray[np.float64] = 2 * right / np.maximum(predicted + labelled, 1)
    return f1
