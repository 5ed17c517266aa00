"""First look at the concept data: every mask decoded and checked once, before anything long starts.

Keeps the label planes in scratch for counting, and counts what does not depend on the network.
Files are decoded by threads, one image each; all else is done to whole batches on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch

from .center_box import box_areas, labelled_inside
from .lanes import in_order, one_thread
from .masks import decode_planes, read_planes
from .scratch import ArrayFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from .center_box import CenterBoxes
    from .concepts import ConceptData, ConceptImage
    from .inputs import Batch
    from .progress import Advance
    from .team import Team

Number = TypeVar("Number", bound=np.integer)

AT_ONCE = 1 << 24  # pixels of masks that are worked on at a time, which bounds memory


class Survey(NamedTuple):
    """What the concept data hold.

    Attributes:
        planes: one entry per batch and size of mask, under the place of its first image in the
            run: uint16 (planes, images, height · width): concept column + 1, 0 where unlabelled.
        truth: int64 (concepts,), labelled pixels of each concept over all images and planes; a
            whole-image label counts all pixels of the image's mask.
        images: int64 (concepts,), images in which the concept occurs.
        present: bool (images, categories), whether the image has any label of the category.
    """

    planes: ArrayFile
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


def whole_labels(images: Sequence[ConceptImage], concepts: int) -> NDArray[np.float64]:
    """1 where a concept labels the whole image; (images, concepts)."""
    labels = np.zeros((len(images), concepts))
    for row, image in enumerate(images):
        labels[row, list(image.scalars)] = 1
    return labels


def survey(
    data: ConceptData,
    images: int,
    scratch: Path,
    boxes: CenterBoxes,
    *,
    mine: Sequence[Batch],
    team: Team,
    workers: int,
    advance: Advance,
) -> Survey:
    """Decode masks, and count with the team; what boxes in their middle hold goes to `boxes`.

    Args:
        data: the concept data.
        images: of the run.
        scratch: folder for the planes.
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
    surveyor = _Surveyor(data, images, scratch, boxes)
    wanted = [data.images[number] for batch in mine for number in batch.images]
    decoded = in_order(decode_planes, wanted, workers, ahead=4 * workers)
    with one_thread():  # others have work too
        for batch in mine:
            surveyor.look(batch, decoded, advance)
    return surveyor.shared(team)


class _Surveyor:
    """A survey at work."""

    def __init__(self, data: ConceptData, images: int, scratch: Path, boxes: CenterBoxes) -> None:
        self._data = data
        self._boxes = boxes
        self._truth = torch.zeros_like(boxes.inside[0])
        self._images = torch.zeros_like(self._truth)
        self._planes = ArrayFile(scratch / "planes", np.uint16)
        self._present = np.zeros((images, len(data.categories)), np.bool_)
        table = torch.from_numpy(data.columns).to(boxes.inside.device) + 1
        table[table == 0] = -1  # no concept
        table[0] = 0
        self._table = table

    def look(self, batch: Batch, decoded: Iterator[NDArray[np.uint8]], advance: Advance) -> None:
        """Keep and count a batch; its images come next among the `decoded`."""
        images = [self._data.images[number] for number in batch.images]
        pixels = []
        for _ in images:
            pixels.append(next(decoded))
            advance(1)
        for group in groups_of(images):
            size, columns = group.height * group.width, []
            step = max(1, AT_ONCE // (size * max(1, *(len(each) for each in pixels))))
            for start in range(0, len(group.numbers), step):
                numbers = group.numbers[start : start + step]
                stack = stacked([pixels[number] for number in numbers])
                found = self._columns(stack, [images[number] for number in numbers])
                self._count(found, [images[n] for n in numbers], [batch.first + n for n in numbers])
                flat = found.to(torch.uint16).view(*found.shape[:2], size).cpu().numpy()
                columns += list(flat.swapaxes(0, 1))
            self._planes.append(batch.first + group.numbers[0], stacked(columns))

    def _count(self, columns: Tensor, images: Sequence[ConceptImage], rows: list[int]) -> None:
        """Count some images, whose places in the run are `rows`."""
        inside = labelled_inside(columns, len(self._data.concepts))
        areas = box_areas(*columns.shape[2:], inside.device)
        whole = torch.from_numpy(whole_labels(images, inside.shape[2])).to(inside)
        inside += whole[:, None] * areas[:, None]
        self._boxes.add(inside, areas)
        self._truth += inside[:, -1].sum(dim=0)
        self._images += (inside[:, -1] > 0).sum(dim=0)
        self._present[rows] = self._boxes.of_categories(inside[:, -1]).cpu().numpy()

    def _columns(self, pixels: NDArray[np.uint8], images: Sequence[ConceptImage]) -> Tensor:
        """Concept column + 1, or 0; int32 (planes, images, height, width).

        Args:
            pixels: uint8 (planes, images, height, width, 3).
            images: whose masks they are.
        """
        red, green, blue = torch.from_numpy(pixels).to(self._table.device).unbind(-1)
        columns = self._table[red.int() + 256 * green.int()]
        if (columns < 0).any() or blue.any():
            for image in images:
                read_planes(self._data, image)  # says what is wrong, and where
        return columns

    def shared(self, team: Team) -> Survey:
        """What the whole team has found."""
        for counts in (self._truth, self._images, self._boxes.inside, self._boxes.activation):
            counts.copy_(team.sum(counts))
        truth, images = self._truth.cpu().numpy(), self._images.cpu().numpy()
        return Survey(self._planes, truth, images, self._present)


def stacked(planes: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """Arrays (planes, …) of images behind one another: (most planes, images, …), 0 for none."""
    most = max(len(each) for each in planes)
    shape = (most, len(planes), *planes[0].shape[1:])
    result: NDArray[Number] = np.zeros(shape, planes[0].dtype)
    for place, each in enumerate(planes):
        result[: len(each), place] = each
    return result
