"""Thumbnails of the units' top images, dimmed where the unit does not fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from simplejpeg import encode_jpeg

from ..concept_data.decoding import decode_image
from ..dissection.cells import mask_pixels, place, some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ..concept_data.concepts import ConceptImage
    from ..dissection.block import Dissection
    from ..dissection.cells import Cells, Grid
    from ..dissection.collection import Collection
    from ..dissection.top_images import TopImages
    from ..inputs import Batch

THUMBNAIL = 112  # pixels a side
DIMMED = 4  # brightness outside the mask is divided by it


def thumbnail_name(block: str, unit: int, rank: int) -> str:
    """Where a thumbnail lies in the run."""
    return f"thumbnails/{block}/{unit}-{rank}.jpg"


def draw_batch(
    batch: Batch,
    images: Sequence[ConceptImage],
    collection: Collection,
    blocks: Mapping[str, Dissection],
    folder: Path,
) -> None:
    """Write the thumbnails that need images of a batch.

    Args:
        batch: its images and their place in the run.
        images: of the data set; `batch.images` are positions there.
        collection: has the cells of the batch.
        blocks: what was found of their units.
        folder: of the run; those of `thumbnail_name` are there.
    """
    pictures: dict[int, NDArray[np.uint8]] = {}
    for block, found in blocks.items():
        tiles = tiles_of_batch(found.top, batch.first, len(batch.images))
        if not tiles:
            continue
        cells = collection.cells(block, batch.number)
        masks = masks_of_tiles(tiles, cells, found.grid, found.thresholds)
        for tile, mask in zip(tiles, masks, strict=True):
            if tile.image not in pictures:
                pictures[tile.image] = thumbnail(_decoded(images[batch.images[tile.image]]))
            path = folder / thumbnail_name(block, tile.unit, tile.rank)
            save_tile(pictures[tile.image], mask, path)


def _decoded(image: ConceptImage) -> NDArray[np.uint8]:
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    decode_image(image.path, pixels)
    return pixels


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
