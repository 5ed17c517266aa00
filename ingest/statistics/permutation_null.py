"""The permutation null: overlaps with labels permuted between images of the same categories.

A unit that fires on the lower half of every image overlaps "road" though it does not see any. So
overlaps are counted again with the labels of other images: within a batch, among the images whose
masks have one size and that carry the same categories, labels are permuted (seeded by the batch
alone). That keeps every unit's activation area, every concept's area, where in the image units fire
and concepts lie, and which images count for a category; only *which* image goes with which labels
is random. The intersection decides the IoU then, and it alone is counted, in integers:

    observed[k, c]          with each image's own labels
    null_samples[j, k, c]   of each of a few draws, over the whole data set
    moment_sum[k, c]        the sum over MOMENT_DRAWS further draws
    moment_spread[k, c]     Σ over batches of (MOMENT_DRAWS · Σ b² − (Σ b)²), b a batch's part of a
                            draw

Each unit has permutations of its own (of a batch's PERMUTATIONS): units that respond alike would
otherwise rise and fall together in a draw, and a block's many null samples stand for few. Batches
are permuted on their own, so `moment_spread` estimates the variance of a draw with as many degrees
of freedom as there are batches, from a few draws. Of large masks only every second, third, … row
and column is counted (of 112 × 112 pixels 38 × 38), for observed and null samples alike: the test
is as valid, and costs a ninth. `significance` computes p-values from these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..engine.tensors import bincount, divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOMENT_DRAWS = 3
"""Draws from which a pair's mean and variance under the null are estimated."""
PERMUTATIONS = 251
"""Of a batch; units take theirs from these in turn. A prime, so that wrapping round mixes them."""
FINEST = 32
"""Of larger masks rows and columns are left out evenly, as long as so many of each are left."""


def null_draws(units: int, samples: int) -> int:
    """Return how many draws give a block at least `samples` null samples a concept."""
    return -(-samples // units)


def label_permutations(
    has_category: NDArray[np.generic], seed: tuple[int, int]
) -> NDArray[np.int64]:
    """Draw permutations among the images that carry the same categories.

    Args:
        has_category: (images, categories), not 0 where an image has any label of the category.
        seed: what the permutations are a function of.

    Returns:
        int64 (PERMUTATIONS, images): whose labels each image gets.
    """
    _, pattern = np.unique(has_category, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    keys = np.random.default_rng(seed).random((PERMUTATIONS, len(pattern)))
    permutations = np.empty((PERMUTATIONS, len(pattern)), np.int64)
    for number in range(pattern.max() + 1):
        members = np.flatnonzero(pattern == number)
        permutations[:, members] = members[keys[:, members].argsort(axis=1, kind="stable")]
    return permutations


def permutation_of_units(units: int, draws: int) -> Tensor:
    """Return each unit's permutations; int64 (1 + draws, units), first 0: its own labels."""
    turn = torch.arange(units).unsqueeze(0) * draws + torch.arange(draws).unsqueeze(1)
    return torch.cat([torch.zeros(1, units, dtype=torch.int64), 1 + turn % PERMUTATIONS])


class LabelSegments(NamedTuple):
    """The labels of images by segments: which concepts a pixel has in all label maps together.

    Attributes:
        segment: int64 (images, places), of the pixels that are counted.
        concepts: int64 (maps, segments): concept column + 1 of each, 0 unlabelled.
        place: int64 (height · width,), of each pixel of a mask; -1 where it is not counted.
    """

    segment: Tensor
    concepts: Tensor
    place: Tensor

    def counted(self, position: Tensor, owner: Tensor, units: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return image, place and unit of the mask pixels that are counted; integers (pixels,)."""
        image, unit = divide(owner, units)
        place = self.place.index_select(0, position - image * len(self.place))
        counted = (place >= 0).nonzero().squeeze(1)
        image, place, unit = (column.index_select(0, counted) for column in (image, place, unit))
        return image, place, unit


def counted_step(height: int, width: int) -> int:
    """Return every how many rows and columns of masks null samples count one."""
    return max(1, min(height, width) // FINEST)


def label_segments(
    label_maps: Tensor, images: int, height: int, width: int, concepts: int, step: int | None = None
) -> LabelSegments:
    """Compute the segments of label maps, int32 (maps, images · height · width).

    Args:
        label_maps: concept column + 1, 0 unlabelled.
        images: how many.
        height: of the masks.
        width: of the masks.
        concepts: how many there are.
        step: every how many rows and columns one is counted; if omitted, as null samples do.
    """
    step = step or counted_step(height, width)
    stack = label_maps.view(len(label_maps), images, height, width)[:, :, ::step, ::step].long()
    place = torch.full((height, width), -1, device=label_maps.device)
    rows, columns = stack.shape[2:]
    place[::step, ::step] = torch.arange(rows * columns, device=place.device).view(rows, columns)
    stack = stack.flatten(1)
    segment = torch.zeros(stack.shape[1], dtype=torch.int64, device=label_maps.device)
    members = segment.new_zeros(0, 1)
    for label_map in stack:
        code, segment = torch.unique(segment * (concepts + 1) + label_map, return_inverse=True)
        before = code // (concepts + 1)
        members = torch.cat([members[:, before], (code - before * (concepts + 1)).unsqueeze(0)])
    return LabelSegments(segment.view(images, -1), members, place.view(-1))


class NullCounts(NamedTuple):
    """Intersections of one block with own and permuted labels; mergeable by adding.

    Attributes:
        observed: int64 (units, concepts).
        null_samples: int64 (draws, units, concepts).
        moment_sum: int64 (units, concepts).
        moment_spread: int64 (units, concepts).
    """

    observed: Tensor
    null_samples: Tensor
    moment_sum: Tensor
    moment_spread: Tensor

    @classmethod
    def zeros(cls, units: int, concepts: int, samples: int, device: torch.device) -> NullCounts:
        """Return empty counts for at least `samples` null samples a concept; 0 counts nothing."""
        counts = torch.zeros(units, concepts, dtype=torch.int64, device=device)
        samples_shape = (null_draws(units, samples), units, concepts)
        null_samples = torch.zeros(samples_shape, dtype=torch.int64, device=device)
        return cls(counts, null_samples, counts.clone(), counts.clone())

    @property
    def draws(self) -> int:
        """Draws of each batch; 0 where nothing is counted."""
        return len(self.null_samples) + MOMENT_DRAWS if len(self.null_samples) else 0

    def add(self, intersections: Tensor) -> None:
        """Add the intersections of images, int64 (1 + draws, units, concepts), observed first."""
        self.observed.add_(intersections[0])
        self.null_samples.add_(intersections[1:-MOMENT_DRAWS])
        part = intersections[-MOMENT_DRAWS:]
        total = part.sum(dim=0)
        self.moment_sum.add_(total)
        self.moment_spread.add_(MOMENT_DRAWS * (part * part).sum(dim=0) - total * total)


class BatchNull:
    """Intersections of the images of one batch whose masks have one size."""

    def __init__(
        self, counts: NullCounts, segments: LabelSegments, orders: Tensor, image_labels: Tensor
    ) -> None:
        """Start at zero.

        Args:
            counts: of the block.
            segments: of the images.
            orders: int64 (PERMUTATIONS, images), whose labels each image gets.
            image_labels: float64 (images, concepts), 1 where a concept labels the whole image.
        """
        units, concepts = counts.observed.shape
        own = torch.arange(orders.shape[1], device=orders.device).unsqueeze(0)
        self._orders = torch.cat([own, orders])
        self._chosen = permutation_of_units(units, counts.draws).to(orders.device)
        self._segments, self._image_labels = segments, image_labels
        self._area = counts.observed.new_zeros(orders.shape[1], units)
        self._columns = counts.observed.new_zeros(len(self._chosen), units, concepts + 1)

    def add(self, position: Tensor, owner: Tensor) -> None:
        """Count mask pixels, given as in `cells.Pixels`."""
        units = self._area.shape[1]
        image, place, unit = self._segments.counted(position, owner, units)
        owner = image * units + unit
        self._area += bincount(owner, self._area.numel()).view_as(self._area)
        size, segments = self._segments.segment.shape[1], self._segments.concepts.shape[1]
        row, flat, offsets = unit * segments, self._segments.segment.view(-1), self._orders * size
        for chosen, columns in zip(self._chosen, self._columns, strict=True):
            labels_of = offsets.index_select(0, chosen).T.reshape(-1).index_select(0, owner)
            index = flat.index_select(0, labels_of.add_(place)).add_(row)
            pixels = bincount(index, units * segments).view(units, segments)
            for concepts in self._segments.concepts:
                columns.index_add_(1, concepts, pixels)

    @property
    def intersections(self) -> Tensor:
        """int64 (1 + draws, units, concepts), with own labels, then with those of each draw."""
        intersections = self._columns[..., 1:].clone()
        image, concept = self._image_labels.nonzero(as_tuple=True)
        if len(image):
            given_to = self._orders.argsort(dim=1)[:, image]
            for chosen, counts in zip(self._chosen, intersections, strict=True):
                counts.index_add_(1, concept, self._area.T.gather(1, given_to[chosen]))
        return intersections
