"""The quantile that suits a data set: the smallest at which enough of its concepts can be detected.

A mask that is `quantile` of the pixels cannot reach the IoU `min_iou` with a concept that covers
much more than that, nor with one that covers much less; and a large mask reaches it with a large
concept by chance. So a concept *can be detected* at a quantile if an IoU above `min_iou` means
something there: a unit that has nothing to do with the concept stays below it, and a unit halfway
between that one and a mask inside the concept (or around it) exceeds it. With q and a the shares of
the pixels of the category's images that mask and concept cover, these two overlap the concept on
q · a and on (q · a + min(q, a)) / 2.

Enough are `ENOUGH` of the most that can be detected at any quantile. Concepts with masks are
counted; where there are none, those that label whole images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...settings import Quantile

QUANTILES = (0.005, 0.01, 0.02, 0.03, 0.05)
"""To choose from. The first is Network Dissection's."""
ENOUGH = 0.85
"""Of the most concepts: with nearly as many, units are more selective at the smaller quantile."""
MIN_IMAGES = 10
"""A concept in fewer images is not counted, unless the data are so few that it is in a tenth as
many as the most frequent one."""


class ConceptAreas(NamedTuple):
    """How much of a data set each concept covers.

    Attributes:
        share: float64 (concepts,), of the pixels of the images that count for its category.
        images: int64 (concepts,), images in which it occurs.
        image_level: bool (concepts,), whether it labels some image as a whole.
    """

    share: NDArray[np.float64]
    images: NDArray[np.int64]
    image_level: NDArray[np.bool_]


class QuantileChoice(NamedTuple):
    """The quantile of an ingest.

    Attributes:
        quantile: share of a unit's activations above its threshold.
        reason: why it was chosen; of one that was asked for, which one "auto" would choose and
            why, or nothing if that is the same.
    """

    quantile: float
    reason: str = ""


def choose_quantile(asked: Quantile, areas: ConceptAreas, min_iou: float) -> QuantileChoice:
    """Return the quantile that was asked for; for "auto", one that suits the concepts."""
    share, kind = _counted(areas)
    counts = [int(can_be_detected(share, quantile, min_iou).sum()) for quantile in QUANTILES]
    chosen = next(i for i, count in enumerate(counts) if count >= ENOUGH * max(counts))
    reason = _reason(chosen, counts, f"{len(share)} {kind}", min_iou)
    if asked == "auto":
        return QuantileChoice(QUANTILES[chosen], reason)
    if asked == QUANTILES[chosen]:
        return QuantileChoice(asked)
    return QuantileChoice(
        asked, f"as asked; auto would be {QUANTILES[chosen]:g}, at which {reason}"
    )


def can_be_detected(
    share: NDArray[np.float64], quantile: float, min_iou: float
) -> NDArray[np.bool_]:
    """Return which concepts can be detected, bool (concepts,); `share` as in `ConceptAreas`."""
    by_chance, most = quantile * share, np.minimum(quantile, share)
    chance, halfway = (
        overlap / (quantile + share - overlap) for overlap in (by_chance, (by_chance + most) / 2)
    )
    detected: NDArray[np.bool_] = (chance <= min_iou) & (halfway > min_iou)
    return detected


def _counted(areas: ConceptAreas) -> tuple[NDArray[np.float64], str]:
    """Return the shares of the concepts that are counted, and what these are called."""
    occurs = areas.images > 0
    drawn = occurs & ~areas.image_level
    chosen, kind = (drawn, "concepts with masks") if drawn.any() else (occurs, "concepts")
    enough = min(MIN_IMAGES, areas.images[chosen].max(initial=0) / 10)
    return areas.share[chosen & (areas.images >= enough)], kind


def _reason(chosen: int, counts: Sequence[int], counted: str, min_iou: float) -> str:
    others = ", ".join(
        f"{count} at {quantile:g}"
        for quantile, count in zip(QUANTILES, counts, strict=True)
        if quantile != QUANTILES[chosen]
    )
    found = counts[chosen] or "none"
    return f"{found} of the {counted} can be detected (IoU above {min_iou:g}; {others})"
