"""Finds images that are nearly the same: their 16 × 16 thumbnails differ little on average.

The mean absolute difference may be 4 of 255 levels. For images of low contrast it may be less: 1
level plus a quarter of the thumbnail's mean absolute deviation. Images that were encoded again,
resized or slightly brightened are found; frames of a film a second apart are not.

Each image is compared with the first image of each group, and of these only with those of similar
brightness (means differ by no more than pixels do on average), at 4 × 4 pixels before 16 × 16. The
work grows with the number of images of similar brightness, not with the number of pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ...engine.spacing import middles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_LEVELS, _LEAST, _PART = 4.0, 1.0, 0.25  # mean absolute differences, of 255 levels
_SIDE, _COARSE = 16, 4


class Fingerprint(NamedTuple):
    """The sha256 of an image's file, and its thumbnail, float32 (16, 16, 3)."""

    digest: str
    thumbnail: NDArray[np.float32]


def fingerprint(image: Image.Image, digest: str, frames: int = 1) -> Fingerprint:
    """Return the fingerprint of an RGB image; of a clip, that of four of its frames in a square."""
    if frames > 1:
        strip = np.asarray(image).reshape(frames, -1, image.width, 3)
        rows = strip[middles(4, frames)].reshape(2, 2, *strip.shape[1:])
        image = Image.fromarray(np.concatenate(np.concatenate(rows, 1), 1))
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return Fingerprint(digest, np.asarray(small, np.float32))


def near_duplicates(images: Iterable[tuple[str, Fingerprint]]) -> list[list[str]]:
    """Group images that are near their group's darkest one.

    Returns:
        Groups of two images or more, sorted names.
    """
    by_brightness = sorted(
        (float(image.thumbnail.mean(dtype=np.float64)), name, image.thumbnail)
        for name, image in images
    )
    groups: list[list[str]] = []
    firsts = _FirstImages(len(by_brightness))
    for brightness, name, thumbnail in by_brightness:
        group = firsts.find_near(brightness, thumbnail)
        if group is None:
            firsts.add(brightness, thumbnail)
            groups.append([name])
        else:
            groups[group].append(name)
    return sorted(sorted(names) for names in groups if len(names) > 1)


class _FirstImages:
    """The first image of each group, in order of brightness."""

    def __init__(self, capacity: int) -> None:
        self._brightness = np.empty(capacity)
        self._coarse = np.empty((capacity, _COARSE * _COARSE * 3), np.float32)
        self._thumbnails: list[NDArray[np.float32]] = []

    def add(self, brightness: float, thumbnail: NDArray[np.float32]) -> None:
        """Add an image that is brighter than all before."""
        self._brightness[len(self._thumbnails)] = brightness
        self._coarse[len(self._thumbnails)] = _pool(thumbnail)
        self._thumbnails.append(thumbnail)

    def find_near(self, brightness: float, thumbnail: NDArray[np.float32]) -> int | None:
        """Return the position of the first image that is near; None if there is none."""
        last = len(self._thumbnails)
        first = int(np.searchsorted(self._brightness[:last], brightness - _LEVELS - 1e-3))
        coarse = np.abs(self._coarse[first:last] - _pool(thumbnail)).mean(axis=1)
        for position in (first + (coarse <= _LEVELS + 1e-3).nonzero()[0]).tolist():
            if is_near(self._thumbnails[position], thumbnail):
                return int(position)
        return None


def is_near(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Return whether two thumbnails differ little, by the contrast of the first."""
    contrast = float(np.abs(first - first.mean((0, 1))).mean())
    most = min(_LEVELS, _LEAST + _PART * contrast)
    return float(np.abs(first - second).mean()) <= most


def _pool(thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average over blocks of pixels, (4 · 4 · 3,)."""
    block = _SIDE // _COARSE
    pooled: NDArray[np.float32] = thumbnail.reshape(_COARSE, block, _COARSE, block, 3).mean((1, 3))
    return pooled.ravel()
