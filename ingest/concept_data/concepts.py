"""Concept data in the Broden layout: images, and which concepts are where in them.

    FOLDER/index.csv          image,split,ih,iw,sh,sw and one column per category
           label.csv          number,name,category
           category.csv       name; the order decides ties
           c_<category>.csv   number,coverage: optional, decides a label's primary category
           images/            images, and masks beside them

A category's cell holds items separated by `;`: digits are an image-level label (a label number),
digits after a minus a concept that somebody said is not in the image, anything else is a mask file
below images/. An empty cell means that the category was not annotated in this image; `-0` that it
was, and that the image has nothing of it. Categories are data: a data set with others needs no
code. `opening` reads and checks a data set.

Two more columns make clips of images. `frames` says how many frames lie one below the other in the
image, the first on top (a film strip), and likewise in its masks; 1 if empty. `annotated` lists
those that are annotated, `0;5;10`; all if empty. A still is a clip of one frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from .labels import Concept

FIXED_COLUMNS = ("image", "split", "ih", "iw", "sh", "sw")
"""Columns of index.csv before those of the categories."""
CLIP_COLUMNS = ("frames", "annotated")
"""Columns of index.csv that only data with clips need."""
NOTHING = "-0"
"""Cell of a category with which an image is annotated, and of which it has nothing."""


@dataclass(frozen=True, slots=True)
class ConceptImage:
    """One image: a row of index.csv.

    Attributes:
        folder: the data set's images/.
        name: its path below images/, as index.csv writes it.
        row: its line in index.csv, for messages (the header is line 1); not compared.
        split: `train`, `val`, … as index.csv writes it.
        height: pixels (ih), of all frames together.
        width: pixels (iw).
        mask_height: pixels (sh), of all frames together.
        mask_width: pixels (sw).
        masks: paths of its mask files below images/, by order of categories, then of the cell.
        image_labels: image-level labels, as columns of `ConceptData.concepts`, ascending.
        absent: concepts that somebody said are not in the image, likewise.
        nothing_of: categories with which the image is annotated, though it has nothing of them, as
            positions in `ConceptData.categories`, ascending.
        frames: that lie one below the other in the image, and in its masks; 1 of a still.
        annotated: the frames that are annotated, ascending; labels count in no other frame.
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
    absent: tuple[int, ...] = ()
    nothing_of: tuple[int, ...] = ()
    frames: int = 1
    annotated: tuple[int, ...] = (0,)

    @property
    def path(self) -> Path:
        """The image file."""
        return self.folder / self.name  # built on demand: a Path takes four times its text

    @property
    def labelled_height(self) -> int:
        """Pixels of the masks' annotated frames, one below the other."""
        return self.mask_height // self.frames * len(self.annotated)

    @property
    def mask_paths(self) -> list[Path]:
        """The mask files."""
        return [self.folder / name for name in self.masks]


@dataclass(frozen=True)
class ConceptData:
    """A data set of images with concepts.

    Attributes:
        folder: of the data set.
        categories: in the order of category.csv.
        concepts: in order of label number; a concept's position here is its column everywhere.
        images: in order of name, whatever the order of rows in index.csv.
        digest: sha256 of tables, names and file sizes; not of the files' content.
        state: sha256 of sizes and times of all files; differs once a file was written again.
        dropped: names of images that cannot be read, or a mask of theirs, and why; they are not
            among `images`.
    """

    folder: Path
    categories: tuple[str, ...]
    concepts: tuple[Concept, ...]
    images: tuple[ConceptImage, ...]
    digest: str
    state: str
    dropped: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """Concept column by label number, int32 (65536,); -1 where no concept has the number."""
        table = np.full(65_536, -1, np.int32)
        table[[concept.number for concept in self.concepts]] = np.arange(len(self.concepts))
        return table

    @cached_property
    def asked(self) -> NDArray[np.bool_]:
        """Which concepts are known only where somebody was asked; bool (concepts,).

        Those that somebody said are not in some image. Any other is taken not to be in an image
        that is annotated with its category, but not with it.
        """
        asked = np.zeros(len(self.concepts), np.bool_)
        asked[[column for image in self.images for column in image.absent]] = True
        return asked

    def column(self, number: int) -> int:
        """Return the column of a label number (0 to 65,535); -1 if no concept has it."""
        return int(self.columns[number])
