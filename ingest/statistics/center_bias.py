"""The center-bias baseline: what of an IoU is due to where people put what they photograph.

Boxes drawn around what is photographed are large and central. So each concept is also measured
against eight "units" that see nothing: each fires on a box in the middle of every image, with sides
of k/8 of the image's, k = 1 … 8. They are counted as units are; the best one counts. Integers, in
the pass that decodes the masks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..engine.tensors import bincount
from .iou import OverlapCounts, iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...settings import IouVariant
    from ..engine.process_group import ProcessGroup

SIZES = 8


class BoxCounts(NamedTuple):
    """Counts of all boxes.

    Attributes:
        intersection: int64 (SIZES, concepts), labelled pixels inside each box; the last is the
            whole image.
        activation_area: int64 (SIZES, categories), pixels of each box in images that count.
    """

    intersection: Tensor
    activation_area: Tensor


class CenterBias:
    """Counts of all boxes, summed over images; `counts` as in `BoxCounts`."""

    def __init__(self, category: Tensor, categories: int, variant: IouVariant) -> None:
        """Start at zero.

        Args:
            category: int64 (concepts,), position of each concept's category, on the device of the
                work.
            categories: how many there are.
            variant: which images count for a category, as for units.
        """
        self._make = (category, categories, variant)
        self.counts = BoxCounts(
            category.new_zeros(SIZES, len(category)), category.new_zeros(SIZES, categories)
        )
        self._one_hot = torch.nn.functional.one_hot(category, categories).double()

    def partial(self, inside: Tensor, area: Tensor, has_category: Tensor) -> BoxCounts:
        """Count images whose masks share a size.

        Args:
            inside: int64 (images, SIZES, concepts), labelled pixels inside each box.
            area: int64 (SIZES,), pixels of each box.
            has_category: bool (images, categories), which count for a category, of `paper`.
        """
        variant = self._make[2]
        if variant == "lite":
            counts = self.has_category(inside)
        else:
            counts = has_category[:, None]
            if variant == "unrestricted":
                counts = torch.ones_like(counts)
        return BoxCounts(inside.sum(dim=0), (counts * area[:, None]).sum(dim=0))

    def update(self, partial: BoxCounts) -> None:
        """Add what a batch adds."""
        for counts, added in zip(self.counts, partial, strict=True):
            counts.add_(added)

    def all_reduce(self, group: ProcessGroup) -> CenterBias:
        """Return the sum over all ranks."""
        total = CenterBias(*self._make)
        total.counts = BoxCounts(*(group.all_reduce(counts) for counts in self.counts))
        return total

    def has_category(self, inside: Tensor) -> Tensor:
        """Return whether any of a category's concepts is inside, bool (…, categories)."""
        return (inside > 0).double() @ self._one_hot > 0

    @property
    def image_area(self) -> NDArray[np.int64]:
        """Pixels of the images that count for each category, int64 (categories,)."""
        areas: NDArray[np.int64] = self.counts.activation_area[-1].cpu().numpy()
        return areas

    def best(self) -> NDArray[np.float64]:
        """Return the largest IoU that a box has with each concept, float64 (concepts,)."""
        intersection, area = (counts.cpu().numpy() for counts in self.counts)
        category = self._make[0].cpu().numpy()
        scores = iou(OverlapCounts(intersection, area, intersection[-1], category))
        best: NDArray[np.float64] = scores.max(axis=0)
        return best


def labelled_inside(label_maps: Tensor, concepts: int, frames: int = 1) -> Tensor:
    """Count the labelled pixels of images inside each box, int64 (images, SIZES, concepts).

    Args:
        label_maps: int32 (maps, images, height, width): concept column + 1, 0 where unlabelled.
        concepts: how many there are.
        frames: that lie one below the other; each has boxes of its own.
    """
    images, height, width = label_maps.shape[1:]
    columns = concepts + 1
    box = _smallest_box(height, width, label_maps.device, frames)
    offset = torch.arange(images, dtype=torch.int32, device=label_maps.device)[:, None, None]
    counter = (label_maps + (box + SIZES * offset) * columns).view(-1)
    counts = bincount(counter, images * SIZES * columns)
    return counts.view(images, SIZES, columns)[:, :, 1:].cumsum(dim=1)


@lru_cache(maxsize=64)
def box_areas(height: int, width: int, device: torch.device, frames: int = 1) -> Tensor:
    """Return the pixels of each box, int64 (SIZES,)."""
    boxes = _smallest_box(height, width, device, frames).view(-1)
    return bincount(boxes, SIZES).cumsum(dim=0)


@lru_cache(maxsize=64)
def _smallest_box(height: int, width: int, device: torch.device, frames: int = 1) -> Tensor:
    """Return the smallest box that holds each pixel's center, from 0; int32 (height, width)."""
    sides = (height // frames, width)
    rows, columns = (torch.from_numpy(_smallest(side)).to(device) for side in sides)
    return torch.maximum(rows[:, None], columns).int().repeat(frames, 1)


def _smallest(side: int) -> NDArray[np.int64]:
    """Return the first box that reaches each row's center, edges inside; int64 (side,)."""
    from_center = np.abs(2 * np.arange(side) + 1 - side)
    first: NDArray[np.int64] = np.maximum(-(-from_center * SIZES // side), 1) - 1
    return first
