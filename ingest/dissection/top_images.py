"""The images on which a unit is strongest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from .cells import Cells, Grid, unravel

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup


class BatchPeaks(NamedTuple):
    """Strongest activations of a batch.

    Attributes:
        activation: float32 (units, images); 0 where a unit does not exceed its threshold.
        first: position of the batch's first image in the run.
    """

    activation: Tensor
    first: int


class TopImages:
    """The strongest images of each unit of a block, among those where it exceeds its threshold.

    Attributes:
        activation: float32 (units, top), descending; 0 where there are fewer images.
        image: int64 (units, top), position of the image in the run's order; -1 where none.
    """

    def __init__(self, units: int, top: int, device: torch.device) -> None:
        """Start with none."""
        self.activation = torch.zeros(units, top, device=device)
        self.image = torch.full((units, top), -1, dtype=torch.int64, device=device)

    def partial(self, cells: Cells, grid: Grid, images: int, first: int) -> BatchPeaks:
        """Find the largest value of each unit in each image of a batch.

        Args:
            cells: above threshold, of the batch.
            grid: shape of the maps.
            images: in the batch.
            first: position of the first one in the run.
        """
        where = unravel(cells.where, grid)
        peak = torch.zeros(grid.units * images, device=cells.where.device)
        place = (where.unit * images + where.image).long()
        peak.scatter_reduce_(0, place, cells.corners.amax(1), "amax")
        return BatchPeaks(peak.view(grid.units, images), first)

    def update(self, partial: BatchPeaks) -> None:
        """Add a batch; batches come in order."""
        activation, first = partial
        units, images = activation.shape
        number = torch.arange(first, first + images, device=activation.device).expand(units, images)
        self._choose(
            torch.cat([self.activation, activation], dim=1),
            torch.cat([self.image, torch.where(activation > 0, number, -1)], dim=1),
        )

    def _choose(self, activation: Tensor, image: Tensor) -> None:
        """Keep the strongest; of equal ones, those that come first."""
        order = activation.sort(dim=1, descending=True, stable=True).indices
        order = order[:, : self.activation.shape[1]]
        self.activation, self.image = activation.gather(1, order), image.gather(1, order)

    def all_reduce(self, group: ProcessGroup) -> TopImages:
        """Return the strongest over all ranks."""
        ranks = group.all_gather((self.activation.cpu(), self.image.cpu()))
        device = self.image.device
        activation = torch.cat([activation for activation, _ in ranks], dim=1).to(device)
        image = torch.cat([image for _, image in ranks], dim=1).to(device)
        order = image.argsort(dim=1, stable=True)
        units, count = self.image.shape
        total = TopImages(units, count, device)
        total._choose(activation.gather(1, order), image.gather(1, order))
        return total

    def state_dict(self) -> State:
        """Return this rank's strongest images, on the CPU."""
        return {"activation": self.activation.cpu(), "image": self.image.cpu()}

    def load_state_dict(self, state: State) -> None:
        """Replace the images by those of an earlier `state_dict`."""
        self.activation.copy_(state["activation"])
        self.image.copy_(state["image"])
