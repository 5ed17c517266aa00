"""Outlines of regions over a photograph, as paths and bits for SVG.

A region is a mask on a block's coarse grid or on the network's input. Outlines of things are drawn
smoothly, since the corners of grid positions are no corners of a thing; regions that are lit up
show their positions as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ingest.network.preprocessing import SeenBox

    Mask = NDArray[np.bool_]

_SMOOTHING = 0.018
"""Standard deviation of the blur, as a share of the drawing's width."""
_TOLERANCE = 0.8
"""Pixels by which a drawn outline may miss the blurred one."""


def outline(mask: Mask, seen: SeenBox, width: int, height: int) -> str:
    """Return the outline of a mask as the `d` of an SVG path, in pixels of a photograph.

    Args:
        mask: bool (rows, columns), over the part that the network sees; not empty.
        seen: that part.
        width: of the photograph as it is drawn.
        height: likewise.
    """
    left, top = seen.left * width, seen.top * height
    size = (
        max(1, round((seen.right - seen.left) * width)),
        max(1, round((seen.bottom - seen.top) * height)),
    )
    shape = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_NEAREST_EXACT)
    blurred = cv2.GaussianBlur(shape, (0, 0), max(_SMOOTHING * width, 0.1))
    inside = blurred >= 0.5
    if not inside.any():
        inside = cv2.dilate(shape, np.ones((3, 3), np.uint8)) > 0
    contours, _ = cv2.findContours(
        np.pad(inside.astype(np.uint8), 1), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    rings = (cv2.approxPolyDP(contour, _TOLERANCE, closed=True)[:, 0] for contour in contours)
    return "".join(_ring(ring - 1.0 + np.array([left, top])) for ring in rings if len(ring) > 2)


def _ring(points: NDArray[np.floating]) -> str:
    return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in points) + "Z"


def bits(mask: Mask) -> str:
    """Return a mask as hexadecimal digits, row by row, the first position the highest bit."""
    return np.packbits(mask.ravel()).tobytes().hex()
