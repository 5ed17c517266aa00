"""Writes concept data in the Broden layout, image by image, in bounded memory.

1. The concepts are known before the first image, so that masks can be written as images come:
   label numbers count from 1, in the order in which categories and names are given.
2. Everything goes to `.FOLDER.partial` beside the target, which is renamed when the tables are
   written. If anything fails, nothing is left of it.
3. Rows are in the order of their image's sha256, and the split follows from it (0.7 train,
   0.3 val): the files are the same in whatever order images were added, and identical images are
   never in different splits. (Broden's own builder hashes the image's path.)

`open_concept_data` reads what this writes.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ....errors import DataError, nearest
from ....files import BEING_WRITTEN, empty_folder, lock_folder, remove_folder, replace_folder
from ..concepts import CLIP_COLUMNS, FIXED_COLUMNS, NOTHING
from ..opening import all_frames
from .input_checks import (
    check_concepts,
    check_frames,
    check_image_name,
    check_output_folder,
    encode_image,
    invalid_number,
    read_image_size,
)
from .label_tables import LabelCounts, write_csv, write_label_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

TRAIN_SHARE = 0.7


class _IndexRow(NamedTuple):
    digest: str
    cells: dict[str, str | int]


class BrodenWriter:
    """A data set that is being written; a context manager.

        with BrodenWriter(folder, {"color": ["red"], "object": ["bag"]}) as writer:
            writer.add("a.png", image, {"object": [label_map]}, {"color": ["red"]})

    Attributes:
        numbers: label number by (category, name): the values of label maps.
    """

    def __init__(
        self,
        folder: Path,
        concepts: Mapping[str, Sequence[str]],
        *,
        mask_shape: tuple[int, int] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Check the names and number the concepts; nothing is written yet.

        Args:
            folder: the data set to write.
            concepts: names by category. The order of categories becomes that of category.csv, which
                decides ties.
            mask_shape: height and width stated for the masks of an image that has none; the size
                of the image if None. An image-level label counts that many pixels.
            overwrite: replace an existing data set once the new one is complete.

        Raises:
            DataError: the folder exists (and is no data set to overwrite), a name cannot be
                written, or there are too many concepts.
        """
        self._folder = Path(folder)
        check_output_folder(self._folder, overwrite=overwrite)
        self._concepts = {category: tuple(names) for category, names in concepts.items()}
        check_concepts(self._concepts)
        self.numbers = label_numbers(self._concepts)
        self._category_of = np.zeros(65_536, np.int16)
        for (category, _), number in self.numbers.items():
            self._category_of[number] = list(self._concepts).index(category) + 1
        self._mask_shape = mask_shape
        self._rows: list[_IndexRow] = []
        self._written: set[str] = set()
        self._counts = LabelCounts()
        self._extra_tables: dict[str, tuple[Sequence[str], Sequence[Sequence[object]]]] = {}
        self._sources: dict[tuple[str, str], str] = {}
        self._partial: Path | None = None
        self._lock: int | None = None

    def __enter__(self) -> BrodenWriter:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        partial = self._folder.with_name(f".{self._folder.name}.partial")
        self._lock = lock_folder(partial)
        if self._lock is None:
            remedy = "Wait for it, or choose another name"
            raise DataError(BEING_WRITTEN, file=self._folder, remedy=remedy)
        self._partial = partial
        try:
            if self._earlier().exists() and not self._folder.exists():
                self._earlier().rename(self._folder)  # killed between two renames
            empty_folder(partial)
            (partial / "images").mkdir()
        except BaseException:
            self._leave(partial)
            raise
        return self

    def _leave(self, partial: Path) -> None:
        remove_folder(partial)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _earlier(self) -> Path:
        return self._folder.with_name(f".{self._folder.name}.earlier")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        partial, self._partial = self._partial, None
        if partial is None:
            return
        try:
            if kind is None:
                self._write_tables(partial)
                replace_folder(partial, self._folder, self._earlier())
        finally:
            self._leave(partial)

    def add(
        self,
        name: str,
        image: Image.Image | bytes | Path,
        label_maps: Mapping[str, Sequence[NDArray[np.integer]]] | None = None,
        image_labels: Mapping[str, Sequence[str]] | None = None,
        *,
        absent: Mapping[str, Sequence[str]] | None = None,
        annotated: Collection[str] = (),
        split: str | None = None,
        mask_shape: tuple[int, int] | None = None,
        frames: int = 1,
        annotated_frames: Sequence[int] | None = None,
    ) -> None:
        """Write one image with its labels.

        Args:
            name: its path below images/, with `/`; the suffix decides the format of a Pillow image.
            image: a Pillow image (encoded here), or an encoded file's bytes or path (copied).
            label_maps: by category, integers (mask height, mask width): 0, or a label number of
                that category. All of an image have one size; those without a label are left out.
            image_labels: names of concepts that label the whole image, by category.
            absent: names of concepts that somebody said are not in the image, by category.
            annotated: categories of which the image has nothing, unless it has a label of them.
            split: derived from the image's content if None.
            mask_shape: as of the constructor, for this image.
            frames: that lie one below the other in the image and the label maps; 1 of a still.
            annotated_frames: the frames that are annotated, ascending; all if None.

        Raises:
            DataError: a name that cannot be written or is duplicated, not an image, an unknown
                concept, label maps that do not fit, or a height that is no multiple of `frames`.
        """
        if self._partial is None:
            raise DataError("writer is not open", remedy="Use it in a with statement")
        check_image_name(name)
        content = encode_image(name, image)
        width, height = read_image_size(name, content)
        maps = {
            category: [np.asarray(label_map) for label_map in maps]
            for category, maps in (label_maps or {}).items()
        }
        shape = self._check_label_maps(name, maps) or mask_shape or self._mask_shape
        shape = shape or (height, width)
        shown = all_frames(frames) if annotated_frames is None else tuple(annotated_frames)
        check_frames(name, frames, shown, height, shape[0])
        numbers, absent_numbers = self._numbers(image_labels), self._numbers(absent)
        digest = hashlib.sha256(content).hexdigest()
        fixed = (name, split or split_of(digest), height, width, *shape)
        cells: dict[str, str | int] = dict(zip(FIXED_COLUMNS, fixed, strict=True))
        if frames > 1:
            some = ";".join(map(str, shown)) if shown != all_frames(frames) else ""
            cells.update(zip(CLIP_COLUMNS, (frames, some), strict=True))
        self._write(name, content)
        for category in self._concepts:
            labelled = [label_map for label_map in maps.get(category, []) if label_map.any()]
            items = self._write_masks(name, category, labelled)
            items += map(str, numbers.get(category, []))
            items += [f"-{number}" for number in absent_numbers.get(category, [])]
            cells[category] = ";".join(items) or (NOTHING if category in annotated else "")
            area = shape[0] // frames * shape[1] * len(shown)
            self._counts.add(labelled, numbers.get(category, []), area)
        self._rows.append(_IndexRow(digest, cells))

    def add_table(
        self, name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
    ) -> None:
        """Add a CSV table that is written beside those of the layout."""
        self._extra_tables[name] = (columns, rows)

    def name_sources(self, sources: Mapping[tuple[str, str], str]) -> None:
        """State by what the labels of concepts were made, by category and name."""
        self._sources.update(sources)

    def _numbers(self, names: Mapping[str, Sequence[str]] | None) -> dict[str, list[int]]:
        """Return the label numbers of concepts, ascending, by category."""
        return {
            category: sorted({self._number(category, concept) for concept in concepts})
            for category, concepts in (names or {}).items()
        }

    def _number(self, category: str, name: str) -> int:
        number = self.numbers.get((category, name))
        if number is None:
            names = self._concepts.get(category)
            raise DataError(
                f"no concept {name!r} of category {category!r}",
                remedy=nearest(*((name, names) if names else (category, self._concepts))),
            )
        return number

    def _check_label_maps(
        self, name: str, label_maps: Mapping[str, Sequence[NDArray[np.integer]]]
    ) -> tuple[int, int] | None:
        """Check an image's label maps; return their one shape, None if there are none."""
        shapes = {label_map.shape for maps in label_maps.values() for label_map in maps}
        if len(shapes) > 1 or any(len(shape) != 2 or 0 in shape for shape in shapes):
            raise DataError(
                "label maps of an image differ in size or have none",
                file=name,
                found=", ".join(map(str, sorted(shapes))),
                expected="(height, width), the same for all",
            )
        categories = list(self._concepts)
        for category, maps in label_maps.items():
            position = categories.index(category) + 1 if category in categories else -1
            for label_map in maps:
                found = invalid_number(label_map, self._category_of, position)
                if found is not None:
                    what = f"label map with a number that is no concept of category {category!r}"
                    raise DataError(what, file=name, found=found)
        return shapes.pop() if shapes else None

    def _write(self, name: str, content: bytes) -> None:
        if self._partial is None:
            raise DataError("writer is not open")
        if name in self._written:
            remedy = "Give each image its own name, also apart from its suffix"
            raise DataError(f"file {name!r} would be written twice", remedy=remedy)
        self._written.add(name)
        path = self._partial / "images" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", file=name) from error

    def _write_masks(
        self, name: str, category: str, label_maps: Sequence[NDArray[np.integer]]
    ) -> list[str]:
        """Write label maps as mask files; return their names below images/."""
        base = name if not name.lower().endswith((".jpg", ".png")) else name[:-4]
        names = []
        for k, label_map in enumerate(label_maps, 1):
            suffix = f"_{k}" if len(label_maps) > 1 else ""
            names.append(f"{base}_{category}{suffix}.png")
            self._write(names[-1], encode_mask(label_map))
        return names

    def _write_tables(self, folder: Path) -> None:
        if not self._rows or not self._counts.images:
            what = "nothing to write: no images" if not self._rows else "no image has a concept"
            raise DataError(what, file=self._folder)
        clip_columns = CLIP_COLUMNS if any("frames" in row.cells for row in self._rows) else ()
        columns = [*FIXED_COLUMNS, *clip_columns, *self._concepts]
        rows = sorted(self._rows, key=lambda row: (row.digest, str(row.cells["image"])))
        cells = ([row.cells.get(column, "") for column in columns] for row in rows)
        write_csv(folder / "index.csv", columns, cells)
        write_label_tables(folder, self._concepts, self.numbers, self._counts, self._sources)
        for name, (extra_columns, extra_rows) in self._extra_tables.items():
            write_csv(folder / name, extra_columns, extra_rows)


def label_numbers(concepts: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], int]:
    """Return label numbers by (category, name): from 1, in the order of categories and names."""
    pairs = [(category, name) for category, names in concepts.items() for name in names]
    return {pair: number for number, pair in enumerate(pairs, 1)}


def split_of(digest: str) -> str:
    """Return `train` or `val` for a sha256 in hexadecimal."""
    return "train" if int(digest[:8], 16) / 16**8 < TRAIN_SHARE else "val"


def encode_mask(label_map: NDArray[np.integer]) -> bytes:
    """Encode label numbers (height, width) as a PNG file, label = R + 256·G."""
    rgb = np.zeros((*label_map.shape, 3), np.uint8)
    numbers = label_map.astype(np.uint16)  # in 8 bits, 256 is no number
    rgb[..., 0], rgb[..., 1] = numbers % 256, numbers // 256
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", compress_level=3)
    return file.getvalue()
