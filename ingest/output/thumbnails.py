"""Thumbnails of the units' top images, with an outline of where the unit fires; clips move, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from simplejpeg import encode_jpeg

from ..concept_data.decoding import decode_image
from ..dissection.cells import mask_pixels, select_cells, unravel
from ..engine.spacing import middles
from .animation import animation, animation_name, shown_frames

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
_TOGETHER = 64
"""Clips that are animated at a time: the masks of their frames are in memory."""
OUTLINE, HALO = (255, 221, 51), (0, 0, 0)
"""Colours just inside a mask and just outside: one of them is seen on any photograph."""


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
    pictures: dict[int, list[NDArray[np.uint8]]] = {}
    for block, dissection in blocks.items():
        thumbnails = thumbnails_of_batch(dissection.top, batch.first, len(batch.images))
        if not thumbnails:
            continue
        cells, grid = activations.cells(block, batch.number), dissection.grid
        thumbnails = at_peaks(thumbnails, cells, grid)
        for place in {thumbnail.image for thumbnail in thumbnails} - pictures.keys():
            pictures[place] = _small_frames(images[batch.images[place]])
        masks = unit_masks(thumbnails, cells, grid, dissection.thresholds)
        for thumbnail, mask in zip(thumbnails, masks, strict=True):
            frames = pictures[thumbnail.image]
            frame = middles(grid.times or 1, len(frames))[thumbnail.time]
            name = thumbnail_name(block, thumbnail.unit, thumbnail.rank)
            save_thumbnail(frames[frame], mask, folder / name)
        clips = [thumbnail for thumbnail in thumbnails if len(pictures[thumbnail.image]) > 1]
        for first in range(0, len(clips), _TOGETHER):
            some = clips[first : first + _TOGETHER]
            drawn = animated(some, pictures, cells, grid, dissection.thresholds)
            for thumbnail, content in zip(some, drawn, strict=True):
                name = thumbnail_name(block, thumbnail.unit, thumbnail.rank)
                (folder / animation_name(name)).write_bytes(content)


def _small_frames(image: ConceptImage) -> list[NDArray[np.uint8]]:
    """Decode an image; return it, or each frame of a clip, as thumbnails show it."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    decode_image(image.path, pixels)
    return [shrink(frame) for frame in np.split(pixels, image.frames)]


class Thumbnail(NamedTuple):
    """A thumbnail to draw.

    Attributes:
        unit: its number.
        rank: among the unit's top images.
        image: within the batch.
        time: the time slot that is shown of a clip.
    """

    unit: int
    rank: int
    image: int
    time: int = 0


def thumbnails_of_batch(top: TopImages, first: int, images: int) -> list[Thumbnail]:
    """List the thumbnails that need images of the batch starting at position `first`."""
    inside = (top.image >= first) & (top.image < first + images)
    units, ranks = inside.nonzero(as_tuple=True)
    rows = torch.stack([units, ranks, top.image[inside] - first])
    return [Thumbnail(*row) for row in rows.T.tolist()]


def at_peaks(thumbnails: list[Thumbnail], cells: Cells, grid: Grid) -> list[Thumbnail]:
    """Return thumbnails of clips at the time slot where their unit is strongest."""
    if grid.times is None:
        return thumbnails
    where, peak = unravel(cells.where, grid), cells.corners.amax(1)
    times = []
    for thumbnail in thumbnails:
        own = (where.image == thumbnail.image) & (where.unit == thumbnail.unit)
        first = peak.where(own, peak.new_tensor(-torch.inf)).argmax()
        times.append(int(cells.where[first] // (grid.cells // grid.times)) % grid.times)
    return [
        thumbnail._replace(time=time) for thumbnail, time in zip(thumbnails, times, strict=True)
    ]


def unit_masks(
    thumbnails: list[Thumbnail], cells: Cells, grid: Grid, thresholds: Tensor
) -> NDArray[np.bool_]:
    """Compute where each thumbnail's unit fires; bool (thumbnails, THUMBNAIL, THUMBNAIL)."""
    places = [it.image * (grid.times or 1) + it.time for it in thumbnails]
    grid = grid._replace(times=None)  # each slot as an image
    slot = torch.full(((max(places) + 1) * grid.units,), -1)
    for number, (place, thumbnail) in enumerate(zip(places, thumbnails, strict=True)):
        slot[place * grid.units + thumbnail.unit] = number
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


def animated(
    thumbnails: Sequence[Thumbnail],
    pictures: Mapping[int, Sequence[NDArray[np.uint8]]],
    cells: Cells,
    grid: Grid,
    thresholds: Tensor,
) -> list[bytes]:
    """Draw clips that move, each frame with the outline of its time slot; return WebP files.

    Args:
        thumbnails: of one clip and unit each.
        pictures: the frames of each clip, by its number in the batch.
        cells: of the batch.
        grid: of the block.
        thresholds: of its units.
    """
    shown = [shown_frames(len(pictures[thumbnail.image])) for thumbnail in thumbnails]
    slots = [
        [middles(len(pictures[thumbnail.image]), grid.times or 1)[frame] for frame in frames]
        for thumbnail, frames in zip(thumbnails, shown, strict=True)
    ]
    parts = dict.fromkeys(
        thumbnail._replace(time=slot)
        for thumbnail, own in zip(thumbnails, slots, strict=True)
        for slot in own
    )
    masks = dict(zip(parts, unit_masks([*parts], cells, grid, thresholds), strict=True))
    return [
        animation(
            [
                Image.fromarray(
                    outlined(pictures[thumbnail.image][frame], masks[thumbnail._replace(time=slot)])
                )
                for frame, slot in zip(frames, own, strict=True)
            ]
        )
        for thumbnail, frames, own in zip(thumbnails, shown, slots, strict=True)
    ]


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize an image (height, width, 3) to (THUMBNAIL, THUMBNAIL, 3), aspect ratio ignored."""
    small = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small)


def save_thumbnail(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], path: Path) -> None:
    """Write a thumbnail as JPEG; `outlined` shows the mask."""
    jpeg = encode_jpeg(outlined(pixels, mask), quality=85, colorsubsampling="444")
    path.write_bytes(jpeg)


def outlined(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) with a mask's outline, and all else as it was.

    The outline's inner pixels are those of the mask (height, width) that touch what is not of the
    mask, or the picture's edge; the outer ones touch the mask from outside.
    """
    picture: NDArray[np.uint8] = pixels.copy()
    picture[mask & _grown(~mask, beyond=True)] = OUTLINE
    picture[~mask & _grown(mask, beyond=False)] = HALO
    return picture


def _grown(mask: NDArray[np.bool_], *, beyond: bool) -> NDArray[np.bool_]:
    """Return a mask grown by one pixel up, down, left and right; `beyond` the edge it is or not."""
    padded = np.pad(mask, 1, constant_values=beyond)
    up, down = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    grown: NDArray[np.bool_] = mask | up | down | left | right
    return grown
