"""How good presence probes are: histograms of their scores on held-out images.

Every other held-out image chooses each probe's threshold, the score above which the concept is
predicted: the one with the largest Matthews correlation. The images between state how good the
probe is there.

Precision, recall and F1 flatter: where a concept is at most positions, "always yes" has an F1 of
.9. The Matthews correlation of such a probe is 0. It is (r − f) √(l(1 − l) / m(1 − m)), with r the
recall, f the share of the other positions where the concept is predicted, l and m the shares of
positions that are labelled and predicted. Its interval is Newcombe's of r − f, with as many cases
as there are *images* with such positions, since positions of one image are not independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..engine.tensors import bincount
from .intervals import newcombe

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from ..engine.process_group import ProcessGroup

LOWEST, STEP, BINS = -4.0, 1 / 16, 512
"""Bins of a score: from −4 to 28 standard deviations; beyond, the first and the last one."""
MIN_MCC = 0.3
"""A probe with a smaller Matthews correlation is not used."""


class ScoreHistograms:
    """Histograms of one block's probe scores.

    Attributes:
        counts: int64 (halves, labelled or not, concepts, BINS + 1), positions by score; the last
            column counts images with such positions.
    """

    def __init__(self, concepts: int, device: torch.device) -> None:
        """Start at zero, with so many concepts, on the device of the work."""
        shape = (2, 2, concepts, BINS + 1)
        self.counts = torch.zeros(shape, dtype=torch.int64, device=device)

    def partial(self, scores: Tensor, labelled: Tensor, known: Tensor, half: Tensor) -> Tensor:
        """Count the scores of images, for concepts of which they are known to have some or none.

        Args:
            scores: float32 (images, positions, concepts).
            labelled: as in `block_probes.Positions`.
            known: bool (images, concepts).
            half: int64 (images,), 0 for images that choose the threshold, 1 for those that test it.
        """
        concepts = scores.shape[2]
        half = half.to(scores.device, non_blocking=True)
        bins = ((scores - LOWEST) / STEP).long().clamp_(0, BINS - 1)
        concept = torch.arange(concepts, device=scores.device)[:, None, None]
        counted = known.T[:, :, None]
        counter = ((half[None, :, None] * 2 + labelled) * concepts + concept) * (BINS + 1)
        counter = (counter + bins.permute(2, 0, 1))[counted.expand_as(counter)]
        counts = bincount(counter, self.counts.numel()).view_as(self.counts)
        for value in (0, 1):
            images = (labelled == value).any(dim=2) & counted[:, :, 0]
            for number in (0, 1):
                counts[number, value, :, BINS] = (images & (half == number)).sum(dim=1)
        return counts

    def update(self, partial: Tensor) -> None:
        """Add what images add."""
        self.counts += partial

    def all_reduce(self, group: ProcessGroup) -> ScoreHistograms:
        """Return the sum over all ranks."""
        total = ScoreHistograms(self.counts.shape[2], self.counts.device)
        total.counts = group.all_reduce(self.counts)
        return total

    def table(self) -> pd.DataFrame:
        """Return one row per concept; its columns are those of `presence` from `threshold` on.

        `positions` are those that the concept labels, of the half that tests the threshold; where
        there are none in either half, nothing is known and all else is 0.
        """
        import pandas as pd

        counts = self.counts.cpu().numpy()
        choosing, testing = (ConfusionCounts.of(half[..., :BINS]) for half in counts)
        rows = np.arange(counts.shape[2])
        best = choosing.mcc.argmax(axis=1)
        tested = ConfusionCounts(*(values[rows, best, None] for values in testing))
        known = (tested.labelled[:, 0] > 0) & (choosing.labelled[:, 0] > 0)
        low, high = tested.mcc_interval(*counts[1, ::-1, :, BINS, None])
        columns = {
            "threshold": LOWEST + STEP * best[:, None],
            "precision": tested.precision,
            "recall": tested.recall,
            "f1": tested.f1,
            "mcc": tested.mcc,
            "mcc_low": low,
            "mcc_high": high,
        }
        frame: pd.DataFrame = pd.DataFrame(
            {name: np.where(known, values[:, 0], 0.0) for name, values in columns.items()}
        )
        usable = (frame["mcc"] >= MIN_MCC) & (frame["mcc_low"] > 0)
        frame["positions"], frame["usable"] = tested.labelled[:, 0], usable
        return frame


class ConfusionCounts(NamedTuple):
    """Counts of positions for probes and thresholds, all int64 (concepts, thresholds).

    Attributes:
        right: labelled, and predicted.
        predicted: predicted.
        labelled: labelled.
        positions: all.
    """

    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    labelled: NDArray[np.int64]
    positions: NDArray[np.int64]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> ConfusionCounts:
        """Count for a threshold at each bin; int64 (labelled or not, concepts, BINS)."""
        right, predicted = _at_least(counts[1]), _at_least(counts.sum(axis=0))
        totals = (np.broadcast_to(values[:, :1], values.shape) for values in (right, predicted))
        return cls(right, predicted, *totals)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the predicted positions that are labelled."""
        return _share(self.right, self.predicted)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the labelled positions that are predicted."""
        return _share(self.right, self.labelled)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.right, self.predicted + self.labelled)

    @property
    def false_alarms(self) -> NDArray[np.float64]:
        """Share of the positions without label that are predicted."""
        return _share(self.predicted - self.right, self.positions - self.labelled)

    @property
    def mcc(self) -> NDArray[np.float64]:
        """Matthews correlation; 0 where all positions are alike, or all predictions."""
        return (self.recall - self.false_alarms) * self._scale()

    def mcc_interval(
        self, with_concept: NDArray[np.int64], without: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the 95 % interval of the Matthews correlation, given the images of each kind."""
        ends = newcombe(self.recall, with_concept, self.false_alarms, without)
        low, high = (np.clip(end * self._scale(), -1.0, 1.0) for end in ends)
        return low, high

    def _scale(self) -> NDArray[np.float64]:
        labelled, predicted = (_share(n, self.positions) for n in (self.labelled, self.predicted))
        spread = predicted * (1 - predicted)
        ratio = labelled * (1 - labelled) / np.where(spread > 0, spread, 1.0)
        scale: NDArray[np.float64] = np.where(spread > 0, np.sqrt(ratio), 0.0)
        return scale


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many scores lie in each bin or above; (concepts, BINS)."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1]


def _share(part: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / of; 0 where there is nothing."""
    share: NDArray[np.float64] = part / np.maximum(of, 1)
    return share
