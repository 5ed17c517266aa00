"""First look at the concept data: every mask decoded and checked once, before anything long starts.

Keeps the label planes in scratch for counting, and counts what does not depend on the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from .center_box import box_areas, labelled_inside
from .lanes import in_order
from .masks import read_planes
from .scratch import ArrayFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .center_box import CenterBoxes
    from .concepts import ConceptData, ConceptImage
    from .progress import Advance
    from .team import Team


class Survey(NamedTuple):
    """What the concept data hold.

    Attributes:
        planes: one entry per image, uint16 (planes, mask height, mask width): concept column + 1,
            0 where unlabelled.
        truth: int64 (concepts,), labelled pixels of each concept over all images and planes; a
            whole-image label counts all pixels of the image's mask.
        images: int64 (concepts,), images in which the concept occurs.
        present: bool (images, categories), whether the image has any label of the category.
    """

    planes: ArrayFile
    truth: NDArray[np.int64]
    images: NDArray[np.int64]
    present: NDArray[np.bool_]


def category_columns(data: ConceptData) -> NDArray[np.int64]:
    """Position of each concept's category among the categories; int64 (concepts,)."""
    return np.array([data.categories.index(c.category) for c in data.concepts], dtype=np.int64)


def survey(
    data: ConceptData,
    images: Sequence[ConceptImage],
    scratch: Path,
    boxes: CenterBoxes,
    *,
    mine: Sequence[int],
    team: Team,
    workers: int,
    advance: Advance,
) -> Survey:
    """Decode masks, and count with the team; what boxes in their middle hold goes to `boxes`.

    Args:
        data: the concept data.
        images: of the run, in its order.
        scratch: folder for the planes.
        boxes: filled.
        mine: positions of the images to decode here.
        team: who decodes the others.
        workers: threads that decode.
        advance: told of each image.

    Returns:
        Truth and images of all, planes and presence of those decoded here.

    Raises:
        DataError: naming the mask and its row: cannot be decoded, or holds unknown labels.
    """
    concepts = len(data.concepts)
    category = category_columns(data)
    result = Survey(
        ArrayFile(scratch / "planes", np.uint16),
        np.zeros(concepts, np.int64),
        np.zeros(concepts, np.int64),
        np.zeros((len(images), len(data.categories)), np.bool_),
    )

    def look(image: ConceptImage) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        planes = read_planes(data, image)
        return planes, labelled_inside(planes, concepts)

    decoded = in_order(look, (images[row] for row in mine), workers, ahead=64)
    for row, (planes, inside) in zip(mine, decoded, strict=True):
        image = images[row]
        areas = box_areas(image.mask_height, image.mask_width)
        for column in image.scalars:
            inside[:, column] += areas
        boxes.add(inside, areas)
        pixels = inside[-1]
        there = np.flatnonzero(pixels)
        result.planes.append(row, planes)
        result.truth[:] += pixels
        result.images[there] += 1
        result.present[row, category[there]] = True
        advance(1)
    for counts in (result.truth, result.images, boxes.inside, boxes.activation):
        counts[:] = team.sum(torch.from_numpy(counts)).numpy()
    return result
