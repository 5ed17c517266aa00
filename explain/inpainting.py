"""Painting over: a part of an image filled in from its surroundings, as if it were not there.

Telea's inpainting (OpenCV), on the pixels that the network is given; only the mask changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .clips import slots_of_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS = 3.0
"""Pixels around each painted one that it is computed from."""


def paint_over(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_], frames: int | None = None
) -> NDArray[np.uint8]:
    """Fill a part of an image in from its surroundings.

    Args:
        pixels: uint8 (height, width, 3).
        mask: bool (height, width), what to fill in.
        frames: if it is a film strip: each frame is filled in from itself.

    Returns:
        A new image, uint8 (height, width, 3).
    """
    if frames is not None:
        parts = zip(np.split(pixels, frames), np.split(mask, frames), strict=True)
        return np.concatenate([paint_over(*part) for part in parts])
    painted = cv2.inpaint(
        np.ascontiguousarray(pixels), mask.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA
    )
    return np.asarray(painted, dtype=np.uint8)


def to_pixels(
    mask: NDArray[np.bool_], height: int, width: int, frames: int | None = None
) -> NDArray[np.bool_]:
    """Scale a mask on a block's grid to pixels, grown by half a position on every side.

    A position of a grid stands for pixels around its center, and a thing seldom ends at a border
    between two.

    Args:
        mask: bool (rows, columns), or (times, rows, columns) of a clip.
        height: of the image, or of a clip's film strip.
        width: likewise.
        frames: of the clip.
    """
    if frames is not None:
        slots = slots_of_frames(frames, len(mask))
        return np.concatenate([to_pixels(mask[it], height // frames, width) for it in slots])
    rows, columns = mask.shape
    pixels = mask.astype(np.uint8)
    scaled = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    reach = (max(1, height // rows // 2) * 2 + 1, max(1, width // columns // 2) * 2 + 1)
    return np.asarray(cv2.dilate(scaled, np.ones(reach, np.uint8)), dtype=bool)


def to_grid(
    mask: NDArray[np.bool_] | NDArray[np.float64], rows: int, columns: int
) -> NDArray[np.float64]:
    """Return the share of each position of a block's grid that a mask of pixels covers."""
    shares = cv2.resize(mask.astype(np.float64), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(shares, dtype=np.float64)
