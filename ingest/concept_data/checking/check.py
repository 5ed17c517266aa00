"""Checks concept data: reads everything, and reports every defect.

1. Tables: every row of category.csv, label.csv and the c_*.csv.
2. Rows of index.csv: the image and every mask decoded, every item of every cell.
3. Counts by category and concept, and groups of images that are nearly the same.

`open_concept_data` stops at the first error; here every defect is noted, with file and row, and all
else is read nevertheless.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....progress import NoProgress
from ....settings import Settings
from ..quantile import ConceptAreas, choose_quantile
from .duplicates import near_duplicates
from .tables import Defects, check_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....progress import Progress
    from ....settings import Quantile
    from ..concepts import ConceptData
    from .duplicates import Fingerprint
    from .rows import CheckedRow
    from .tables import Defect


class CategoryCounts(NamedTuple):
    """Counts of one category.

    Attributes:
        category: its name.
        concepts: that occur in some image.
        images: annotated with it: with any of its labels, or said not to have one.
        pixels: labelled, over all label maps; an image-level label counts all pixels of the image.
        area: pixels of those images.
    """

    category: str
    concepts: int
    images: int
    pixels: int
    area: int


class ConceptCounts(NamedTuple):
    """Counts of one concept.

    Attributes:
        category: its primary one.
        concept: its name.
        number: in label.csv.
        images: in which it occurs.
        pixels: labelled.
        drawn: whether it has a mask in some image; else it labels whole images alone.
        attainable: the maximum attainable IoU of a unit whose mask is `quantile` of the pixels of
            the category's images: the smaller of mask and concept divided by the larger.
        source: by what its labels were made; "" if people drew them.
    """

    category: str
    concept: str
    number: int
    images: int
    pixels: int
    drawn: bool
    attainable: float
    source: str


class DuplicateGroup(NamedTuple):
    """Images that are nearly the same, their splits, and whether their files are equal."""

    images: tuple[str, ...]
    splits: tuple[str, ...]
    identical: bool


class CheckReport(NamedTuple):
    """Counts and defects of a data set.

    Attributes:
        folder: the data set.
        images: rows by split.
        mask_sizes: rows by width × height of the masks of a frame.
        frames: rows by number of frames; 1 of stills.
        annotated_frames: of all clips.
        bare_images: rows of which nothing is known.
        images_without: rows without any label that are said to have nothing of a category, or not
            to have a concept.
        categories: in order.
        concepts: in order of number, also those of no image.
        quantile: share of a unit's activations above its threshold, for `attainable`.
        quantile_reason: why it was chosen, as `QuantileChoice.reason`.
        min_iou: from which a unit is interpretable.
        duplicates: groups of images that are equal or nearly so.
        defects: all, in order of file and row.
        renamed: labels of label.csv with odd spaces or invisible characters, and how they are read.
    """

    folder: Path
    images: dict[str, int]
    mask_sizes: dict[str, int]
    frames: dict[int, int]
    annotated_frames: int
    bare_images: int
    images_without: int
    categories: tuple[CategoryCounts, ...]
    concepts: tuple[ConceptCounts, ...]
    quantile: float
    quantile_reason: str
    min_iou: float
    duplicates: tuple[DuplicateGroup, ...]
    defects: tuple[Defect, ...]
    renamed: dict[str, str]

    @property
    def unreachable(self) -> list[ConceptCounts]:
        """Concepts that occur, but are too small or too large to reach `min_iou`.

        Those that label whole images alone are left out: IoU is the wrong measure for them.
        """
        return [
            concept
            for concept in self.concepts
            if concept.images and concept.drawn and concept.attainable <= self.min_iou
        ]


def check(
    folder: Path,
    *,
    quantile: Quantile | None = None,
    min_iou: float | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check a data set.

    Args:
        folder: the data set.
        quantile: share of a unit's activations above its threshold, or `auto` for that which an
            ingest would choose (with `--iou paper`); that of `Settings` if None.
        min_iou: from which a unit is interpretable; that of `Settings` if None.
        workers: threads that decode; `default_workers()` if None.
        progress: receives each row.

    Raises:
        DataError: not a data set, or a table of which nothing can be read.
    """
    settings = Settings(
        quantile=Settings.quantile if quantile is None else quantile,
        min_iou=Settings.min_iou if min_iou is None else min_iou,
    )
    from ...engine.workers import default_workers, prefetch
    from .rows import check_row

    folder = Path(folder)
    defects = Defects(folder)
    tables = check_tables(folder, defects)
    counts = _RowCounts(tables.data)
    rows = tables.index.rows
    with (progress or NoProgress()).step("read", len(rows)) as advance:
        threads = workers or default_workers()
        for checked in prefetch(lambda row: check_row(tables, row), rows, threads, ahead=64):
            defects.extend(checked.defects)
            counts.add(checked)
            advance(1)
    choice = choose_quantile(settings.quantile, counts.areas(), settings.min_iou)
    return CheckReport(
        folder,
        dict(sorted(counts.splits.items())),
        {f"{width}×{height}": count for (height, width), count in sorted(counts.shapes.items())},
        dict(sorted(counts.frames.items())),
        counts.annotated_frames,
        counts.bare,
        counts.without,
        counts.by_category(),
        counts.by_concept(choice.quantile),
        *choice,
        settings.min_iou,
        _find_duplicates(counts.fingerprints, counts.split_of),
        defects.ordered(),
        tables.renamed,
    )


class _RowCounts:
    """Sums over rows.

    Attributes:
        splits: rows by split.
        shapes: rows by height and width of the masks of a frame.
        frames: rows by number of frames.
        annotated_frames: of rows with several frames.
        bare: rows of which nothing is known.
        without: rows without a label of which something is known.
        fingerprints: of images that could be decoded, by name.
        split_of: split of each image, by name.
    """

    def __init__(self, data: ConceptData) -> None:
        self.splits: Counter[str] = Counter()
        self.shapes: Counter[tuple[int, int]] = Counter()
        self.frames: Counter[int] = Counter()
        self.bare = self.without = self.annotated_frames = 0
        self.fingerprints: dict[str, Fingerprint] = {}
        self.split_of: dict[str, str] = {}
        self._data = data
        self._category = np.array([data.categories.index(c.category) for c in data.concepts])
        self._labelled = np.zeros((len(data.concepts), 2), np.int64)  # images, pixels
        self._image_level = np.zeros(len(data.concepts), np.bool_)
        self._drawn = np.zeros(len(data.concepts), np.bool_)
        self._annotated = np.zeros((len(data.categories), 2), np.int64)  # images, their area

    def add(self, row: CheckedRow) -> None:
        """Count one row."""
        self.splits[row.split] += 1
        self.split_of[row.name] = row.split
        known = {int(self._category[column]) for column in (*row.pixels, *row.absent)}
        known |= row.nothing_of
        self.frames[row.frames] += 1
        self.annotated_frames += len(row.annotated) if row.frames > 1 else 0
        if row.shape is not None:
            self.shapes[row.shape[0] // row.frames, row.shape[1]] += 1
            for category in known:
                self._annotated[category] += 1, row.area
        for column, pixels in row.pixels.items():
            self._labelled[column] += 1, pixels
        self._image_level[list(row.image_labels)] = True
        self._drawn[list(row.pixels.keys() - row.image_labels)] = True
        self.bare += not known
        self.without += bool(known) and not row.pixels
        if row.fingerprint is not None:
            self.fingerprints[row.name] = row.fingerprint

    def by_category(self) -> tuple[CategoryCounts, ...]:
        """Return the counts of each category."""
        counts = []
        for position, name in enumerate(self._data.categories):
            labelled = self._labelled[self._category == position]
            images, area = self._annotated[position].tolist()
            concepts, pixels = int((labelled[:, 0] > 0).sum()), int(labelled[:, 1].sum())
            counts.append(CategoryCounts(name, concepts, images, pixels, area))
        return tuple(counts)

    def areas(self) -> ConceptAreas:
        """Return how much of the data each concept covers."""
        images, pixels = self._labelled.T
        area = np.maximum(self._annotated[self._category, 1], 1)
        return ConceptAreas(pixels / area, images, self._image_level)

    def by_concept(self, quantile: float) -> tuple[ConceptCounts, ...]:
        """Return the counts of each concept."""
        counts = []
        for column, concept in enumerate(self._data.concepts):
            images, pixels = self._labelled[column].tolist()
            mask = quantile * int(self._annotated[self._category[column], 1])
            attainable = min(mask, pixels) / max(mask, pixels) if pixels else 0.0
            name = (concept.category, concept.name, concept.number)
            drawn = bool(self._drawn[column])
            row = ConceptCounts(*name, images, pixels, drawn, attainable, concept.source)
            counts.append(row)
        return tuple(counts)


def _find_duplicates(
    fingerprints: Mapping[str, Fingerprint], split_of: Mapping[str, str]
) -> tuple[DuplicateGroup, ...]:
    return tuple(
        DuplicateGroup(
            tuple(names),
            tuple(sorted({split_of[name] for name in names})),
            len({fingerprints[name].digest for name in names}) == 1,
        )
        for names in near_duplicates(sorted(fingerprints.items()))
    )
