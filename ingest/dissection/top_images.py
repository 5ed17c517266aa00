"""The images that excite a unit most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .cells import Cells, Grid, place

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup


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

    def add(self, strongest: Tensor, first: int) -> None:
        """Take in `peaks` of a batch whose first image has position `first`; batches in order."""
        units, images = strongest.shape
        number = torch.arange(first, first + images, device=strongest.device).expand(units, images)
        self._choose(
            torch.cat([self.activation, strongest], dim=1),
            torch.cat([self.image, torch.where(strongest > 0, number, -1)], dim=1),
        )

    def _choose(self, activation: Tensor, image: Tensor) -> None:
        """Keep the strongest; of equals, those that come first."""
        order = activation.sort(dim=1, descending=True, stable=True).indices
        order = order[:, : self.activation.shape[1]]
        self.activation, self.image = activation.gather(1, order), image.gather(1, order)

    def share(self, team: ProcessGroup) -> None:
        """Make it the strongest over the team."""
        both = team.all_gather((self.activation.cpu(), self.image.cpu()))
        image = torch.cat([image for _, image in both], dim=1).to(self.image.device)
        activation = torch.cat([each for each, _ in both], dim=1).to(self.image.device)
        order = image.argsort(dim=1, stable=True)
        self._choose(activation.gather(1, order), image.gather(1, order))

    def state(self) -> State:
        """What it holds."""
        return {"activation": self.activation.cpu(), "image": self.image.cpu()}

    def load(self, state: State) -> None:
        """Go on from an earlier `state`."""
        self.activation.copy_(state["activation"])
        self.image.copy_(state["image"])


def peaks(cells: Cells, grid: Grid, images: int) -> Tensor:
    """The largest value of each unit in each image, float32 (units, images); 0 without cells.

    Args:
        cells: above threshold, of one batch.
        grid: shape of the maps.
        images: in the batch.
    """
    where = place(cells.where, grid)
    peak = torch.zeros(grid.units * images, device=cells.where.device)
    at = (where.unit * images + where.image).long()
    peak.scatter_reduce_(0, at, cells.corners.amax(1), "amax")
    return peak.view(grid.units, images)
