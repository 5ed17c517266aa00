"""How good presence probes are: histograms of what they say of images that were held out.

Every other image chooses each probe's level, the reading above which the concept is taken to be
there: the one with the largest F1. The images between state precision, recall and F1 at that level.
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
"""Bins of a reading: from −4 to 28 standard deviations; beyond, the first and the last one."""


class Histograms:
    """Readings of one block's probes, counted."""

    def __init__(self, category: Tensor) -> None:
        """Start at zero.

        Args:
            category: int64 (concepts,), each concept's category, on the device of the work.
        """
        self._category = category
        self.counts = self.none()

    def none(self) -> Tensor:
        """Counts of no reading: int64 (halves, labelled or not, concepts, bins)."""
        shape = (2, 2, len(self._category), BINS)
        return torch.zeros(shape, dtype=torch.int64, device=self._category.device)

    def add(self, counts: Tensor) -> None:
        """Take in what was `counted`."""
        self.counts += counts

    def share(self, team: ProcessGroup) -> None:
        """Make it the sum over the team."""
        self.counts = team.all_reduce(self.counts)

    def counted(self, said: Tensor, there: Tensor, annotated: Tensor, half: Tensor) -> Tensor:
        """Counts of the readings of some images, for concepts of categories they are annotated for.

        Args:
            said: float32 (images, positions, concepts).
            there: as in `presence.Places`.
            annotated: bool (images, categories).
            half: int64 (images,), 0 for images that choose the level, 1 for those that judge it.
        """
        concepts = said.shape[2]
        annotated, half = (each.to(said.device, non_blocking=True) for each in (annotated, half))
        bins = ((said - LOWEST) / STEP).long().clamp_(0, BINS - 1)
        cell = (half[None, :, None] * 2 + there) * concepts
        cell = (cell + torch.arange(concepts, device=said.device)[:, None, None]) * BINS
        cell = cell + bins.permute(2, 0, 1)
        counted = annotated[:, self._category].T[:, :, None].expand_as(cell)
        here = bincount(cell[counted], self.counts.numel())
        return here.view_as(self.counts)

    def table(self) -> pd.DataFrame:
        """One row per concept: `threshold`, `precision`, `recall`, `f1`, `positions`.

        `positions` are those that the concept labels, of the half that states how good the probe
        is; where there are none in either half, nothing is known and all else is 0.
        """
        import pandas as pd

        choosing, stating = self.counts.cpu().numpy()
        right, said = (_at_least(counts) for counts in (choosing[1], choosing.sum(axis=0)))
        labelled = choosing[1].sum(axis=1, keepdims=True)
        level = _f1(right, said, labelled).argmax(axis=1)
        rows = np.arange(len(level))
        right, said = (_at_least(part)[rows, level] for part in (stating[1], stating.sum(axis=0)))
        positions = stating[1].sum(axis=1)
        known = (positions > 0) & (labelled[:, 0] > 0)
        frame: pd.DataFrame = pd.DataFrame(
            {
                "threshold": np.where(known, LOWEST + STEP * level, 0.0),
                "precision": np.where(known, right / np.maximum(said, 1), 0.0),
                "recall": np.where(known, right / np.maximum(positions, 1), 0.0),
                "f1": np.where(known, _f1(right, said, positions), 0.0),
                "positions": positions,
            }
        )
        return frame


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(concepts, bins): how many readings lie in each bin or above."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1]


def _f1(
    right: NDArray[np.int64], said: NDArray[np.int64], labelled: NDArray[np.int64]
) -> NDArray[np.float64]:
    f1: NDArray[np.float64] = 2 * right / np.maximum(said + labelled, 1)
    return f1
