"""What the concept data hold: the pass over the masks, which needs no network.

Writes the label maps to scratch for counting, and counts concept areas, images, and the center-bias
baseline. Files are decoded by threads, one image each; all else is done to whole batches on the
device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..concept_data.decoding import IMAGES_PER_CHUNK, decode_label_numbers
from ..concept_data.masks import read_label_maps
from ..concept_data.quantile import ConceptAreas
from ..engine.workers import prefetch, single_threaded
from .center_bias import CenterBias, box_areas, labelled_inside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ...progress import Advance
    from ...settings import IouVariant
    from ..concept_data.concepts import ConceptData, ConceptImage
    from ..engine.process_group import ProcessGroup
    from ..engine.scratch import TensorFile
    from ..inputs import Batch

PIXELS = 1 << 24
"""Pixels of masks that are worked on at a time, which bounds memory."""


class LabelStatistics(NamedTuple):
    """What the concept data hold.

    Attributes:
        label_maps: one entry per batch and size of mask, under the place of its first image in the
            run: uint16 (maps, images, height · width): concept column + 1, 0 where unlabelled.
        concept_area: int64 (concepts,), labelled pixels of each concept over all images and label
            maps; an image-level label counts all pixels of the image's mask.
        images: int64 (concepts,), images in which the concept occurs.
        category_area: int64 (categories,), pixels of the images that count for each category.
        has_category: bool (images, categories), whether the image has any label of the category,
            or is said not to have one, or any.
        annotated: bool (images, categories), whether an image without any label of the category has
            nothing of it (`annotated_categories`).
        center_bias: float64 (concepts,), IoU of the center-bias baseline.
    """

    label_maps: TensorFile
    concept_area: NDArray[np.int64]
    images: NDArray[np.int64]
    category_area: NDArray[np.int64]
    has_category: NDArray[np.bool_]
    annotated: NDArray[np.bool_]
    center_bias: NDArray[np.float64]


class MaskSizeGroup(NamedTuple):
    """Images of a batch whose masks share a size.

    Attributes:
        height: of the annotated frames of a mask, one below the other, in pixels.
        width: likewise.
        frames: annotated ones.
        numbers: of the images in the batch.
    """

    height: int
    width: int
    frames: int
    numbers: list[int]


def group_by_mask_size(images: Sequence[ConceptImage]) -> list[MaskSizeGroup]:
    """Group the images of a batch by the size of their masks, in order of their first ones."""
    groups: dict[tuple[int, int, int], MaskSizeGroup] = {}
    for number, image in enumerate(images):
        shape = (image.labelled_height, image.mask_width, len(image.annotated))
        groups.setdefault(shape, MaskSizeGroup(*shape, [])).numbers.append(number)
    return list(groups.values())


def category_columns(data: ConceptData) -> NDArray[np.int64]:
    """Return the position of each concept's category among the categories; int64 (concepts,)."""
    return np.array([data.categories.index(c.category) for c in data.concepts], dtype=np.int64)


def category_patterns(has_category: NDArray[np.bool_]) -> set[tuple[bool, ...]]:
    """Return the sets of categories that images have labels of, each as one bool per category."""
    return {tuple(row) for row in np.unique(has_category, axis=0).tolist()}


def annotated_categories(
    has_category: NDArray[np.bool_], patterns: Collection[tuple[bool, ...]]
) -> NDArray[np.bool_]:
    """Return which categories images are annotated with, bool (images, categories).

    In a data set of several sources not every image is annotated with every category: photographs
    of textures say nothing about objects. So an image without any label of a category is taken to
    be annotated with it, and to have nothing of it, if some image with labels of the category has
    labels of the same other categories.

    Args:
        has_category: bool (images, categories), whether the image has any label of the category.
        patterns: rows that occur anywhere in the data.
    """
    rows, image = np.unique(has_category, axis=0, return_inverse=True)
    annotated = rows.copy()
    for row, flags in zip(annotated, rows.tolist(), strict=True):
        for category in range(len(flags)):
            row[category] |= (*flags[:category], True, *flags[category + 1 :]) in patterns
    of_images: NDArray[np.bool_] = annotated[image.reshape(-1)]
    return of_images


def image_level_labels(
    images: Sequence[ConceptImage], concepts: int, device: torch.device
) -> Tensor:
    """Return 1 where a concept labels the whole image; float64 (images, concepts)."""
    row = [row for row, image in enumerate(images) for _ in image.image_labels]
    column = [column for image in images for column in image.image_labels]
    labels = torch.zeros(len(images), concepts, dtype=torch.float64, device=device)
    index = torch.tensor([row, column], dtype=torch.int64).to(device, non_blocking=True)
    return labels.index_put_((index[0], index[1]), labels.new_ones(()))


def absent_labels(images: Sequence[ConceptImage], concepts: int, device: torch.device) -> Tensor:
    """Return whether a concept is said not to be in the image; bool (images, concepts)."""
    absent = np.zeros((len(images), concepts), np.bool_)
    for row, image in enumerate(images):
        absent[row, list(image.absent)] = True
    return torch.from_numpy(absent).to(device, non_blocking=True)


def concept_areas(data: ConceptData, statistics: LabelStatistics) -> ConceptAreas:
    """Return how much of the data each concept covers."""
    image_level = np.zeros(len(data.concepts), np.bool_)
    image_level[[column for image in data.images for column in image.image_labels]] = True
    area = np.maximum(statistics.category_area[category_columns(data)], 1)
    return ConceptAreas(statistics.concept_area / area, statistics.images, image_level)


def count_labels(
    data: ConceptData,
    images: int,
    label_maps: TensorFile,
    variant: IouVariant,
    *,
    batches: Sequence[Batch],
    group: ProcessGroup,
    device: torch.device,
    workers: int,
    advance: Advance,
) -> LabelStatistics:
    """Decode masks, and count with the other ranks.

    Args:
        data: the concept data.
        images: of the run.
        label_maps: filled, as `LabelStatistics.label_maps`.
        variant: which images count for a category.
        batches: to decode here.
        group: ranks that decode the others.
        device: of the work.
        workers: threads that decode.
        advance: told of each image.

    Returns:
        Counts over all ranks, label maps and categories of the images decoded here.

    Raises:
        DataError: naming the mask and its row: cannot be decoded, or holds unknown labels.
    """
    counter = _LabelCounter(data, images, label_maps, variant, device)
    slots = _slots(data, batches)
    ahead = 2 * IMAGES_PER_CHUNK * workers
    decoded = prefetch(_fill, slots, workers, ahead=ahead, chunk=IMAGES_PER_CHUNK)
    with single_threaded():  # other threads have work too
        for batch in batches:
            counter.count_batch(batch, decoded, advance)
    return counter.all_reduced(group)


def _slots(
    data: ConceptData, batches: Sequence[Batch]
) -> Iterator[tuple[ConceptImage, NDArray[np.uint16], int]]:
    """Yield all images, with the array (maps, images, …) of their group and a place in it."""
    for batch in batches:
        images = [data.images[number] for number in batch.images]
        for height, width, _, numbers in group_by_mask_size(images):
            most = max(len(images[number].masks) for number in numbers)
            stack = np.zeros((most, len(numbers), height, width), np.uint16)
            for place, number in enumerate(numbers):
                yield images[number], stack, place


def _fill(slot: tuple[ConceptImage, NDArray[np.uint16], int]) -> NDArray[np.uint16]:
    """Decode an image's masks to its place in the array of its group."""
    image, stack, place = slot
    numbers = stack[: len(image.masks), place]
    if len(image.annotated) == image.frames:
        decode_label_numbers(image, numbers)
    else:
        whole = np.empty((len(numbers), image.mask_height, image.mask_width), np.uint16)
        decode_label_numbers(image, whole)
        by_frame = whole.reshape(len(numbers), image.frames, -1)
        numbers[...] = by_frame[:, list(image.annotated)].reshape(numbers.shape)
    return stack


class _LabelCounter:
    """Counts of labels, batch by batch."""

    def __init__(
        self,
        data: ConceptData,
        images: int,
        label_maps: TensorFile,
        variant: IouVariant,
        device: torch.device,
    ) -> None:
        category = torch.from_numpy(category_columns(data)).to(device)
        self._data = data
        self._device = device
        self._center_bias = CenterBias(category, len(data.categories), variant)
        self._concept_area = category.new_zeros(len(category))
        self._images = torch.zeros_like(self._concept_area)
        self._label_maps = label_maps
        self._has_category = torch.zeros(
            images, len(data.categories), dtype=torch.bool, device=device
        )
        table = torch.from_numpy(data.columns).to(device) + 1
        table[table == 0] = -1  # no concept
        table[0] = 0
        self._table = table

    def count_batch(
        self, batch: Batch, decoded: Iterator[NDArray[np.uint16]], advance: Advance
    ) -> None:
        """Store the label maps of a batch, and count it; its images are the next `decoded`."""
        images = [self._data.images[number] for number in batch.images]
        for height, width, frames, numbers in group_by_mask_size(images):
            for _ in numbers:
                stack = next(decoded)
                advance(1)
            rows = [batch.first + number for number in numbers]
            members = [images[number] for number in numbers]
            columns = self._count_group(members, rows, stack, frames)
            self._label_maps.append(rows[0], columns.view(*columns.shape[:2], height * width))

    def _count_group(
        self,
        images: Sequence[ConceptImage],
        rows: list[int],
        stack: NDArray[np.uint16],
        frames: int,
    ) -> Tensor:
        """Count images of one size, whose places in the run are `rows`.

        Args:
            images: of a batch.
            rows: their places.
            stack: label numbers, (maps, images, height, width).
            frames: that lie one below the other in each.

        Returns:
            Concept column + 1, or 0; uint16 (maps, images, height, width).
        """
        step = max(1, PIXELS // max(1, stack[:, 0].size))
        parts = []
        for start in range(0, len(images), step):
            end = start + step
            part = torch.from_numpy(stack[:, start:end]).to(self._device)
            columns = self._columns(part, images[start:end])
            self._count(columns, images[start:end], rows[start:end], frames)
            parts.append(columns.to(torch.uint16))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _count(
        self, columns: Tensor, images: Sequence[ConceptImage], rows: list[int], frames: int
    ) -> None:
        """Count images, given their concept columns; `rows` are their places in the run."""
        inside = labelled_inside(columns, len(self._data.concepts), frames)
        areas = box_areas(*columns.shape[2:], self._device, frames)
        whole = image_level_labels(images, inside.shape[2], self._device).to(inside)
        inside += whole[:, None] * areas[:, None]
        absent = absent_labels(images, inside.shape[2], self._device)
        has_category = self._center_bias.has_category((inside[:, -1] > 0) | absent)
        has_category |= self._has_nothing_of(images)
        self._center_bias.update(self._center_bias.partial(inside, areas, has_category))
        self._concept_area += inside[:, -1].sum(dim=0)
        self._images += (inside[:, -1] > 0).sum(dim=0)
        places = torch.tensor(rows, device=self._device)
        self._has_category[places] = has_category

    def _has_nothing_of(self, images: Sequence[ConceptImage]) -> Tensor:
        """Return which categories images have nothing of, bool (images, categories)."""
        flags = np.zeros((len(images), len(self._data.categories)), np.bool_)
        for row, image in enumerate(images):
            flags[row, list(image.nothing_of)] = True
        return torch.from_numpy(flags).to(self._device, non_blocking=True)

    def _columns(self, numbers: Tensor, images: Sequence[ConceptImage]) -> Tensor:
        """Look up concept column + 1, or 0; int32 (maps, images, height, width).

        Args:
            numbers: of labels, uint16, likewise.
            images: whose masks they are.
        """
        columns = self._table.index_select(0, numbers.int().view(-1)).view(numbers.shape)
        if columns.numel() and columns.min() < 0:
            for image in images:
                read_label_maps(self._data, image)  # says what is wrong, and where
        return columns

    def all_reduced(self, group: ProcessGroup) -> LabelStatistics:
        """Return the counts over all ranks."""
        counts = (group.all_reduce(counts) for counts in (self._concept_area, self._images))
        concept_area, images = (total.cpu().numpy() for total in counts)
        center_bias = self._center_bias.all_reduce(group)
        has_category = self._has_category.cpu().numpy()
        patterns = {pattern for part in group.all_gather(category_patterns(has_category))
                    for pattern in part}  # fmt: skip
        return LabelStatistics(
            self._label_maps,
            concept_area,
            images,
            center_bias.image_area,
            has_category,
            annotated_categories(has_category, patterns),
            center_bias.best(),
        )
