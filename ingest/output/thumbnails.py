"""Thumbnails of the units' top images, dimmed where the unit does not fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from simplejpeg import encode_jpeg

from ..concept_data.decoding import decode_image
from ..dissection.cells import mask_pixels, select_cells, unravel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ..concept_data.concepts import ConceptImage
    from ..dissection.activations import SparseActivations
    from ..dissection.block import BlockDissection
    from ..dissection.cells import Cells, Grid
    from ..dissection.top_images import TopImages
    from ..inputs import Batch

THUMBNAIL = 112  # pixels a side
DIMMED = 4  # brightness outside the mask is divided by it


def thumbnail_name(block: str, unit: int, rank: int) -> str:
    """Return where a thumbnail lies in the run."""
    return f"thumbnails/{block}/{unit}-{rank}.jpg"


def draw_batch(
    batch: Batch,
    images: Sequence[ConceptImage],
    activations: SparseActivations,
    blocks: Mapping[str, BlockDissection],
    folder: Path,
) -> None:
    """Write the thumbnails that need images of a batch.

    Args:
        batch: its images and their place in the run.
        images: of the data set; `batch.images` are positions there.
        activations: with the cells of the batch.
        blocks: their dissections.
        folder: of the run; the folders of `thumbnail_name` are there.
    """
    pictures: dict[int, NDArray[np.uint8]] = {}
    for block, dissection in blocks.items():
        thumbnails = thumbnails_of_batch(dissection.top, batch.first, len(batch.images))
        if not thumbnails:
            continue
        cells = activations.cells(block, batch.number)
        masks = unit_masks(thumbnails, cells, dissection.grid, dissection.thresholds)
        for thumbnail, mask in zip(thumbnails, masks, strict=True):
            if thumbnail.image not in pictures:
                image = images[batch.images[thumbnail.image]]
                pictures[thumbnail.image] = shrink(_decoded(image))
            path = folder / thumbnail_name(block, thumbnail.unit, thumbnail.rank)
            save_thumbnail(pictures[thumbnail.image], mask, path)


def _decoded(image: ConceptImage) -> NDArray[np.uint8]:
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    decode_image(image.path, pixels)
    return pixels


class Thumbnail(NamedTuple):
    """A thumbnail to draw: unit, its rank among the unit's top images, image within the batch."""

    unit: int
    rank: int
    image: int


def thumbnails_of_batch(top: TopImages, first: int, images: int) -> list[Thumbnail]:
    """List the thumbnails that need images of the batch starting at position `first`."""
    inside = (top.image >= first) & (top.image < first + images)
    units, ranks = inside.nonzero(as_tuple=True)
    rows = torch.stack([units, ranks, top.image[inside] - first])
    return [Thumbnail(*row) for row in rows.T.tolist()]


def unit_masks(
    thumbnails: list[Thumbnail], cells: Cells, grid: Grid, thresholds: Tensor
) -> NDArray[np.bool_]:
    """Compute where each thumbnail's unit fires; bool (thumbnails, THUMBNAIL, THUMBNAIL)."""
    images = max(thumbnail.image for thumbnail in thumbnails) + 1
    slot = torch.full((images * grid.units,), -1)
    for number, thumbnail in enumerate(thumbnails):
        slot[thumbnail.image * grid.units + thumbnail.unit] = number
    slot = slot.to(cells.where)
    where = unravel(cells.where, grid)
    owner = where.image * grid.units + where.unit
    wanted = owner < len(slot)
    wanted &= slot.index_select(0, owner.clamp(max=len(slot) - 1)) >= 0
    cells = select_cells(cells, wanted.nonzero().squeeze(1))
    masks = torch.zeros(len(thumbnails), THUMBNAIL * THUMBNAIL, dtype=torch.bool)
    for pixels in mask_pixels(cells, grid, thresholds, THUMBNAIL, THUMBNAIL):
        masks[slot[pixels.owner].cpu(), (pixels.position % THUMBNAIL**2).cpu()] = True
    return masks.view(len(thumbnails), THUMBNAIL, THUMBNAIL).numpy()


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize an image (height, width, 3) to (THUMBNAIL, THUMBNAIL, 3), aspect ratio ignored."""
    small = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small)


def save_thumbnail(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], path: Path) -> None:
    """Write a thumbnail, dimmed outside the mask, as JPEG."""
    dimmed = np.where(mask[..., None], pixels, pixels // DIMMED)
    path.write_bytes(encode_jpeg(dimmed, quality=80, colorsubsampling="420"))
