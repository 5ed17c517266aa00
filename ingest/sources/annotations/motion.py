"""Motion as concepts: where a thing goes in the picture, from the centroids of its masks.

A thing's velocity in a frame is the slope of the line (least squares) through its centroids in that
frame and up to three before and after it, among those in which it is labelled. Slower than a tenth
of the picture's side in the time of the clip is `still`; else the larger of the two components
names it. The motion of the camera is not removed: what stands still is `left` when the camera goes
right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CATEGORY = "motion"
REST = "still"
NAMES = ("down", "left", "right", REST, "up")
MADE_BY = "movement of masks"
"""Source of the concepts."""
STILL = 0.1
"""Sides of the picture (the root of its area) in the time of the clip."""
_AROUND = 3


def name_motions(times: NDArray[np.float64], places: NDArray[np.float64]) -> list[str]:
    """Return the name of a thing's motion at each time; none if it is seen once.

    Args:
        times: (frames,), ascending, in shares of the time of the clip.
        places: (frames, 2), x and y of its centroid, in sides of the picture.
    """
    if len(times) < 2:
        return []
    return [_name(*_velocity(times, places, place)) for place in range(len(times))]


def centroid(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return x and y of the middle of a mask, in sides of the picture."""
    height, width = mask.shape
    y, x = mask.nonzero()
    side = float(np.sqrt(height * width))
    return (float(x.mean()) + 0.5) / side, (float(y.mean()) + 0.5) / side


def _velocity(
    times: NDArray[np.float64], places: NDArray[np.float64], place: int
) -> tuple[float, float]:
    window = slice(max(0, place - _AROUND), place + _AROUND + 1)
    since = times[window] - times[window].mean()
    x, y = since @ places[window] / (since @ since)
    return float(x), float(y)


def _name(x: float, y: float) -> str:
    if np.hypot(x, y) < STILL:
        return REST
    if abs(x) >= abs(y):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"
