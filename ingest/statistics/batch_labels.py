"""The labels of a batch of images, ready to be compared with its activation maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .label_statistics import groups_of, whole_labels
from .permutation_null import Segments, segments, swaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..concept_data.concepts import ConceptData
    from .label_statistics import LabelStatistics


class Labels(NamedTuple):
    """The labels of some images whose masks share one size.

    Attributes:
        number: int64 (images,), which images of the batch they are; on the processor.
        planes: int32 (planes, images · height · width): concept column + 1, 0 unlabelled.
        image_labels: float64 (images, concepts), 1 where a concept labels the whole image.
        present: float64 (images, categories), 1 where the image has any label of the category; on
            the processor.
        swapped: int64 (permutations, images), whose labels images get by chance; or None.
        segments: the planes as chance reads them; or None.
        height: of the masks, in pixels.
        width: of the masks, in pixels.
    """

    number: Tensor
    planes: Tensor
    image_labels: Tensor
    present: Tensor
    swapped: Tensor | None
    segments: Segments | None
    height: int
    width: int


def labels_of_batch(
    data: ConceptData,
    order: Sequence[int],
    first: int,
    found: LabelStatistics,
    device: torch.device,
    *,
    chance: bool = False,
) -> list[Labels]:
    """The labels of the batch `order`, image numbers of `data`, grouped by mask size.

    Args:
        data: the concept data.
        order: images of this batch, as positions in `data.images`.
        first: position of the batch's first image in the survey.
        found: the survey, in the order of the run.
        device: where the labels are wanted.
        chance: also prepare what swaps them.
    """
    images = [data.images[number] for number in order]
    result = []
    for group, (height, width, numbers) in enumerate(groups_of(images)):
        mine = [images[number] for number in numbers]
        present = found.present[[first + number for number in numbers]].astype(np.float64)
        flat = found.planes.read(first + numbers[0], device).int().flatten(1)
        swapped = torch.from_numpy(swaps(present, (first, group))) if chance else None
        cut = (len(numbers), height, width, len(data.concepts))
        result.append(
            Labels(
                torch.tensor(numbers),
                flat,
                whole_labels(mine, len(data.concepts), device),
                torch.from_numpy(present),
                None if swapped is None else swapped.to(device, non_blocking=True),
                segments(flat, *cut) if chance else None,
                height,
                width,
            )
        )
    return result
