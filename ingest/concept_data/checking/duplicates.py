"""Images that are nearly the same: their copies of 16 × 16 pixels differ by little on average.

"Little" is 4 of 255 levels, and for images with little to see less: 1 level, and a quarter of how
far the copy's pixels are from their mean. Copies that were encoded again, resized or slightly
brightened are near; frames of a film a second apart are not.

An image is compared with the first images of groups only, of these with those about as bright as
itself (a bound: averages cannot differ by more than pixels do on average), in two steps from coarse
to fine. The work grows with the number of images that are about as bright, not with all pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_LEVELS, _LEAST, _PART = 4.0, 1.0, 0.25  # mean absolute differences, of 255 levels
_SIDE, _COARSE = 16, 4


class Fingerprint(NamedTuple):
    """What is kept of an image: the sha256 of its file, and a copy, float32 (16, 16, 3)."""

    digest: str
    copy: NDArray[np.float32]


def fingerprint(image: Image.Image, digest: str) -> Fingerprint:
    """Of an RGB image."""
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return Fingerprint(digest, np.asarray(small, np.float32))


def near_duplicates(images: Iterable[tuple[str, Fingerprint]]) -> list[list[str]]:
    """Groups of two images or more, names in order; each is near its group's darkest."""
    by_brightness = sorted(
        (float(found.copy.mean(dtype=np.float64)), name, found.copy) for name, found in images
    )
    groups: list[list[str]] = []
    firsts = _Firsts(len(by_brightness))
    for brightness, name, copy in by_brightness:
        near = firsts.near(brightness, copy)
        if near is None:
            firsts.add(brightness, copy)
            groups.append([name])
        else:
            groups[near].append(name)
    return sorted(sorted(names) for names in groups if len(names) > 1)


class _Firsts:
    """The first images of groups, in order of brightness."""

    def __init__(self, most: int) -> None:
        self._brightness = np.empty(most)
        self._coarse = np.empty((most, _COARSE * _COARSE * 3), np.float32)
        self._copies: list[NDArray[np.float32]] = []

    def add(self, brightness: float, copy: NDArray[np.float32]) -> None:
        """One more, brighter than all before."""
        self._brightness[len(self._copies)] = brightness
        self._coarse[len(self._copies)] = _pooled(copy)
        self._copies.append(copy)

    def near(self, brightness: float, copy: NDArray[np.float32]) -> int | None:
        """The first of all that are near; None if there are none."""
        last = len(self._copies)
        first = int(np.searchsorted(self._brightness[:last], brightness - _LEVELS - 1e-3))
        coarse = np.abs(self._coarse[first:last] - _pooled(copy)).mean(axis=1)
        for place in (first + (coarse <= _LEVELS + 1e-3).nonzero()[0]).tolist():
            if is_near(self._copies[place], copy):
                return int(place)
        return None


def is_near(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Whether two copies differ by little; measured by what there is to see in the first."""
    contrast = float(np.abs(first - first.mean((0, 1))).mean())
    most = min(_LEVELS, _LEAST + _PART * contrast)
    return float(np.abs(first - second).mean()) <= most


def _pooled(copy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over blocks, (4 · 4 · 3,)."""
    block = _SIDE // _COARSE
    pooled: NDArray[np.float32] = copy.reshape(_COARSE, block, _COARSE, block, 3).mean((1, 3))
    return pooled.ravel()
