"""The tables of labels: label.csv, category.csv and c_<category>.csv, with their counts."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..labels import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class LabelCounts:
    """Images and pixels by label number.

    Attributes:
        images: images with the label, by number.
        pixels: by number and mask area, so that the order of the images does not change the sum of
            shares in `coverage`.
    """

    def __init__(self) -> None:
        self.images: Counter[int] = Counter()
        self.pixels: Counter[tuple[int, int]] = Counter()

    def add(
        self, label_maps: Sequence[NDArray[np.integer]], image_labels: Sequence[int], area: int
    ) -> None:
        """Count the labels of one category in one image, whose masks have `area` pixels."""
        pixels: Counter[int] = Counter()
        for label_map in label_maps:
            counts = np.bincount(label_map.ravel())
            pixels.update({int(number): int(counts[number]) for number in counts.nonzero()[0]})
        pixels.update(dict.fromkeys(image_labels, area))
        del pixels[0]
        self.images.update(pixels.keys())
        self.pixels.update({(number, area): count for number, count in pixels.items()})

    def coverage(self) -> dict[int, float]:
        """Return the sum over images of the label's share of the pixels, by number."""
        shares: dict[int, float] = {}
        for (number, area), pixels in sorted(self.pixels.items()):
            shares[number] = shares.get(number, 0) + pixels / area
        return shares


def write_label_tables(
    folder: Path,
    concepts: Mapping[str, Sequence[str]],
    numbers: Mapping[tuple[str, str], int],
    counts: LabelCounts,
    sources: Mapping[tuple[str, str], str],
) -> None:
    """Write the three kinds of tables, without labels that no image has.

    Args:
        folder: of the data set.
        concepts: names by category, in order.
        numbers: label number by category and name.
        counts: of what was written.
        sources: by which the labels of a concept were made, by category and name; drawn by people
            where there is none.
    """
    coverage = counts.coverage()
    labels: list[_LabelRow] = []
    categories = []
    for category, names in concepts.items():
        rows = [
            _LabelRow(
                number,
                name + SUFFIXES.get(category, ""),
                f"{category}({counts.images[number]})",
                counts.images[number],
                f"{coverage[number]:.9g}",
                "",
                sources.get((category, name), ""),
            )
            for name, number in ((name, numbers[category, name]) for name in names)
            if counts.images[number]
        ]
        labels += rows
        used = [row.number for row in rows] or [0]
        images = sum(row.frequency for row in rows)
        categories.append((category, min(used), max(used), len(rows), images))
        _write_codes(folder / f"c_{category}.csv", rows)
    write_csv(folder / "label.csv", _LabelRow._fields, labels)
    write_csv(folder / "category.csv", ("name", "first", "last", "count", "frequency"), categories)


class _LabelRow(NamedTuple):
    """A row of label.csv."""

    number: int
    name: str
    category: str
    frequency: int
    coverage: str
    syns: str
    source: str


def _write_codes(path: Path, labels: list[_LabelRow]) -> None:
    ordered = sorted(labels, key=lambda label: (-label.frequency, label.number))
    rows = [
        (code, label.number, label.name, label.frequency, label.coverage)
        for code, label in enumerate(ordered, 1)
    ]
    write_csv(path, ("code", "number", "name", "frequency", "coverage"), rows)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in UTF-8 with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
