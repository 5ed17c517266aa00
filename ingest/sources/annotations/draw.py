"""Draws regions as pixels, at the resolution of their image."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataError
from ...concept_data.images import read_pixels
from .regions import Box, Polygons, Shares
from .run_lengths import RunLengths, encode, from_polygons

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .regions import Geometry


def draw(geometry: Geometry, height: int, width: int) -> RunLengths:
    """Draw a region in an image of that size.

    Raises:
        DataError: run lengths or a mask of another size than the image's.
    """
    if isinstance(geometry, Shares):
        return draw(_scale(geometry.shape, height, width), height, width)
    if isinstance(geometry, Box):
        return _draw_box(geometry, height, width)
    if isinstance(geometry, Polygons):
        return from_polygons(geometry.rings, height, width)
    if isinstance(geometry, RunLengths):
        _check_size("run lengths", (geometry.height, geometry.width), (height, width))
        return geometry
    values = _recent_values(geometry.path, geometry.path.stat().st_mtime_ns)
    _check_size("mask", values.shape, (height, width), geometry.path)
    return encode(values == geometry.value)


def _scale(shape: Box | Polygons, height: int, width: int) -> Box | Polygons:
    """Return a shape in pixels whose coordinates are shares of the image."""
    if isinstance(shape, Box):
        return Box(shape.x * width, shape.y * height, shape.width * width, shape.height * height)
    sides = width, height
    return Polygons(
        tuple(
            array("d", [value * sides[place % 2] for place, value in enumerate(ring)])
            for ring in shape.rings
        )
    )


def _check_size(
    what: str, size: tuple[int, ...], expected: tuple[int, int], path: Path | None = None
) -> None:
    if size != expected:
        sizes = [f"{width}×{height}" for height, width in (size, expected)]
        what = f"{what} of another size than the image"
        raise DataError(what, file=path, found=sizes[0], expected=sizes[1])


def _draw_box(box: Box, height: int, width: int) -> RunLengths:
    left, right = (min(max(math.ceil(x - 0.5), 0), width) for x in (box.x, box.x + box.width))
    top, bottom = (min(max(math.ceil(y - 0.5), 0), height) for y in (box.y, box.y + box.height))
    pixels = np.zeros((height, width), np.bool_, order="F")
    pixels[top:bottom, left:right] = True
    return encode(pixels)


@lru_cache(maxsize=4)
def _recent_values(path: Path, changed: int) -> NDArray[np.int32]:
    """Read a mask's values, or return them again for the next region of the same image.

    `changed`, the file's time, distinguishes versions of the file.
    """
    return read_values(path)


def read_values(path: Path, *, in_color: bool | None = None) -> NDArray[np.int32]:
    """Read a mask's values: palette indices, grey levels, or R·65536 + G·256 + B.

    Args:
        path: the PNG file.
        in_color: whether it must be in color; either kind if None.

    Returns:
        int32 (height, width).

    Raises:
        DataError: not a PNG, damaged, or of the other kind.
    """
    try:
        picture = read_pixels(path)
    except DataError as error:
        raise DataError("mask cannot be read", file=path, expected="a PNG") from error
    mode = picture.mode
    pixels = np.asarray(picture.convert("RGB") if mode == "RGBA" else picture)
    if (pixels.ndim == 3) != (pixels.ndim == 3 if in_color is None else in_color) or mode == "LA":
        expected = "colors, as the table has" if in_color else "a palette or grey, as the table has"
        raise DataError("mask of another kind", file=path, found=f"mode {mode}", expected=expected)
    values = pixels.astype(np.int32)
    if values.ndim == 3:
        values = values @ np.array([65_536, 256, 1], np.int32)
    return values
