"""The images that excite a unit most, and thumbnails of them, masked to where the unit fires."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .cells import Cells, Grid, mask_pixels, place

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

THUMBNAIL = 112  # pixels a side
DIMMED = 0.25  # brightness left outside the mask


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

    def add(self, cells: Cells, grid: Grid, first: int, images: int) -> None:
        """Take in the cells above threshold of a batch whose first image has position `first`."""
        where = place(cells.where, grid)
        peak = torch.zeros(grid.units * images, device=cells.where.device)
        peak.scatter_reduce_(0, where.unit * images + where.image, cells.corners.amax(1), "amax")
        number = torch.arange(first, first + images, device=peak.device).expand(grid.units, images)
        peak = peak.view(grid.units, images)
        activation = torch.cat([self.activation, peak], dim=1)
        image = torch.cat([self.image, torch.where(peak > 0, number, -1)], dim=1)
        order = activation.sort(dim=1, descending=True, stable=True).indices
        order = order[:, : self.activation.shape[1]]
        self.activation, self.image = activation.gather(1, order), image.gather(1, order)


class Tile(NamedTuple):
    """One thumbnail to draw: unit, its rank among the unit's top images, image within the batch."""

    unit: int
    rank: int
    image: int


def tiles_of_batch(top: TopImages, first: int, images: int) -> list[Tile]:
    """The thumbnails that need images of the batch starting at position `first`."""
    inside = (top.image >= first) & (top.image < first + images)
    return [
        Tile(unit, rank, int(top.image[unit, rank]) - first)
        for unit, rank in inside.nonzero().tolist()
    ]


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
    wanted &= slot[key.clamp(max=len(slot) - 1)] >= 0
    masks = torch.zeros(len(tiles), THUMBNAIL * THUMBNAIL, dtype=torch.bool)
    fired = Cells(cells.where[wanted], cells.corners[wanted])
    for on in mask_pixels(fired, grid, thresholds, THUMBNAIL, THUMBNAIL):
        masks[slot[on.owner].cpu(), (on.position % THUMBNAIL**2).cpu()] = True
    return masks.view(len(tiles), THUMBNAIL, THUMBNAIL).numpy()


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """uint8 (THUMBNAIL, THUMBNAIL, 3), squashed."""
    return np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def save_tile(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], path: Path) -> None:
    """Write a thumbnail, dimmed outside the mask, as JPEG."""
    dimmed = (pixels * DIMMED).astype(np.uint8)
    drawn = np.where(mask[..., None], pixels, dimmed)
    Image.fromarray(drawn).save(path, format="JPEG", quality=80)
