"""How far a box in the middle of every image gets: what of an IoU is due to centring.

People frame what they photograph, and boxes drawn around it are large and central. So each concept
is also measured against "units" that see nothing: each fires on one box in the middle of every
image, with sides of k/8 of the image's, k = 1 … 8. They are counted as units are; the best one
counts. Integers, in the pass that decodes the masks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..engine.tensors import bincount
from .iou import Counts, iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...settings import IouVariant

SIZES = 8


class CenterBias:
    """Counts of all boxes, summed over images.

    Attributes:
        inside: int64 (SIZES, concepts), labelled pixels inside each box; the last is the image.
        activation: int64 (SIZES, categories), pixels of each box in images that count.
    """

    def __init__(self, category: Tensor, categories: int, variant: IouVariant) -> None:
        """Start at zero.

        Args:
            category: int64 (concepts,), position of each concept's category, on the device of the
                work.
            categories: how many there are.
            variant: which images count for a category, as for units.
        """
        self.inside = category.new_zeros(SIZES, len(category))
        self.activation = category.new_zeros(SIZES, categories)
        self._category, self._variant = category, variant
        self._one_hot = torch.nn.functional.one_hot(category, categories).double()

    def add(self, inside: Tensor, area: Tensor) -> None:
        """Count images whose masks share a size.

        Args:
            inside: int64 (images, SIZES, concepts), labelled pixels inside each box.
            area: int64 (SIZES,), pixels of each box.
        """
        self.inside += inside.sum(dim=0)
        counts = self.of_categories(inside)
        if self._variant == "paper":
            counts = counts[:, -1:]
        elif self._variant == "unrestricted":
            counts = torch.ones_like(counts)
        self.activation += (counts * area[:, None]).sum(dim=0)

    def of_categories(self, inside: Tensor) -> Tensor:
        """Whether any of a category's concepts is there, bool (…, categories)."""
        return (inside > 0).double() @ self._one_hot > 0

    def best(self) -> NDArray[np.float64]:
        """The largest IoU that a box has with each concept, float64 (concepts,)."""
        inside, activation = self.inside.cpu().numpy(), self.activation.cpu().numpy()
        scores = iou(Counts(inside, activation, inside[-1], self._category.cpu().numpy()))
        best: NDArray[np.float64] = scores.max(axis=0)
        return best


def labelled_inside(planes: Tensor, concepts: int) -> Tensor:
    """Labelled pixels of images inside each box, int64 (images, SIZES, concepts).

    Args:
        planes: int32 (planes, images, height, width): concept column + 1, 0 where unlabelled.
        concepts: how many there are.
    """
    images, height, width = planes.shape[1:]
    columns = concepts + 1
    box = _first_boxes(height, width, planes.device)
    box = box + SIZES * torch.arange(images, dtype=torch.int32, device=planes.device)[:, None, None]
    at = (planes + box * columns).view(-1)
    found = bincount(at, images * SIZES * columns)
    return found.view(images, SIZES, columns)[:, :, 1:].cumsum(dim=1)


@lru_cache(maxsize=64)
def box_areas(height: int, width: int, device: torch.device) -> Tensor:
    """Pixels of each box, int64 (SIZES,)."""
    boxes = _first_boxes(height, width, device).view(-1)
    return bincount(boxes, SIZES).cumsum(dim=0)


@lru_cache(maxsize=64)
def _first_boxes(height: int, width: int, device: torch.device) -> Tensor:
    """The smallest box that holds each pixel's middle, from 0; int32 (height, width)."""
    rows, columns = (torch.from_numpy(_first(side)).to(device) for side in (height, width))
    return torch.maximum(rows[:, None], columns).int()


def _first(side: int) -> NDArray[np.int64]:
    """The first box that reaches each row's middle, edges inside; int64 (side,)."""
    from_centre = np.abs(2 * np.arange(side) + 1 - side)
    first: NDArray[np.int64] = np.maximum(-(-from_centre * SIZES // side), 1) - 1
    return first
