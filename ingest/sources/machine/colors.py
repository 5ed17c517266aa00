"""Colors: each pixel is the nearest of the eleven basic color terms in CIELAB.

The terms are those of Berlin and Kay (Basic Color Terms, 1969). Each has several prototypes: what
people call by the term alone, and dark, light, bright or dull such colors, in the color survey of
xkcd (R. Munroe, 2010: 222,500 people; median sRGB of each name). Distances are Euclidean in CIELAB
(CIE 1976, white point D65).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

PROTOTYPES = {
    "black": ("#000000",),
    "white": ("#ffffff",),
    "grey": ("#929591", "#363737", "#d8dcd6"),
    "red": ("#e50000", "#840000", "#ff474c", "#ff000d", "#bb3f3f"),
    "orange": ("#f97306", "#c65102", "#fdaa48", "#ff5b00", "#d8863b"),
    "yellow": ("#ffff14", "#d5b60a", "#fffe7a", "#fffd01", "#eedc5b"),
    "green": ("#15b01a", "#033500", "#96f97b", "#01ff07", "#74a662"),
    "blue": ("#0343df", "#00035b", "#95d0fc", "#0165fc", "#49759c"),
    "purple": ("#7e1e9c", "#35063e", "#bf77f6", "#be03fd", "#84597e"),
    "pink": ("#ff81c0", "#cb416b", "#ffd1df", "#fe01b1", "#d5869d"),
    "brown": ("#653700", "#341c02", "#ad8150", "#876e4b"),
}
"""sRGB of each term: alone, dark, light, bright, dull, as far as the survey names them."""
SHADES = ("", "dark ", "light ", "bright ", "dull ")
"""Before a term in the survey's names, in the order of `PROTOTYPES`."""
_FINEST = 4
"""Pixels of the photograph beside each other in a pixel of the mask, at most."""


class ColorLabeller:
    """The eleven basic color terms as a labeller.

    A score is the distance to the nearest prototype of any other term, divided by the sum of this
    and the distance to the term's own: above 0.5 for the term that is nearest, and 1 at a
    prototype. Scores are averaged over the area under each pixel of the mask.
    """

    source = "CIELAB color terms"
    category = "color"
    concepts = tuple(PROTOTYPES)
    overlapping, classes = False, 0
    digest = hashlib.sha256(repr(PROTOTYPES).encode()).hexdigest()

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        """Return scores, float32 (images, 11, side, side)."""
        return np.stack([_scores(np.asarray(image), side) for image in images])


def term_distances(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return each pixel's distance to the nearest prototype of each term, in CIELAB.

    Args:
        pixels: uint8 (height, width, 3), sRGB.

    Returns:
        float32 (11, height, width).
    """
    lab = _lab(pixels)
    return np.stack(
        [
            np.sqrt(np.min([((lab - one) ** 2).sum(2) for one in _lab_of(colors)], axis=0))
            for colors in PROTOTYPES.values()
        ]
    )


def _scores(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    height, width = (min(length, _FINEST * side) for length in pixels.shape[:2])
    if (height, width) != pixels.shape[:2]:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    distances = term_distances(pixels)
    nearest, second = np.partition(distances, 1, axis=0)[:2]
    other = np.where(distances == nearest, second, nearest)
    shares = other / (distances + other)
    resized = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in shares]
    return np.stack(resized).astype(np.float32)


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert sRGB (height, width, 3) to L* from 0 to 100, a* and b*; the white point is D65."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _lab_of(colors: Sequence[str]) -> NDArray[np.float32]:
    rgb = np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
    lab: NDArray[np.float32] = _lab(rgb[None])[0]
    return lab
