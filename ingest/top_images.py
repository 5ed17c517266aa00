"""The images that excite a unit most, and thumbnails of them, masked to where the unit fires."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from simplejpeg import encode_jpeg
from torch import Tensor

from .cells import Cells, Grid, mask_pixels, place, some

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .bookmark import State
    from .team import Team

THUMBNAIL = 112  # pixels a side
DIMMED = 4  # brightness outside the mask is divided by it


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

    def share(self, team: Team) -> None:
        """Make it the strongest over the team."""
        both = team.gather((self.activation.cpu(), self.image.cpu()))
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


class Tile(NamedTuple):
    """One thumbnail to draw: unit, its rank among the unit's top images, image within the batch."""

    unit: int
    rank: int
    image: int


def tiles_of_batch(top: TopImages, first: int, images: int) -> list[Tile]:
    """The thumbnails that need images of the batch starting at position `first`."""
    inside = (top.image >= first) & (top.image < first + images)
    units, ranks = inside.nonzero(as_tuple=True)
    found = torch.stack([units, ranks, top.image[inside] - first])
    return [Tile(*each) for each in found.T.tolist()]


def masks_of_tiles(
    tiles: list[Tile], cells: Cells, grid: Grid, thresholds: Tensor
) -> NDArray[np.bool_]:
    """Where each tile's unit fires on its image; bool (tiles, THUMBNAIL, THUMBNAIL)."""
    slot = torch.full(((max(tile.image for tile in tiles) + 1) * grid.units,), -1)
    for number, tile in enumerate(tiles):
        slot[tile.image * grid.units + tile.unit] = number
    slot = slot.to(cells.where)
    where = place(cells.where, grid)
    key = where.image * grid.units + where.unit
    wanted = key < len(slot)
    wanted &= slot.index_select(0, key.clamp(max=len(slot) - 1)) >= 0
    keep = wanted.nonzero().squeeze(1)
    masks = torch.zeros(len(tiles), THUMBNAIL * THUMBNAIL, dtype=torch.bool)
    for on in mask_pixels(some(cells, keep), grid, thresholds, THUMBNAIL, THUMBNAIL):
        masks[slot[on.owner].cpu(), (on.position % THUMBNAIL**2).cpu()] = True
    return masks.view(len(tiles), THUMBNAIL, THUMBNAIL).numpy()


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of an image (height, width, 3): uint8 (THUMBNAIL, THUMBNAIL, 3), squashed."""
    small = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small)


def save_tile(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], path: Path) -> None:
    """Write a thumbnail, dimmed outside the mask, as JPEG."""
    drawn = np.where(mask[..., None], pixels, pixels // DIMMED)
    path.write_bytes(encode_jpeg(drawn, quality=80, colorsubsampling="420"))
