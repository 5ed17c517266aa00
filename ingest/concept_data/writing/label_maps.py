"""Masks of concepts, squashed to the size of a data set and laid into as few planes as need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Half a pixel's area, less what rounding may take from it.
_HALF = 0.5 - 1e-9


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
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
    shares = _averaged(_averaged(mask, height).T, width).T
    squashed: NDArray[np.bool_] = shares >= _HALF
    return squashed


def _averaged(values: NDArray[np.bool_] | NDArray[np.float64], new: int) -> NDArray[np.float64]:
    """Averages over what lies under each of `new` rows: (old, columns) → (new, columns).

    From running sums, which are straight lines within a row. (A product with a matrix of shares
    would do, but its threads wait for one another on a busy machine.)
    """
    old = len(values)
    sums = np.zeros((old + 1, values.shape[1]), np.float64)
    np.cumsum(values, axis=0, out=sums[1:])
    edges = np.arange(new + 1) * (old / new)
    whole = np.minimum(edges.astype(np.intp), old - 1)
    at_edges = sums[whole] + (edges - whole)[:, None] * values[whole]
    averages: NDArray[np.float64] = np.diff(at_edges, axis=0) * (new / old)
    return averages


def pack_label_maps(times: Mapping[int, NDArray[np.integer]]) -> list[NDArray[np.uint16]]:
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
