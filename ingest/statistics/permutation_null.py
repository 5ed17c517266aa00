"""What overlap chance gives: labels swapped between the images of a batch that have the same kinds.

A unit that fires on the lower half of every image overlaps "road" though it sees none. So the same
counts are made again with the labels of other images: within a batch, among the images whose masks
have one size and that carry the same categories, labels are permuted (seeded by the batch alone).
That keeps every unit's `activation` and every concept's `truth`, where in the image units fire and
concepts lie, and which images count for a category; only *which* image goes with which labels is
chance. The intersection decides the IoU then, and it alone is counted, in integers:

    real[k, c]           with each image's own labels
    imitation[j, k, c]   of each of a few draws, over the whole data set: what units might have had
    reference[k, c]      the sum over REFERENCE further draws
    spread[k, c]         Σ over batches of (REFERENCE · Σ b² − (Σ b)²), b a batch's part of a draw

Each unit has permutations of its own (of a batch's PERMUTATIONS): units that see alike would else
rise and fall together in a draw, and a block's many null values stand for few. Batches are permuted
on their own, so `spread` estimates the variance of a draw with as many degrees
of freedom as there are batches, from a few draws. Of large masks only every second, third, … row
and column is counted (of 112 × 112 pixels 38 × 38), for `real` as for the draws: the test is as
valid, and costs a ninth. `significance.py` makes p-values of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..engine.tensors import bincount, divided

if TYPE_CHECKING:
    from numpy.typing import NDArray


REFERENCE = 3
"""Draws from which a pair's mean and variance by chance are estimated."""
PERMUTATIONS = 251
"""Of a batch; units take theirs from these in turn. A prime, so that wrapping round mixes them."""
FINEST = 32
"""Of larger masks rows and columns are left out evenly, as long as so many of each are left."""


def imitations(units: int, values: int) -> int:
    """Draws of a block that has so many units, to give at least `values` null values a concept."""
    return -(-values // units)


def swaps(present: NDArray[np.generic], seed: tuple[int, int]) -> NDArray[np.int64]:
    """Whose labels each image gets: permutations among the images that carry the same categories.

    Args:
        present: (images, categories), not 0 where an image has any label of the category.
        seed: what the permutations are a function of.

    Returns:
        int64 (PERMUTATIONS, images).
    """
    _, pattern = np.unique(present, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    dice = np.random.default_rng(seed).random((PERMUTATIONS, len(pattern)))
    result = np.empty((PERMUTATIONS, len(pattern)), np.int64)
    for number in range(pattern.max() + 1):
        alike = np.flatnonzero(pattern == number)
        result[:, alike] = alike[dice[:, alike].argsort(axis=1, kind="stable")]
    return result


def permutations_of(units: int, draws: int) -> Tensor:
    """Which permutation each unit takes; int64 (1 + draws, units): first 0, its own labels."""
    turn = torch.arange(units).unsqueeze(0) * draws + torch.arange(draws).unsqueeze(1)
    return torch.cat([torch.zeros(1, units, dtype=torch.int64), 1 + turn % PERMUTATIONS])


class Segments(NamedTuple):
    """The labels of some images, by segments: which concepts a pixel has in all planes together.

    Attributes:
        segment: int64 (images, places), of the pixels that are counted.
        concepts: int64 (planes, segments): concept column + 1 of each, 0 unlabelled.
        place: int64 (height · width,), of each pixel of a mask; -1 where it is not counted.
    """

    segment: Tensor
    concepts: Tensor
    place: Tensor

    def counted(self, position: Tensor, owner: Tensor, units: int) -> tuple[Tensor, Tensor, Tensor]:
        """Image, place and unit of the mask pixels on that are counted; integers (pixels,) each."""
        image, unit = divided(owner, units)
        place = self.place.index_select(0, position - image * len(self.place))
        kept = (place >= 0).nonzero().squeeze(1)
        image, place, unit = (each.index_select(0, kept) for each in (image, place, unit))
        return image, place, unit


def segments(planes: Tensor, images: int, height: int, width: int, concepts: int) -> Segments:
    """The segments of label planes, int32 (planes, images · height · width)."""
    step = max(1, min(height, width) // FINEST)
    stack = planes.view(len(planes), images, height, width)[:, :, ::step, ::step].long()
    place = torch.full((height, width), -1, device=planes.device)
    rows, columns = stack.shape[2:]
    place[::step, ::step] = torch.arange(rows * columns, device=planes.device).view(rows, columns)
    stack = stack.flatten(1)
    segment = torch.zeros(stack.shape[1], dtype=torch.int64, device=planes.device)
    members = segment.new_zeros(0, 1)
    for plane in stack:
        code, segment = torch.unique(segment * (concepts + 1) + plane, return_inverse=True)
        before = code // (concepts + 1)
        members = torch.cat([members[:, before], (code - before * (concepts + 1)).unsqueeze(0)])
    return Segments(segment.view(images, -1), members, place.view(-1))


class ChanceCounts:
    """Counts of one block with own and swapped labels, summed over batches; mergeable by adding.

    Attributes:
        real: int64 (units, concepts).
        imitation: int64 (imitations, units, concepts).
        reference: int64 (units, concepts).
        spread: int64 (units, concepts).
    """

    def __init__(self, units: int, concepts: int, values: int, device: torch.device) -> None:
        """Start at zero, with draws enough for `values` null values a concept; 0 counts nothing."""
        count = imitations(units, values)
        self.draws = count + REFERENCE if count else 0
        self.real = torch.zeros(units, concepts, dtype=torch.int64, device=device)
        self.imitation = torch.zeros(count, units, concepts, dtype=torch.int64, device=device)
        self.reference = torch.zeros_like(self.real)
        self.spread = torch.zeros_like(self.real)

    @property
    def counts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All four."""
        return self.real, self.imitation, self.reference, self.spread

    def add(self, counted: Tensor) -> None:
        """Add the intersections of some images, int64 (1 + draws, units, concepts), real first."""
        self.real += counted[0]
        self.imitation += counted[1:-REFERENCE]
        part = counted[-REFERENCE:]
        total = part.sum(dim=0)
        self.reference += total
        self.spread += REFERENCE * (part * part).sum(dim=0) - total * total


class BatchChance:
    """The counts of the images of one batch whose masks have one size."""

    def __init__(
        self, counts: ChanceCounts, found: Segments, swapped: Tensor, image_labels: Tensor
    ) -> None:
        """Start at zero.

        Args:
            counts: of the block.
            found: the segments of the images.
            swapped: int64 (PERMUTATIONS, images), whose labels each image gets.
            image_labels: float64 (images, concepts), 1 where a concept labels the whole image.
        """
        units, concepts = counts.real.shape
        own = torch.arange(swapped.shape[1], device=swapped.device).unsqueeze(0)
        self._orders = torch.cat([own, swapped])
        self._chosen = permutations_of(units, counts.draws).to(swapped.device)
        self._segments, self._scalars = found, image_labels
        self._area = counts.real.new_zeros(swapped.shape[1], units)
        self._columns = counts.real.new_zeros(len(self._chosen), units, concepts + 1)

    def add(self, position: Tensor, owner: Tensor) -> None:
        """Count some of the mask pixels that are on, given as in `cells.Pixels`."""
        units = self._area.shape[1]
        image, place, unit = self._segments.counted(position, owner, units)
        owner = image * units + unit
        self._area += bincount(owner, self._area.numel()).view_as(self._area)
        size, many = self._segments.segment.shape[1], self._segments.concepts.shape[1]
        row, flat, away = unit * many, self._segments.segment.view(-1), self._orders * size
        for chosen, columns in zip(self._chosen, self._columns, strict=True):
            whose = away.index_select(0, chosen).T.reshape(-1).index_select(0, owner)
            index = flat.index_select(0, whose.add_(place)).add_(row)
            found = bincount(index, units * many).view(units, many)
            for concepts in self._segments.concepts:
                columns.index_add_(1, concepts, found)

    @property
    def both(self) -> Tensor:
        """int64 (1 + draws, units, concepts), with own labels, then with those of each draw."""
        found = self._columns[..., 1:].clone()
        image, concept = self._scalars.nonzero(as_tuple=True)
        if len(image):
            given_to = self._orders.argsort(dim=1)[:, image]
            for chosen, both in zip(self._chosen, found, strict=True):
                both.index_add_(1, concept, self._area.T.gather(1, given_to[chosen]))
        return found
