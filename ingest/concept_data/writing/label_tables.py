"""The tables of the Broden layout that count: label.csv, category.csv and c_<category>.csv."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ..labels import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class LabelCounts:
    """Images and pixels by label number.

    Attributes:
        images: in which the label is.
        covered: pixels by number and mask area, so that shares of images can be summed in one
            order whatever the order of the images.
    """

    def __init__(self) -> None:
        self.images: Counter[int] = Counter()
        self.covered: Counter[tuple[int, int]] = Counter()

    def add(
        self, planes: Sequence[NDArray[np.integer]], image_labels: Sequence[int], area: int
    ) -> None:
        """Count one category of one image: masks of `area` pixels, and labels of the whole."""
        pixels: Counter[int] = Counter()
        for plane in planes:
            counts = np.bincount(plane.ravel())
            pixels.update({int(number): int(counts[number]) for number in counts.nonzero()[0]})
        pixels.update(dict.fromkeys(image_labels, area))
        del pixels[0]
        self.images.update(pixels.keys())
        self.covered.update({(number, area): count for number, count in pixels.items()})

    def coverage(self) -> dict[int, float]:
        """Images' worth of pixels by number."""
        shares: dict[int, float] = {}
        for (number, area), pixels in sorted(self.covered.items()):
            shares[number] = shares.get(number, 0) + pixels / area
        return shares


def write_label_tables(
    folder: Path,
    concepts: Mapping[str, Sequence[str]],
    numbers: Mapping[tuple[str, str], int],
    counts: LabelCounts,
) -> None:
    """Write the three kinds of tables; labels of no image are left out.

    Args:
        folder: of the data set.
        concepts: names by category, in order.
        numbers: label number by category and name.
        counts: what was written.
    """
    coverage = counts.coverage()
    labels, categories = [], []
    for category, names in concepts.items():
        mine = [(name, numbers[category, name]) for name in names]
        used = [
            _label(category, name, number, counts.images[number], coverage[number])
            for name, number in mine
            if counts.images[number]
        ]
        labels += used
        own = [label[0] for label in used] or [0]
        images = sum(label[3] for label in used)
        categories.append((category, min(own), max(own), len(used), images))
        _write_codes(folder / f"c_{category}.csv", used)
    head = ("number", "name", "category", "frequency", "coverage", "syns")
    write_csv(folder / "label.csv", head, labels)
    write_csv(folder / "category.csv", ("name", "first", "last", "count", "frequency"), categories)


def _label(
    category: str, name: str, number: int, images: int, coverage: float
) -> tuple[int, str, str, int, str, str]:
    """The concept's row of label.csv."""
    shown = name + SUFFIXES.get(category, "")
    return number, shown, f"{category}({images})", images, f"{coverage:.9g}", ""


def _write_codes(path: Path, labels: list[tuple[int, str, str, int, str, str]]) -> None:
    ordered = sorted(labels, key=lambda label: (-label[3], label[0]))
    rows = [
        (code, number, name, images, coverage)
        for code, (number, name, _, images, coverage, _) in enumerate(ordered, 1)
    ]
    write_csv(path, ("code", "number", "name", "frequency", "coverage"), rows)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table in UTF-8 with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
