"""Masks of concepts: resized, resampled, and packed into as few label maps as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.integer)

_HALF = 0.5 - 1e-9  # of a pixel's area, less rounding errors


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Resize a mask (aspect ratio ignored): a pixel is on when half of the area under it is.

    Args:
        mask: bool, any size.
        height: of the result.
        width: of the result.

    Returns:
        bool (height, width).
    """
    if mask.shape == (height, width):
        return mask
    shares = _average_rows(_average_rows(mask, height).T, width).T
    resized: NDArray[np.bool_] = shares >= _HALF
    return resized


def _average_rows(values: NDArray[np.bool_] | NDArray[np.float64], new: int) -> NDArray[np.float64]:
    """Average over the area under each of `new` rows: (old, columns) → (new, columns).

    From running sums, which are linear within a row. (A product with a matrix of shares would do
    too, but its threads wait for one another on a busy machine.)
    """
    old = len(values)
    sums = np.zeros((old + 1, values.shape[1]), np.float64)
    np.cumsum(values, axis=0, out=sums[1:])
    edges = np.arange(new + 1) * (old / new)
    whole = np.minimum(edges.astype(np.intp), old - 1)
    at_edges = sums[whole] + (edges - whole)[:, None] * values[whole]
    averages: NDArray[np.float64] = np.diff(at_edges, axis=0) * (new / old)
    return averages


def rotate_mask(mask: NDArray[np.bool_], orientation: int) -> NDArray[np.bool_]:
    """Rotate or mirror a mask as an EXIF orientation from 1 to 8 does its image."""
    rotated: dict[int, NDArray[np.bool_]] = {
        2: mask[:, ::-1],
        3: mask[::-1, ::-1],
        4: mask[::-1],
        5: mask.T,
        6: mask[::-1].T,
        7: mask[::-1, ::-1].T,
        8: mask.T[::-1],
    }
    return rotated.get(orientation, mask)


def resample(pixels: NDArray[Pixel], shape: tuple[int, int]) -> NDArray[Pixel]:
    """Resample (…, height, width) by the nearest pixel; exact where the new sides are multiples."""
    if pixels.shape[-2:] == shape:
        return pixels
    rows, columns = (
        ((2 * np.arange(new) + 1) * old) // (2 * new)
        for new, old in zip(shape, pixels.shape[-2:], strict=True)
    )
    return pixels[..., rows[:, None], columns]


def pack_label_maps(
    masks: Mapping[int, NDArray[np.bool_] | NDArray[np.integer]],
) -> list[NDArray[np.uint16]]:
    """Pack masks of concepts, which may overlap, into label maps.

    Labels go in order of their numbers, each to the first label map that is free at all its pixels.

    Args:
        masks: by label number, (height, width): whether the label is at a pixel, or how often it
            counts there.

    Returns:
        Label maps, uint16 (height, width); 0 where unlabelled.
    """
    label_maps: list[NDArray[np.uint16]] = []
    for number in sorted(masks):
        for times in range(1, int(masks[number].max(initial=0)) + 1):
            mask = masks[number] >= times
            free = next((label_map for label_map in label_maps if not label_map[mask].any()), None)
            if free is None:
                label_maps.append(free := np.zeros(mask.shape, np.uint16))
            free[mask] = number
    return label_maps
