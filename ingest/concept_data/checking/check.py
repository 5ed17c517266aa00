"""A validator of concept data that reads everything, and says all that is wrong with it.

1. Tables: every row of category.csv, label.csv and the c_*.csv.
2. Every row of index.csv, and of its cells every item: the image decoded, every mask decoded.
3. What is there, in numbers; what is rare; which images are nearly the same.

`open_concept_data` stops at what stops it; here a defect is noted, with file and row, and the rest
is read all the same.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....progress import NoProgress
from ....settings import Settings
from .tables import Defects, check_tables
from .duplicates import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....progress import Progress
    from .rows import RowCheck
    from .tables import Defect
    from ..concepts import ConceptData
    from .duplicates import Fingerprint


class CategorySummary(NamedTuple):
    """One category.

    Attributes:
        category: its name.
        concepts: that are seen in some image.
        images: that have any of its labels.
        pixels: that are labelled, in all planes; labels of the whole image count all its pixels.
        area: pixels of the images that carry it.
    """

    category: str
    concepts: int
    images: int
    pixels: int
    area: int


class ConceptSummary(NamedTuple):
    """One concept.

    Attributes:
        category: the concept's (its primary one).
        concept: its name.
        number: in label.csv.
        images: in which it is.
        pixels: labelled.
        attainable: the highest IoU with it that a unit can reach whose mask has the share
            `quantile` of the pixels of the images of its category: the smaller of mask and concept
            by the larger (anchor: a mask is as large as its threshold makes it).
    """

    category: str
    concept: str
    number: int
    images: int
    pixels: int
    attainable: float


class Duplicates(NamedTuple):
    """Images that are nearly the same, their splits, and whether their files are equal."""

    images: tuple[str, ...]
    splits: tuple[str, ...]
    identical: bool


class CheckReport(NamedTuple):
    """What is there, and what is wrong with it.

    Attributes:
        folder: the data set.
        images: rows that could be read, by split.
        mask_sizes: rows by width × height of their masks.
        bare_images: rows without any label.
        categories: in order.
        concepts: in order of number; of no image included.
        quantile: of `attainable`.
        min_iou: below it, a concept cannot be detected.
        duplicates: near and equal ones.
        defects: all, in order of file and row.
    """

    folder: Path
    images: dict[str, int]
    mask_sizes: dict[str, int]
    bare_images: int
    categories: tuple[CategorySummary, ...]
    concepts: tuple[ConceptSummary, ...]
    quantile: float
    min_iou: float
    duplicates: tuple[Duplicates, ...]
    defects: tuple[Defect, ...]

    @property
    def unreachable(self) -> list[ConceptSummary]:
        """Concepts that are seen, but too small or too large to reach `min_iou`."""
        return [each for each in self.concepts if each.images and each.attainable <= self.min_iou]


def check(
    folder: Path,
    *,
    quantile: float | None = None,
    min_iou: float | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Read a data set, all of it.

    Args:
        folder: the data set.
        quantile: share of a unit's activations above its threshold; None is an ingest's default.
        min_iou: from which a unit is interpretable; likewise.
        workers: threads that decode; without it, one a core of this process's share, 2 to 8.
        progress: told of each row.

    Raises:
        DataError: a folder that is no data set at all, or tables of which nothing can be read.
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
    counts = _Counts(tables.data)
    rows = tables.index.rows
    with (progress or NoProgress()).step("read", len(rows)) as advance:
        threads = workers or default_workers()
        for found in prefetch(lambda row: check_row(tables, row), rows, threads, ahead=64):
            defects.extend(found.defects)
            counts.add(found)
            advance(1)
    return CheckReport(
        folder,
        dict(sorted(counts.splits.items())),
        {f"{width}×{height}": count for (height, width), count in sorted(counts.shapes.items())},
        counts.bare,
        counts.by_category(),
        counts.by_concept(settings.quantile),
        settings.quantile,
        settings.min_iou,
        _duplicates(counts.prints, counts.split_of),
        defects.in_order(),
    )


class _Counts:
    """What rows hold, summed.

    Attributes:
        splits: rows by split.
        shapes: rows by height and width of their masks.
        bare: rows without a label.
        prints: fingerprints of images that could be decoded, by name.
        split_of: an image, by name.
    """

    def __init__(self, data: ConceptData) -> None:
        self.splits: Counter[str] = Counter()
        self.shapes: Counter[tuple[int, int]] = Counter()
        self.bare = 0
        self.prints: dict[str, Fingerprint] = {}
        self.split_of: dict[str, str] = {}
        self._data = data
        places = {name: place for place, name in enumerate(data.categories)}
        self._category = np.array([places[each.category] for each in data.concepts])
        self._images = np.zeros((len(data.concepts), 2), np.int64)  # images, pixels
        self._carrying = np.zeros((len(data.categories), 2), np.int64)  # images, their pixels

    def add(self, found: RowCheck) -> None:
        """Count one row."""
        self.splits[found.split] += 1
        self.split_of[found.name] = found.split
        if found.shape is not None:
            self.shapes[found.shape] += 1
            area = found.shape[0] * found.shape[1]
            for category in {int(self._category[column]) for column in found.pixels}:
                self._carrying[category] += 1, area
        for column, pixels in found.pixels.items():
            self._images[column] += 1, pixels
        self.bare += not found.pixels
        if found.print is not None:
            self.prints[found.name] = found.print

    def by_category(self) -> tuple[CategorySummary, ...]:
        """A summary of each category."""
        rows = []
        for place, name in enumerate(self._data.categories):
            own = self._images[self._category == place]
            images, area = self._carrying[place].tolist()
            pixels = int(own[:, 1].sum())
            seen = int((own[:, 0] > 0).sum())
            rows.append(CategorySummary(name, seen, images, pixels, area))
        return tuple(rows)

    def by_concept(self, quantile: float) -> tuple[ConceptSummary, ...]:
        """A summary of each concept."""
        rows = []
        for column, concept in enumerate(self._data.concepts):
            images, pixels = self._images[column].tolist()
            mask = quantile * int(self._carrying[self._category[column], 1])
            attainable = min(mask, pixels) / max(mask, pixels) if pixels else 0.0
            place = (concept.category, concept.name, concept.number)
            rows.append(ConceptSummary(*place, images, pixels, attainable))
        return tuple(rows)


def _duplicates(
    prints: Mapping[str, Fingerprint], split_of: Mapping[str, str]
) -> tuple[Duplicates, ...]:
    groups = near_duplicates(sorted(prints.items()))
    return tuple(
        Duplicates(
            tuple(names),
            tuple(sorted({split_of[name] for name in names})),
            len({prints[name].digest for name in names}) == 1,
        )
        for names in groups
    )
