"""Masks of concepts, squashed to the size of a data set and laid into as few planes as need be."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Half a pixel's area, less what float32 sums may fall short of it.
_HALF = 0.5 - 1e-4


def squash(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """A mask squashed, as its image will be: a pixel is on when half of the area under it is.

    Args:
        mask: bool, any size.
        height: wanted.
        width: wanted.

    Returns:
        bool (height, width).
    """
    if mask.shape == (height, width):
        return mask
    rows, columns = _shares(mask.shape[0], height), _shares(mask.shape[1], width)
    shares: NDArray[np.float32] = rows @ mask.astype(np.float32) @ columns.T
    return shares >= _HALF


@lru_cache(maxsize=64)
def _shares(old: int, new: int) -> NDArray[np.float32]:
    """The share of each new pixel that each old one covers, along one side: (new, old)."""
    edges = np.arange(new + 1) * (old / new)
    places = np.arange(old)
    ends = np.minimum(edges[1:, None], places + 1)
    covered = np.maximum(ends - np.maximum(edges[:-1, None], places), 0)
    shares: NDArray[np.float32] = (covered * (new / old)).astype(np.float32)
    return shares


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
