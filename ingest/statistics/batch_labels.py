"""The labels of a batch of images, ready to be compared with its activation maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .label_statistics import absent_labels, group_by_mask_size, image_level_labels
from .permutation_null import LabelSegments, label_permutations, label_segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..concept_data.concepts import ConceptData, ConceptImage
    from .label_statistics import LabelStatistics


class BatchLabels(NamedTuple):
    """The labels of images of a batch whose masks share one size.

    Attributes:
        number: int64 (images,), which images of the batch they are; on the CPU.
        label_maps: int32 (maps, images · height · width): concept column + 1, 0 unlabelled.
        image_labels: float64 (images, concepts), 1 where a concept labels the whole image.
        unknown: bool (images, concepts), a concept that is known only where somebody was asked, who
            was not asked here; None if there is no such concept.
        has_category: float64 (images, categories), 1 where the image has any label of the category,
            or is said not to have one, or any; on the CPU.
        annotated: float64 (images, categories), 1 where an image without any label of the category
            has nothing of it (`annotated_categories`); on the CPU.
        held_out: bool (images,), whether the image is held out; on the CPU.
        permutations: int64 (permutations, images), whose labels images get in null samples; or
            None.
        segments: the label maps as null samples count them; or None.
        height: of the masks, in pixels; of clips, of their annotated frames one below the other.
        width: of the masks, in pixels.
        centers: int64 (images, frames, 2), of clips: when the middle of each annotated frame is, as
            a share of the clip, numerator and denominator; None of stills.
    """

    number: Tensor
    label_maps: Tensor
    image_labels: Tensor
    unknown: Tensor | None
    has_category: Tensor
    annotated: Tensor
    held_out: Tensor
    permutations: Tensor | None
    segments: LabelSegments | None
    height: int
    width: int
    centers: Tensor | None = None

    def slots(self, times: int | None) -> Tensor | None:
        """Return the time slot that each annotated frame falls in, int64 (images, frames).

        A still is in the middle one.

        Args:
            times: how many slots there are; None where maps have none, and so nothing is returned.
        """
        if times is None:
            return None
        if self.centers is None:
            return torch.full((len(self.number), 1), times // 2, device=self.label_maps.device)
        return self.centers[..., 0] * times // self.centers[..., 1]

    def select(self, rows: Tensor) -> BatchLabels:
        """Return the labels of the images `rows`, int64 ascending on the CPU."""
        on_device = rows.to(self.label_maps.device, non_blocking=True)
        pixels = self.height * self.width
        by_image = self.label_maps.view(-1, len(self.number), pixels)
        return self._replace(
            number=self.number[rows],
            label_maps=by_image[:, on_device].flatten(1),
            image_labels=self.image_labels[on_device],
            unknown=None if self.unknown is None else self.unknown[on_device],
            has_category=self.has_category[rows],
            annotated=self.annotated[rows],
            held_out=self.held_out[rows],
            centers=None if self.centers is None else self.centers[on_device],
        )


def labels_of_batch(
    data: ConceptData,
    order: Sequence[int],
    first: int,
    statistics: LabelStatistics,
    device: torch.device,
    *,
    fitted: int,
    permuted: bool = False,
) -> list[BatchLabels]:
    """Return the labels of a batch, grouped by mask size.

    Args:
        data: the concept data.
        order: images of this batch, as positions in `data.images`.
        first: position of the batch's first image in the run.
        statistics: with the label maps, in the order of the run.
        device: where the labels are wanted.
        fitted: images of the run that are not held out, the first ones.
        permuted: also prepare what null samples need.
    """
    images = [data.images[number] for number in order]
    concepts = len(data.concepts)
    labels = []
    for group, (height, width, _, numbers) in enumerate(group_by_mask_size(images)):
        members = [images[number] for number in numbers]
        rows = [first + number for number in numbers]
        has_category = statistics.has_category[rows].astype(np.float64)
        label_maps = statistics.label_maps.read(rows[0], device).int().flatten(1)
        permutations = segments = None
        if permuted:
            orders = torch.from_numpy(label_permutations(has_category, (first, group)))
            permutations = orders.to(device, non_blocking=True)
            segments = label_segments(label_maps, len(numbers), height, width, concepts)
        image_labels = image_level_labels(members, concepts, device)
        unknown = None
        if data.asked.any():
            absent = absent_labels(members, concepts, device)
            present = labelled_images(label_maps, image_labels)
            unknown = torch.from_numpy(data.asked).to(device) & ~present & ~absent
        labels.append(
            BatchLabels(
                torch.tensor(numbers),
                label_maps,
                image_labels,
                unknown,
                torch.from_numpy(has_category),
                torch.from_numpy(statistics.annotated[rows].astype(np.float64)),
                torch.tensor(rows) >= fitted,
                permutations,
                segments,
                height,
                width,
                _centers(members, device),
            )
        )
    return labels


def _centers(images: Sequence[ConceptImage], device: torch.device) -> Tensor | None:
    """Return when the annotated frames are, as `BatchLabels.centers`."""
    if all(image.frames == 1 for image in images):
        return None
    centers = [[(2 * t + 1, 2 * image.frames) for t in image.annotated] for image in images]
    return torch.tensor(centers).to(device, non_blocking=True)


def labelled_images(label_maps: Tensor, image_labels: Tensor) -> Tensor:
    """Return which concepts are in images at all; bool (images, concepts)."""
    images, concepts = image_labels.shape
    if not len(label_maps):
        return image_labels > 0
    pixels = label_maps.view(len(label_maps), images, -1).transpose(0, 1).flatten(1).long()
    labelled = torch.zeros(images, concepts + 1, dtype=torch.bool, device=label_maps.device)
    return labelled.scatter_(1, pixels, True)[:, 1:] | (image_labels > 0)
