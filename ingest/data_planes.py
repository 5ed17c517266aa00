"""Masks of concepts, squashed to the size of a data set and laid into as few planes as need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Half a pixel's area, less what float32 averages may fall short of it.
_HALF = 0.5 - 1e-4


def squash(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """A mask squashed, as its image will be: a pixel is on when half of what lies under it is.

    Args:
        mask: bool, any size.
        height: wanted.
        width: wanted.

    Returns:
        bool (height, width).
    """
    if mask.shape == (height, width):
        return mask
    shares = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(shares) >= _HALF


def pack(times: Mapping[int, NDArray[np.integer]]) -> list[NDArray[np.uint16]]:
    """Planes that hold each label at each pixel as often as `times` says.

    Labels go in order of their numbers, each to the first plane in which nothing of it is taken:
    the planes are a function of `times` alone.

    Args:
        times: how often a label counts at a pixel, (height, width), by label number.

    Returns:
        uint16 (height, width) each, 0 where nothing is.
    """
    planes: list[NDArray[np.uint16]] = []
    for number in sorted(times):
        for level in range(1, int(times[number].max(initial=0)) + 1):
            mask = times[number] >= level
            free = next((plane for plane in planes if not plane[mask].any()), None)
            if free is None:
                planes.append(free := np.zeros(mask.shape, np.uint16))
            free[mask] = number
    return planes
