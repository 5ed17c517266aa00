"""Cells: the sparse form in which activation maps are stored.

A *cell* is the square between four neighbouring values of a unit's native activation map, edge
values repeated outside the map: a map of height × width values has (height + 1) × (width + 1)
cells. Bilinear up-sampling (half-pixel centres, `align_corners=False`) reads, for every mask pixel,
one cell: all mask pixels under a cell follow from its four corners. A cell with no corner above a
threshold holds no pixel above it, and with thresholds at the 99.5th percentile nearly all are such.

The map of a clip is one such map for each *time slot*. Each annotated frame of a clip is compared
with the slot that it falls in, up-sampled in space alone: in time interpolation would flatten the
peaks that thresholds come from.

    find_cells     maps → cells with a corner above a lower bound   (once, during the forward pass)
    native_values  cells → the values of the maps that they hold    (for exact thresholds)
    mask_pixels    cells → mask pixels above the exact threshold    (for overlaps and thumbnails)

This module alone takes the grid of a map apart: into height and width, or times, height and width.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..engine.tensors import divide, true_positions

if TYPE_CHECKING:
    from collections.abc import Iterator


class Grid(NamedTuple):
    """Shape of one block's output for one image.

    Attributes:
        height: in values.
        width: in values.
        units: how many.
        times: time slots of a clip; None of an image.
    """

    height: int
    width: int
    units: int
    times: int | None = None

    @property
    def axes(self) -> tuple[int, ...]:
        """Shape of the grid: (height, width), or (times, height, width)."""
        times = () if self.times is None else (self.times,)
        return *times, self.height, self.width

    @property
    def positions(self) -> int:
        """Values of one unit's map."""
        return math.prod(self.axes)

    @property
    def cells(self) -> int:
        """Cells of one image, all units together."""
        return (self.times or 1) * (self.height + 1) * (self.width + 1) * self.units

    @classmethod
    def of(cls, maps: Tensor) -> Grid:
        """Return the grid of maps (images, units, *grid)."""
        _, units, *times, height, width = maps.shape
        return cls(height, width, units, *times)


class Cells(NamedTuple):
    """Cells of a batch of maps.

    Attributes:
        where: int32 (cells,), flat position in (images, height + 1, width + 1, units), or in
            (images, times, height + 1, width + 1, units).
        corners: float32 (cells, 4): top left, top right, bottom left, bottom right.
    """

    where: Tensor
    corners: Tensor


class Values(NamedTuple):
    """Values of a batch of maps; each (values,).

    Attributes:
        image: int32, number in the batch.
        unit: int32.
        value: float32.
    """

    image: Tensor
    unit: Tensor
    value: Tensor


class CellIndex(NamedTuple):
    """Indices of cells; each int32 (cells,). Cells of images have no time."""

    image: Tensor
    row: Tensor
    column: Tensor
    unit: Tensor
    time: Tensor | None = None


class Pixels(NamedTuple):
    """Pixels of masks.

    Attributes:
        position: int32 (pixels,), flat in (images, height, width).
        owner: int32 (pixels,), whose mask it is: image · units + unit.
    """

    position: Tensor
    owner: Tensor


def unravel(index: Tensor, grid: Grid) -> CellIndex:
    """Unravel flat cell positions."""
    position, unit = divide(index, grid.units)
    line, column = divide(position, grid.width + 1)
    image, row = divide(line, grid.height + 1)
    if grid.times is None:
        return CellIndex(image, row, column, unit)
    image, time = divide(image, grid.times)
    return CellIndex(image, row, column, unit, time)


def find_cells(maps: Tensor, lower: Tensor) -> tuple[Cells, Values]:
    """Find the cells of which a corner exceeds its unit's lower bound, and the values that do.

    Args:
        maps: (images, units, *grid) of any float type, fastest in channels_last memory.
        lower: float32 (units,); values of that type.
    """
    values = maps.movedim(1, -1).contiguous().flatten(0, -4)  # each slot of a clip as an image
    _, height, width, units = values.shape
    above = values > lower.to(values.dtype)
    index = true_positions(_cells_around(above).view(-1))
    where = unravel(index, Grid(height, width, units))
    top, bottom = (where.row - 1).clamp_(min=0), where.row.clamp(max=height - 1)
    left, right = (where.column - 1).clamp_(min=0), where.column.clamp(max=width - 1)
    flat = values.view(-1)
    base = where.image * height
    corners = torch.stack(
        [
            flat.index_select(0, ((base + y) * width + x) * units + where.unit).float()
            for y in (top, bottom)
            for x in (left, right)
        ],
        dim=1,
    )
    positions = true_positions(above.view(-1))
    position, unit = divide(positions, units)
    values_above = flat.index_select(0, positions).float()
    positions_of_image = math.prod(maps.shape[2:])
    return Cells(index, corners), Values(position // positions_of_image, unit, values_above)


def _cells_around(above: Tensor) -> Tensor:
    """Set the cells around values, bool (images, height + 1, width + 1, units)."""
    images, height, width, units = above.shape
    if units % 8 == 0:  # eight flags at a time
        above = above.view(-1).view(torch.int64).view(images, height, width, units // 8)
    cells = above.new_zeros(images, height + 1, width + 1, above.shape[3])
    for down in (0, 1):
        for right in (0, 1):
            cells[:, down : down + height, right : right + width] |= above
    return cells.view(torch.bool)


def native_values(cells: Cells, grid: Grid) -> Values:
    """Return the map values that cells hold, each once: the bottom-right corners inside the map.

    Every value above the lower bound is among them, since all four cells around it were stored.
    """
    where = unravel(cells.where, grid)
    inside = ((where.row < grid.height) & (where.column < grid.width)).nonzero().squeeze(1)
    value = cells.corners[:, 3]
    return Values(*(part.index_select(0, inside) for part in (where.image, where.unit, value)))


class AxisPixels(NamedTuple):
    """The mask pixels under each cell, along one axis.

    Attributes:
        first: int32 (cells,), the first pixel under the cell.
        fraction: float32 (most, cells), position of each pixel between the two corners; NaN where a
            cell has fewer pixels than `most`.
    """

    first: Tensor
    fraction: Tensor


@functools.lru_cache(maxsize=64)
def axis_pixels(values: int, pixels: int, device: torch.device) -> AxisPixels:
    """Compute how `pixels` mask pixels lie over the `values + 1` cells of one axis."""
    under: list[list[tuple[int, float]]] = [[] for _ in range(values + 1)]
    for pixel in range(pixels):
        source = (pixel + 0.5) * values / pixels - 0.5
        cell = math.floor(source) + 1
        under[cell].append((pixel, source - (cell - 1)))
    most = max(len(pixels_under) for pixels_under in under)
    first = torch.tensor([p[0][0] if p else 0 for p in under], dtype=torch.int32)
    fraction = torch.full((most, values + 1), torch.nan)
    for cell, pixels_under in enumerate(under):
        for order, (_, part) in enumerate(pixels_under):
            fraction[order, cell] = part
    return AxisPixels(first.to(device), fraction.to(device))


def cells_of_images(cells: Cells, grid: Grid, numbers: Tensor) -> Cells:
    """Select the cells of the images `numbers`, int64 (images,) ascending; renumber from 0."""
    image = cells.where // grid.cells
    numbers = numbers.int()
    position = torch.searchsorted(numbers, image, out_int32=True).clamp_(max=len(numbers) - 1)
    keep = (numbers.index_select(0, position) == image).nonzero().squeeze(1)
    return select_cells(Cells(cells.where + (position - image) * grid.cells, cells.corners), keep)


def select_cells(cells: Cells, keep: Tensor) -> Cells:
    """Select the cells at the positions `keep`, int64 (n,)."""
    return Cells(cells.where.index_select(0, keep), cells.corners.index_select(0, keep))


def cells_above(cells: Cells, grid: Grid, thresholds: Tensor) -> Cells:
    """Select the cells of which a corner exceeds its unit's threshold, float32 (units,)."""
    limit = thresholds.index_select(0, divide(cells.where, grid.units)[1])
    return select_cells(cells, (cells.corners.amax(1) > limit).nonzero().squeeze(1))


def mask_pixels(
    cells: Cells,
    grid: Grid,
    thresholds: Tensor,
    height: int,
    width: int,
    chunk: int | None = None,
    slots: Tensor | None = None,
) -> Iterator[Pixels]:
    """Yield the pixels of height × width masks where up-sampled maps exceed their threshold.

    Equal to `interpolate(maps, mode="bilinear", align_corners=False) > thresholds`, up to the
    rounding of the interpolation; where all four corners are equal there is no rounding. Of a clip,
    each frame of its mask is so compared with the time slot that it falls in.

    Args:
        cells: at least all cells with a corner above its threshold; others only take time.
        grid: shape of the maps.
        thresholds: float32 (units,).
        height: of the masks, in pixels.
        width: of the masks, in pixels.
        chunk: pixels worked on at a time; if omitted, on CPU few enough to stay in its cache, on a
            GPU enough to keep it busy.
        slots: int64 (images, frames), where the grid has times: the slot of each of the frames that
            lie one below the other in the mask, ascending.

    Yields:
        Each pixel once, in a number of parts.
    """
    device = cells.where.device
    frames = None
    if slots is not None and grid.times is not None:
        frames = _frames_of_slots(slots, grid.times, height * width)
        height //= slots.shape[1]
    rows = axis_pixels(grid.height, height, device)
    columns = axis_pixels(grid.width, width, device)
    down, right = len(rows.fraction), len(columns.fraction)
    most = down * right
    offset = torch.arange(down, dtype=torch.int32, device=device).unsqueeze(1) * width
    offset = (offset + torch.arange(right, dtype=torch.int32, device=device)).view(-1)
    chunk = chunk or (1 << 20 if device.type == "cpu" else 1 << 26)
    step = max(1, chunk // most)
    for index, corners in zip(
        torch.split(cells.where, step), torch.split(cells.corners, step), strict=True
    ):
        where = unravel(index, grid)
        limit = thresholds.index_select(0, where.unit)
        above = _values_under(corners, where, rows, columns) > limit  # NaN is not
        flat = true_positions(above.view(-1))
        inner = flat // len(index)
        cell = flat - inner * len(index)
        owner = where.image * grid.units + where.unit
        image = where.image if where.time is None else torch.zeros_like(where.image)
        corner = (image * height + rows.first.index_select(0, where.row)) * width
        corner += columns.first.index_select(0, where.column)
        pixels = Pixels(
            corner.index_select(0, cell) + offset.index_select(0, inner),
            owner.index_select(0, cell),
        )
        if frames is not None and where.time is not None and grid.times is not None:
            slot = where.image * grid.times + where.time
            pixels = frames.repeat(pixels, slot.index_select(0, cell))
        yield pixels


class _FramesOfSlots(NamedTuple):
    """The frames of masks that fall in each time slot; each int32 (images · times,).

    Attributes:
        start: of the first one, its first pixel, flat in (images, frames, height, width).
        frames: how many there are.
        size: pixels of a frame.
    """

    start: Tensor
    frames: Tensor
    size: int

    def repeat(self, pixels: Pixels, slot: Tensor) -> Pixels:
        """Put the pixels of one frame, which are of these slots, into all frames of the slot."""
        count = self.frames.index_select(0, slot)
        source = torch.repeat_interleave(count)
        before = (count.cumsum(0) - count).index_select(0, source)
        turn = torch.arange(len(source), device=before.device) - before
        start = self.start.index_select(0, slot) + pixels.position
        position = start.index_select(0, source) + turn.int() * self.size
        return Pixels(position, pixels.owner.index_select(0, source))


def _frames_of_slots(slots: Tensor, times: int, pixels: int) -> _FramesOfSlots:
    """Find the frames of each slot; `pixels` are those of all frames of an image together."""
    images, frames = slots.shape
    size = pixels // frames
    count = slots.new_zeros(images, times).scatter_add_(1, slots, torch.ones_like(slots))
    first = torch.arange(images, device=slots.device).unsqueeze(1) * frames
    first = first + count.cumsum(1) - count
    return _FramesOfSlots((first * size).int().view(-1), count.int().view(-1), size)


def _values_under(
    corners: Tensor, where: CellIndex, rows: AxisPixels, columns: AxisPixels
) -> Tensor:
    """Up-sample the values under each cell, float32 (most rows, most columns, cells), or NaN."""
    top_left, top_right, bottom_left, bottom_right = corners.T.contiguous()
    down = rows.fraction.index_select(1, where.row)
    right = columns.fraction.index_select(1, where.column)
    left_edge = torch.lerp(top_left, bottom_left, down).unsqueeze(1)
    right_edge = torch.lerp(top_right, bottom_right, down).unsqueeze(1)
    return torch.lerp(left_edge, right_edge, right)
