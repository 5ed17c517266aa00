"""The labels of concept data that people are asked about: a concept in an image each."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....errors import DataError, nearest
from ....progress import NoProgress
from ...concept_data.labels import PEOPLE, made_by, split_source
from ...concept_data.masks import read_label_maps
from ...engine.workers import default_workers, prefetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ....progress import Progress
    from ...concept_data.concepts import ConceptData, ConceptImage
    from ...concept_data.labels import Concept

EVERY_SOURCE = "all"
WHOLE_IMAGE = "image"
"""The digest of the region of a tag."""
_KEY_DIGITS, _REGION_DIGITS = 16, 12
_AHEAD, _CHUNK = 256, 16


class DataLabel(NamedTuple):
    """A concept in an image.

    Attributes:
        key: names it in addresses: the start of a sha256 of concept and image.
        concept: column of the concept.
        image: position in `ConceptData.images`.
        has_mask: whether it says where; else it is a tag of the whole image.
    """

    key: str
    concept: int
    image: int
    has_mask: bool


class LabelRegion(NamedTuple):
    """Where a label is in its image.

    Attributes:
        mask: bool (mask height, mask width); None for a tag.
        box: left, top, right and bottom in pixels of the image; right and bottom are just outside.
        digest: of the mask, so that an answer holds for the region that was shown.
    """

    mask: NDArray[np.bool_] | None
    box: tuple[int, int, int, int]
    digest: str


class DataLabels(NamedTuple):
    """All labels of concept data.

    Attributes:
        data: the concept data.
        by_concept: the labels of each concept that occurs, by its column, in order of images.
        damaged: images of which a mask cannot be read, and why; they have no labels here.
    """

    data: ConceptData
    by_concept: Mapping[int, Sequence[DataLabel]]
    damaged: Mapping[str, str]


def find_labels(data: ConceptData, progress: Progress | None = None) -> DataLabels:
    """Find all labels of concept data; every mask is decoded.

    Raises:
        DataError: there is none.
    """
    by_concept: dict[int, list[DataLabel]] = defaultdict(list)
    damaged = dict(data.dropped)
    step = (progress or NoProgress()).step("find labels", len(data.images))
    work, threads = partial(_concepts_of, data), default_workers()
    found = prefetch(work, data.images, threads, _AHEAD, chunk=_CHUNK)
    with step as advance:
        for position, (image, columns) in enumerate(zip(data.images, found, strict=True)):
            advance(1)
            if isinstance(columns, DataError):
                damaged[image.name] = str(columns)
                continue
            for column, has_mask in columns.items():
                key = label_key(data.concepts[column].uid, image.name)
                by_concept[column].append(DataLabel(key, column, position, has_mask))
    if not by_concept:
        raise DataError("no label to verify", file=data.folder, found="no image with a concept")
    return DataLabels(data, dict(sorted(by_concept.items())), damaged)


def _concepts_of(data: ConceptData, image: ConceptImage) -> dict[int, bool] | DataError:
    """Return the columns of an image's concepts, and whether each has a mask; or what is wrong."""
    try:
        found = np.unique(read_label_maps(data, image)).tolist()
    except DataError as error:
        return error
    masks = {column - 1: True for column in found if column}
    return {**dict.fromkeys(image.image_labels, False), **masks}


def label_key(uid: str, image: str) -> str:
    """Return what names the label of a concept and an image in addresses."""
    return hashlib.sha256(json.dumps([uid, image]).encode()).hexdigest()[:_KEY_DIGITS]


def read_region(data: ConceptData, label: DataLabel) -> LabelRegion:
    """Return where a label is in its image.

    Raises:
        DataError: a mask cannot be read, or the label is not in it any more.
    """
    image = data.images[label.image]
    if not label.has_mask:
        return LabelRegion(None, (0, 0, image.width, image.height), WHOLE_IMAGE)
    mask = (read_label_maps(data, image) == label.concept + 1).any(0)
    if not mask.any():
        concept = data.concepts[label.concept].name
        raise DataError(f"no pixel is {concept!r} any more", file=image.path)
    height, width = mask.shape
    rows, columns = mask.any(1).nonzero()[0].tolist(), mask.any(0).nonzero()[0].tolist()
    box = (
        columns[0] * image.width // width,
        rows[0] * image.height // height,
        -(-(columns[-1] + 1) * image.width // width),
        -(-(rows[-1] + 1) * image.height // height),
    )
    content = np.packbits(mask).tobytes() + str(mask.shape).encode()
    return LabelRegion(mask, box, hashlib.sha256(content).hexdigest()[:_REGION_DIGITS])


def choose_concepts(
    labels: DataLabels, names: Sequence[str] = (), source: str | None = None
) -> list[int]:
    """Return the columns of the concepts that people are asked about.

    Args:
        labels: of the data.
        names: names or uids of concepts; all of the sources if there are none.
        source: by what their labels were made: a model, also its name's beginning, `tags`,
            `people` or `all`. If None, those that no person drew; all, if people drew all.
            Concepts that are named may have any.

    Raises:
        DataError: an unknown name or source, or a concept that no image has.
    """
    concepts = labels.data.concepts
    if names:
        chosen = [column for name in names for column in _named(labels, name)]
    else:
        chosen = list(labels.by_concept)
    if source == EVERY_SOURCE or (source is None and names):
        return list(dict.fromkeys(chosen))
    if source is None:
        others = [one for one in chosen if made_by(concepts[one].source) != PEOPLE]
        return others or chosen
    sources = {column: split_source(concepts[column].source) for column in chosen}
    known = sorted({part for parts in sources.values() for part in parts})
    begin = [source] if source in known else [part for part in known if part.startswith(source)]
    if len(begin) != 1:
        what = f"{source!r} names several" if begin else f"no labels by {source!r}"
        expected = ", ".join(begin or [*known, EVERY_SOURCE])
        raise DataError(what, file=labels.data.folder, expected=expected)
    return [column for column, parts in sources.items() if begin[0] in parts]


def _named(labels: DataLabels, name: str) -> list[int]:
    """Return the columns of the concepts of a name or uid."""
    concepts = labels.data.concepts
    columns = [k for k, concept in enumerate(concepts) if name in {concept.uid, concept.name}]
    if not columns:
        names = (concepts[column].name for column in labels.by_concept)
        remedy = nearest(name, names)
        raise DataError(f"no concept {name!r}", file=labels.data.folder, remedy=remedy)
    occurring = [column for column in columns if column in labels.by_concept]
    if not occurring:
        raise DataError(f"no image has the concept {name!r}", file=labels.data.folder)
    return occurring


def sample(labels: Iterable[DataLabel], count: int, seed: int) -> list[DataLabel]:
    """Return some labels at random; a larger sample of the same seed begins with the smaller."""
    return sorted(labels, key=lambda label: shuffled(label.key, seed))[:count]


def shuffled(key: str, by: object) -> bytes:
    """Return by what to sort labels, so that each `by` has an order of its own."""
    return hashlib.sha256(f"{by} {key}".encode()).digest()


def source_text(concept: Concept) -> str:
    """Return by what the labels of a concept were made, in words."""
    return concept.source or PEOPLE
