"""What scores the concepts at each pixel of a photograph, and what is kept of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

DIGEST_DIGITS = 16
"""Of a labeller's sha256, in the names of files."""


class Labeller(Protocol):
    """A model, or a rule, that labels pixels.

    Attributes:
        source: what it is, as people read it: `SegFormer b0`.
        category: of its concepts.
        concepts: their names, all different.
        overlapping: whether a pixel may have several concepts, each by a threshold of its own;
            else it has the one with the highest score.
        classes: how many share the probability of 1 of a pixel, those of no concept too; 0 if
            scores are no such shares.
        digest: sha256 of all that decides its scores.
    """

    source: str
    category: str
    concepts: tuple[str, ...]
    overlapping: bool
    classes: int
    digest: str

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        """Return scores from 0 to 1, float32 (images, channels, side, side).

        The first channels are the concepts, in order; further ones mean that a pixel has none.

        Args:
            images: as they are seen.
            side: of the result.
            files: of the images, for a labeller that knows something of them already.
        """
        ...


class ImageScores(NamedTuple):
    """What is kept of the scores of one image.

    Attributes:
        label_map: uint16 (side, side), the concept with the highest score, from 1; 0 for none, and
            everywhere if concepts overlap.
        confidence: float16 (side, side), that score.
        maps: float16 (concepts kept, side, side), the scores of some concepts.
    """

    label_map: NDArray[np.uint16]
    confidence: NDArray[np.float16]
    maps: NDArray[np.float16]


def keep_scores(
    scores: NDArray[np.float32], labeller: Labeller, kept: Sequence[int]
) -> ImageScores:
    """Return what is kept of the scores of one image.

    Args:
        scores: (channels, side, side).
        labeller: that gave them.
        kept: concepts whose scores are kept.
    """
    best = scores.argmax(0)
    is_concept = best < (0 if labeller.overlapping else len(labeller.concepts))
    return ImageScores(
        np.where(is_concept, best + 1, 0).astype(np.uint16),
        scores.max(0).astype(np.float16),
        scores[list(kept)].astype(np.float16),
    )
