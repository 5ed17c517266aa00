"""In how many images a unit fires, and how strongly: a histogram of its largest activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup

TIMES = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Lower edges of the bins, as multiples of the unit's threshold."""


class PeakHistogram:
    """Images by a unit's largest activation, those in which it exceeds its threshold.

    Attributes:
        images: int64 (units, bins), one bin for each of `TIMES`. Multiples of a threshold that is
            not positive mean nothing: there all images are in the first bin.
    """

    def __init__(self, thresholds: Tensor) -> None:
        """Start with no image; `thresholds` is float32 (units,)."""
        self._thresholds = thresholds.unsqueeze(1)
        self._edges = torch.tensor(TIMES[1:], device=thresholds.device)
        self.images = torch.zeros(
            len(thresholds), len(TIMES), dtype=torch.int64, device=thresholds.device
        )

    def update(self, peaks: Tensor) -> None:
        """Add a batch: float32 (units, images), 0 where a unit does not exceed its threshold."""
        times = torch.where(self._thresholds > 0, peaks / self._thresholds, 0)
        place = torch.bucketize(times, self._edges, right=True)
        self.images.scatter_add_(1, place, (peaks != 0).long())

    def all_reduce(self, group: ProcessGroup) -> PeakHistogram:
        """Return the histogram over all ranks."""
        total = PeakHistogram(self._thresholds[:, 0])
        total.images = group.all_reduce(self.images)
        return total

    def state_dict(self) -> State:
        """Return this rank's counts, on the CPU."""
        return {"images": self.images.cpu()}

    def load_state_dict(self, state: State) -> None:
        """Replace the counts by those of an earlier `state_dict`."""
        self.images.copy_(state["images"])
