"""Concept data in the Broden layout: images, and what is to be seen in them.

    FOLDER/index.csv          image,split,ih,iw,sh,sw and one column per category
           label.csv          number,name,category
           category.csv       name; the order decides ties
           c_<category>.csv   number,coverage: optional, decides a label's primary category
           images/            images, and masks beside them

A category's cell holds items separated by `;`: digits are a label of the whole image, anything
else is a mask under images/; nothing means that the category was not annotated in this image.
Categories are data: a set with others needs no code. `opening` reads and checks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .labels import Concept


@dataclass(frozen=True, slots=True)
class ConceptImage:
    """One row of index.csv.

    Attributes:
        folder: images/, of which it is a row.
        name: its path below images/, as the index writes it.
        row: its line in index.csv, for messages (the header is line 1); not compared.
        split: `train`, `val`, … as the index writes it.
        height: pixels (ih).
        width: pixels (iw).
        mask_height: pixels (sh).
        mask_width: pixels (sw).
        masks: every mask's path below images/, in order of categories, then as its cell lists them.
        image_labels: concepts of the whole image, as columns of `ConceptData.concepts`, ascending.
    """

    folder: Path
    name: str
    row: int = field(compare=False)
    split: str
    height: int
    width: int
    mask_height: int
    mask_width: int
    masks: tuple[str, ...]
    image_labels: tuple[int, ...]

    @property
    def path(self) -> Path:
        """The image file."""
        return self.folder / self.name  # made when asked for: a path takes four times its text

    @property
    def planes(self) -> list[Path]:
        """The files of `masks`."""
        return [self.folder / name for name in self.masks]


@dataclass(frozen=True)
class ConceptData:
    """A data set of images with concepts.

    Attributes:
        folder: where it lies.
        categories: in the order of category.csv.
        concepts: in order of label number; a concept's place here is its column everywhere.
        images: in order of name, whatever the order of the rows.
        digest: sha256 over tables, names and file sizes; not over the files' content.
        state: sha256 over sizes and times of all files: another one when a file was written.
    """

    folder: Path
    categories: tuple[str, ...]
    concepts: tuple[Concept, ...]
    images: tuple[ConceptImage, ...]
    digest: str
    state: str

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """Concept column by label number, 65,536 values; -1 is no concept."""
        table = np.full(65_536, -1, np.int32)
        table[[concept.number for concept in self.concepts]] = np.arange(len(self.concepts))
        return table

    def column(self, number: int) -> int:
        """The column of a label number (0 to 65,535); -1 when it is no concept."""
        return int(self.columns[number])
