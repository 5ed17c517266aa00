"""Things: the connected parts of an image in which concepts are found, with all their names.

A bag that is polka dotted, red and of leather is one thing and not four concepts. The probes of one
block find its concepts at about the same positions:

    1. parts    connected regions of each concept that covers no more than `MAX_COVERAGE`
    2. things   parts joined when they share most positions of the smaller one and are of like size,
                the largest overlap first
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .presence import ConceptName

    Mask = NDArray[np.bool_]

MAX_COVERAGE = 0.4
"""A concept that is found on more of an image is its surroundings, and no thing."""
MIN_OVERLAP = 0.6
"""Of the smaller of two parts: from this share on they are one thing."""
MAX_SIZE_RATIO = 3.0
"""Of two parts of one thing."""
SURROUNDINGS = frozenset({"scene", "action"})
"""Categories whose concepts describe whole images or events."""


class Thing(NamedTuple):
    """A part of an image.

    Attributes:
        concepts: its names, the one that covers it best first.
        mask: bool (*grid), on the block's grid.
        parts: for each name, where its concept is found in the thing; likewise.
    """

    concepts: tuple[ConceptName, ...]
    mask: Mask
    parts: tuple[Mask, ...]

    @property
    def coverage(self) -> float:
        """Share of the image's positions."""
        return float(self.mask.mean())


def find_things(concepts: Sequence[ConceptName], found: Mask) -> list[Thing]:
    """Find the things of an image.

    Args:
        concepts: those that could be found.
        found: bool (concepts, *grid), where each was.

    Returns:
        Things in order of size, the largest first.
    """
    parts = [
        Thing((concept,), part, (part,))
        for concept, mask in zip(concepts, found, strict=True)
        if concept.category not in SURROUNDINGS and 0 < mask.mean() <= MAX_COVERAGE
        for part in connected_parts(mask)
    ]
    return sorted(_joined(parts), key=lambda thing: -thing.coverage)


def connected_parts(mask: Mask) -> list[Mask]:
    """Return the connected parts of a mask, diagonal neighbours too; each bool, of its shape.

    Those of a clip go on from one time slot to the next where they share a position.
    """
    if mask.ndim == 3:
        return _connected_over_time(mask)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return [labels == number for number in range(1, count)]


def _connected_over_time(mask: Mask) -> list[Mask]:
    joined: list[Mask] = []
    for time, slot in enumerate(mask):
        for part in connected_parts(slot):
            whole = np.zeros_like(mask)
            whole[time] = part
            before = [it for it in joined if time and (it[time - 1] & part).any()]
            joined = [it for it in joined if not any(it is other for other in before)]
            joined.append(np.logical_or.reduce([whole, *before]))
    return joined


def _joined(parts: list[Thing]) -> list[Thing]:
    """Join the two things that overlap most until none overlap enough."""
    things = list(parts)
    overlaps = _overlaps(things, things)
    np.fill_diagonal(overlaps, 0.0)
    while len(things) > 1:
        first, second = divmod(int(overlaps.argmax()), len(things))
        if overlaps[first, second] < MIN_OVERLAP:
            break
        joined = _join(things[first], things[second])
        kept = [i for i in range(len(things)) if i not in (first, second)]
        things = [things[i] for i in kept]
        with_joined = _overlaps(things, [joined])
        overlaps = np.block(
            [[overlaps[np.ix_(kept, kept)], with_joined], [with_joined.T, np.zeros((1, 1))]]
        )
        things.append(joined)
    return things


def _join(first: Thing, second: Thing) -> Thing:
    """Return both as one thing; its names by the overlap (IoU) of their parts with the whole."""
    mask = first.mask | second.mask
    parts: dict[ConceptName, Mask] = dict(zip(first.concepts, first.parts, strict=True))
    for concept, part in zip(second.concepts, second.parts, strict=True):
        parts[concept] = parts[concept] | part if concept in parts else part
    names = sorted(parts, key=lambda concept: -int(parts[concept].sum()))
    return Thing(tuple(names), mask, tuple(parts[name] for name in names))


def _overlaps(things: Sequence[Thing], others: Sequence[Thing]) -> NDArray[np.float64]:
    """Return for each pair the shared share of the smaller one; 0 if too unlike in size."""
    if not things:
        return np.zeros((0, len(others)))
    first, second = (
        np.stack([thing.mask.ravel() for thing in side]).astype(np.float64)
        for side in (things, others)
    )
    sizes = first.sum(axis=1), second.sum(axis=1)
    smaller, larger = np.minimum.outer(*sizes), np.maximum.outer(*sizes)
    shares: NDArray[np.float64] = np.where(
        larger <= MAX_SIZE_RATIO * smaller, first @ second.T / smaller, 0.0
    )
    return shares
