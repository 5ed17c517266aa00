"""What the concept data hold: the pass over the masks that comes before the network runs.

Keeps the label planes in scratch for counting, and counts what does not depend on the network.
Files are decoded by threads, one image each; all else is done to whole batches on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..concept_data.decoding import AT_ONCE, decode_numbers
from ..concept_data.masks import read_label_maps
from ..engine.workers import prefetch, single_threaded
from .center_bias import box_areas, labelled_inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ...progress import Advance
    from ..concept_data.concepts import ConceptData, ConceptImage
    from ..engine.process_group import ProcessGroup
    from ..engine.scratch import TensorFile
    from ..inputs import Batch
    from .center_bias import CenterBias

PIXELS = 1 << 24
"""Pixels of masks that are worked on at a time, which bounds memory."""


class LabelStatistics(NamedTuple):
    """What the concept data hold.

    Attributes:
        planes: one entry per batch and size of mask, under the place of its first image in the
            run: uint16 (planes, images, height · width): concept column + 1, 0 where unlabelled.
        truth: int64 (concepts,), labelled pixels of each concept over all images and planes; a
            whole-image label counts all pixels of the image's mask.
        images: int64 (concepts,), images in which the concept occurs.
        present: bool (images, categories), whether the image has any label of the category.
    """

    planes: TensorFile
    truth: NDArray[np.int64]
    images: NDArray[np.int64]
    present: NDArray[np.bool_]


class Group(NamedTuple):
    """Images of a batch whose masks share a size: their numbers in the batch."""

    height: int
    width: int
    numbers: list[int]


def groups_of(images: Sequence[ConceptImage]) -> list[Group]:
    """The images of a batch by the size of their masks, in order of their first ones."""
    groups: dict[tuple[int, int], Group] = {}
    for number, image in enumerate(images):
        shape = (image.mask_height, image.mask_width)
        groups.setdefault(shape, Group(*shape, [])).numbers.append(number)
    return list(groups.values())


def category_columns(data: ConceptData) -> NDArray[np.int64]:
    """Position of each concept's category among the categories; int64 (concepts,)."""
    return np.array([data.categories.index(c.category) for c in data.concepts], dtype=np.int64)


def whole_labels(images: Sequence[ConceptImage], concepts: int, device: torch.device) -> Tensor:
    """1 where a concept labels the whole image; float64 (images, concepts)."""
    row = [row for row, image in enumerate(images) for _ in image.image_labels]
    column = [column for image in images for column in image.image_labels]
    labels = torch.zeros(len(images), concepts, dtype=torch.float64, device=device)
    at = torch.tensor([row, column], dtype=torch.int64).to(device, non_blocking=True)
    return labels.index_put_((at[0], at[1]), labels.new_ones(()))


def survey(
    data: ConceptData,
    images: int,
    planes: TensorFile,
    boxes: CenterBias,
    *,
    mine: Sequence[Batch],
    team: ProcessGroup,
    workers: int,
    advance: Advance,
) -> LabelStatistics:
    """Decode masks, and count with the team; what boxes in their middle hold goes to `boxes`.

    Args:
        data: the concept data.
        images: of the run.
        planes: filled, as `LabelStatistics.planes`.
        boxes: filled, on its device.
        mine: the batches to decode here.
        team: who decodes the others.
        workers: threads that decode.
        advance: told of each image.

    Returns:
        Truth and images of all, planes and presence of those decoded here.

    Raises:
        DataError: naming the mask and its row: cannot be decoded, or holds unknown labels.
    """
    surveyor = _Surveyor(data, images, planes, boxes)
    slots = _slots(data, mine)
    decoded = prefetch(_fill, slots, workers, ahead=2 * AT_ONCE * workers, at_once=AT_ONCE)
    with single_threaded():  # others have work too
        for batch in mine:
            surveyor.look(batch, decoded, advance)
    return surveyor.shared(team)


def _slots(
    data: ConceptData, batches: Sequence[Batch]
) -> Iterator[tuple[ConceptImage, NDArray[np.uint16], int]]:
    """All images, group by group, with an array (planes, images, …) of the group and a place."""
    for batch in batches:
        images = [data.images[number] for number in batch.images]
        for height, width, numbers in groups_of(images):
            most = max(len(images[number].masks) for number in numbers)
            stack = np.zeros((most, len(numbers), height, width), np.uint16)
            for place, number in enumerate(numbers):
                yield images[number], stack, place


def _fill(slot: tuple[ConceptImage, NDArray[np.uint16], int]) -> NDArray[np.uint16]:
    """Decode an image's masks to its place in the array of its group."""
    image, stack, place = slot
    decode_numbers(image, stack[: len(image.masks), place])
    return stack


class _Surveyor:
    """A survey at work."""

    def __init__(
        self, data: ConceptData, images: int, planes: TensorFile, boxes: CenterBias
    ) -> None:
        self._data = data
        self._boxes = boxes
        self._device = boxes.inside.device
        self._truth = torch.zeros_like(boxes.inside[0])
        self._images = torch.zeros_like(self._truth)
        self._planes = planes
        self._present = torch.zeros(
            images, len(data.categories), dtype=torch.bool, device=self._device
        )
        table = torch.from_numpy(data.columns).to(self._device) + 1
        table[table == 0] = -1  # no concept
        table[0] = 0
        self._table = table

    def look(self, batch: Batch, decoded: Iterator[NDArray[np.uint16]], advance: Advance) -> None:
        """Keep and count a batch; its images come next among the `decoded`."""
        images = [self._data.images[number] for number in batch.images]
        for height, width, numbers in groups_of(images):
            for _ in numbers:
                stack = next(decoded)
                advance(1)
            rows = [batch.first + number for number in numbers]
            columns = self._look([images[number] for number in numbers], rows, stack)
            self._planes.append(rows[0], columns.view(*columns.shape[:2], height * width))

    def _look(
        self, images: Sequence[ConceptImage], rows: list[int], stack: NDArray[np.uint16]
    ) -> Tensor:
        """Count images of one size, whose places in the run are `rows`.

        Args:
            images: of a batch.
            rows: their places.
            stack: label numbers, (planes, images, height, width).

        Returns:
            Concept column + 1, or 0; uint16 (planes, images, height, width).
        """
        step = max(1, PIXELS // max(1, stack[:, 0].size))
        parts = []
        for start in range(0, len(images), step):
            end = start + step
            part = torch.from_numpy(stack[:, start:end]).to(self._device)
            columns = self._columns(part, images[start:end])
            self._count(columns, images[start:end], rows[start:end])
            parts.append(columns.to(torch.uint16))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _count(self, columns: Tensor, images: Sequence[ConceptImage], rows: list[int]) -> None:
        """Count some images, whose places in the run are `rows`."""
        inside = labelled_inside(columns, len(self._data.concepts))
        areas = box_areas(*columns.shape[2:], self._device)
        whole = whole_labels(images, inside.shape[2], self._device).to(inside)
        inside += whole[:, None] * areas[:, None]
        self._boxes.add(inside, areas)
        self._truth += inside[:, -1].sum(dim=0)
        self._images += (inside[:, -1] > 0).sum(dim=0)
        at = torch.tensor(rows, device=self._device)
        self._present[at] = self._boxes.of_categories(inside[:, -1])

    def _columns(self, numbers: Tensor, images: Sequence[ConceptImage]) -> Tensor:
        """Concept column + 1, or 0; int32 (planes, images, height, width).

        Args:
            numbers: of labels, uint16, likewise.
            images: whose masks they are.
        """
        columns = self._table.index_select(0, numbers.int().view(-1)).view(numbers.shape)
        if columns.numel() and columns.min() < 0:
            for image in images:
                read_label_maps(self._data, image)  # says what is wrong, and where
        return columns

    def shared(self, team: ProcessGroup) -> LabelStatistics:
        """What the whole team has found."""
        for counts in (self._truth, self._images, self._boxes.inside, self._boxes.activation):
            counts.copy_(team.all_reduce(counts))
        truth, images = self._truth.cpu().numpy(), self._images.cpu().numpy()
        return LabelStatistics(self._planes, truth, images, self._present.cpu().numpy())
