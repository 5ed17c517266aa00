"""Images that are nearly the same: found by difference hashes, confirmed by small copies.

Two images are near duplicates when no more than `_BITS` bits of their difference hashes (dHash, 64
bits) differ, and their copies of 16 × 16 pixels by no more than `_LEVELS` grey levels on average.
Hashes that close share one of four quarters, so only images that share one are compared, and only
with the first image of each group: the work grows with the number of images, not of pairs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_BITS, _LEVELS = 3, 3.0
_SIDE = 16


class Fingerprint(NamedTuple):
    """What is kept of an image.

    Attributes:
        digest: sha256 of its file.
        dhash: 64 bits: whether each of 8 × 8 places is darker than the one to its right.
        copy: uint8 (16 · 16 · 3,).
    """

    digest: str
    dhash: int
    copy: NDArray[np.uint8]


def fingerprint(image: Image.Image, digest: str) -> Fingerprint:
    """Of an RGB image."""
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return Fingerprint(digest, int.from_bytes(bits.tobytes(), "big"), np.asarray(small).ravel())


def near_duplicates(images: Iterable[tuple[str, Fingerprint]]) -> list[list[str]]:
    """Groups of two images or more, by name, in order; each is near the first of its group."""
    groups: list[tuple[Fingerprint, list[str]]] = []
    by_quarter: dict[tuple[int, int], list[int]] = defaultdict(list)
    for name, found in images:
        keys = [(k, found.dhash >> (16 * k) & 0xFFFF) for k in range(4)]
        places = sorted({place for key in keys for place in by_quarter[key]})
        near = next((place for place in places if _is_near(groups[place][0], found)), None)
        if near is None:
            for key in keys:
                by_quarter[key].append(len(groups))
            groups.append((found, [name]))
        else:
            groups[near][1].append(name)
    return [names for _, names in groups if len(names) > 1]


def _is_near(first: Fingerprint, second: Fingerprint) -> bool:
    if (first.dhash ^ second.dhash).bit_count() > _BITS:
        return False
    difference = np.abs(first.copy.astype(np.int16) - second.copy)
    return float(difference.mean()) <= _LEVELS
