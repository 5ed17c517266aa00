"""Writing concept data in the Broden layout, image by image, in bounded memory.

1. The concepts are known before the first image, so that masks can be written with their numbers
   as they come: numbers count from 1, in the order in which categories and names are given.
2. Everything goes to `.FOLDER.partial-…` beside the target, renamed when the tables are written.
   Nothing is left of a set whose writing failed.
3. Rows stand in the order of their image's sha256, and the split follows from it (.7 train,
   .3 val): the files are the same in whatever order images were added, and equal images never
   lie in different splits.

`open_concept_data` reads what this writes. Broden's own builder hashes the image's path instead.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ....errors import DataError, nearest
from .input_checks import (
    FIXED_COLUMNS,
    check_concepts,
    check_folder,
    check_image_name,
    foreign_number,
    image_content,
    image_size,
)
from .label_tables import LabelCounts, write_csv, write_label_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

TRAIN_SHARE = 0.7


class _Row(NamedTuple):
    digest: str
    cells: dict[str, str | int]


class BrodenWriter:
    """Writes one data set; a context manager.

        with BrodenWriter(folder, {"color": ["red"], "object": ["bag"]}) as writer:
            writer.add("a.png", image, planes={"object": [mask]}, image_labels={"color": ["red"]})

    Attributes:
        numbers: label number by (category, name); what masks are made of.
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
            folder: where the data set shall be.
            concepts: names by category. The order of categories is that of category.csv, which
                decides ties.
            mask_shape: height and width that an image without masks states for them; its own size
                if None. It is what labels of the whole image weigh.
            overwrite: replace a data set that is there, once the new one is complete.

        Raises:
            DataError: the folder exists (and is no data set to overwrite), a name cannot be
                written, or there are too many.
        """
        self._folder = check_folder(Path(folder), overwrite=overwrite)
        self._concepts = {category: tuple(names) for category, names in concepts.items()}
        check_concepts(self._concepts)
        pairs = [(category, name) for category, names in concepts.items() for name in names]
        self.numbers = {pair: number for number, pair in enumerate(pairs, 1)}
        self._category_of = np.zeros(65_536, np.int16)
        for (category, _), number in self.numbers.items():
            self._category_of[number] = list(self._concepts).index(category) + 1
        self._mask_shape = mask_shape
        self._rows: list[_Row] = []
        self._written: set[str] = set()
        self._counts = LabelCounts()
        self._others: dict[str, tuple[Sequence[str], Sequence[Sequence[object]]]] = {}
        self._path: Path | None = None

    def __enter__(self) -> BrodenWriter:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{self._folder.name}.partial-"
        self._path = Path(tempfile.mkdtemp(prefix=prefix, dir=self._folder.parent))
        self._path.chmod(0o755)  # mkdtemp's own is for the owner alone
        (self._path / "images").mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        path, self._path = self._path, None
        if path is None:
            return
        try:
            if kind is None:
                self._write_all_tables(path)
                self._take_name(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def add(
        self,
        name: str,
        image: Image.Image | bytes | Path,
        planes: Mapping[str, Sequence[NDArray[np.integer]]] | None = None,
        image_labels: Mapping[str, Sequence[str]] | None = None,
        *,
        split: str | None = None,
        mask_shape: tuple[int, int] | None = None,
    ) -> None:
        """Write one image with its masks.

        Args:
            name: its path below images/, with `/`; the suffix decides the format of a Pillow image.
            image: a Pillow image (encoded here), or an encoded file's bytes or path (copied).
            planes: masks by category, integers (mask height, mask width), 0 or a number of that
                category; all of one size. Empty ones are left out.
            image_labels: names of concepts of the whole image, by category.
            split: None takes it from the image's content.
            mask_shape: of this image, should it have no masks.

        Raises:
            DataError: a name that cannot be written or stands there twice, no image, an unknown
                concept, or masks that do not fit.
        """
        if self._path is None:
            raise DataError("writer is not open", remedy="Use it in a with statement")
        check_image_name(name)
        content = image_content(name, image)
        width, height = image_size(name, content)
        masks = {key: [np.asarray(plane) for plane in each] for key, each in (planes or {}).items()}
        shape = self._check_masks(name, masks) or mask_shape or self._mask_shape
        shape = shape or (height, width)
        whole = {
            category: sorted({self._number(category, each) for each in names})
            for category, names in (image_labels or {}).items()
        }
        digest = hashlib.sha256(content).hexdigest()
        fixed = (name, split or split_of(digest), height, width, *shape)
        cells: dict[str, str | int] = dict(zip(FIXED_COLUMNS, fixed, strict=True))
        self._write(name, content)
        for category in self._concepts:
            kept = [plane for plane in masks.get(category, []) if plane.any()]
            items = self._write_masks(name, category, kept)
            cells[category] = ";".join([*items, *map(str, whole.get(category, []))])
            self._counts.add(kept, whole.get(category, []), shape[0] * shape[1])
        self._rows.append(_Row(digest, cells))

    def add_table(
        self, name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
    ) -> None:
        """Have a CSV table of another kind written beside the data set's own."""
        self._others[name] = (columns, rows)

    def _take_name(self, path: Path) -> None:
        """Rename the finished folder; an earlier one goes only once that has worked."""
        if not self._folder.exists():
            path.rename(self._folder)
            return
        earlier = path.with_name(f"{path.name}-earlier")
        self._folder.rename(earlier)
        try:
            path.rename(self._folder)
        except BaseException:
            earlier.rename(self._folder)
            raise
        shutil.rmtree(earlier, ignore_errors=True)

    def _number(self, category: str, name: str) -> int:
        number = self.numbers.get((category, name))
        if number is None:
            known = self._concepts.get(category)
            raise DataError(
                f"no concept {name!r} of category {category!r}",
                remedy=nearest(*((name, known) if known else (category, self._concepts))),
            )
        return number

    def _check_masks(
        self, name: str, masks: Mapping[str, Sequence[NDArray[np.integer]]]
    ) -> tuple[int, int] | None:
        """The masks' one shape."""
        shapes = {plane.shape for each in masks.values() for plane in each}
        if len(shapes) > 1 or any(len(shape) != 2 or 0 in shape for shape in shapes):
            raise DataError(
                "masks of an image differ in size or have none",
                file=name,
                found=", ".join(map(str, sorted(shapes))),
                expected="(height, width), the same for all",
            )
        categories = list(self._concepts)
        for category, each in masks.items():
            place = categories.index(category) + 1 if category in categories else -1
            for plane in each:
                bad = foreign_number(plane, self._category_of, place)
                if bad is not None:
                    what = f"mask with a number that is no concept of category {category!r}"
                    raise DataError(what, file=name, found=bad)
        return shapes.pop() if shapes else None

    def _write(self, name: str, content: bytes) -> None:
        if self._path is None:
            raise DataError("writer is not open")
        if name in self._written:
            remedy = "Give each image its own name, also apart from its suffix"
            raise DataError(f"file {name!r} would be written twice", remedy=remedy)
        self._written.add(name)
        path = self._path / "images" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", file=name) from error

    def _write_masks(
        self, name: str, category: str, planes: Sequence[NDArray[np.integer]]
    ) -> list[str]:
        """Names of the masks below images/."""
        base = name if not name.lower().endswith((".jpg", ".png")) else name[:-4]
        names = []
        for k, plane in enumerate(planes, 1):
            suffix = f"_{k}" if len(planes) > 1 else ""
            names.append(f"{base}_{category}{suffix}.png")
            self._write(names[-1], encode_mask(plane))
        return names

    def _write_all_tables(self, path: Path) -> None:
        if not self._rows or not self._counts.images:
            what = "nothing to write: no images" if not self._rows else "no image has a concept"
            raise DataError(what, file=self._folder)
        columns = [*FIXED_COLUMNS, *self._concepts]
        rows = sorted(self._rows, key=lambda row: (row.digest, str(row.cells["image"])))
        cells = ([row.cells[column] for column in columns] for row in rows)
        write_csv(path / "index.csv", columns, cells)
        write_label_tables(path, self._concepts, self.numbers, self._counts)
        for name, (names, others) in self._others.items():
            write_csv(path / name, names, others)


def split_of(digest: str) -> str:
    """`train` or `val`, from a sha256 in hexadecimal."""
    return "train" if int(digest[:8], 16) / 16**8 < TRAIN_SHARE else "val"


def encode_mask(plane: NDArray[np.integer]) -> bytes:
    """Label numbers (height, width) as a PNG file, label = R + 256·G."""
    rgb = np.zeros((*plane.shape, 3), np.uint8)
    numbers = plane.astype(np.uint16)  # in 8 bits, 256 is no number
    rgb[..., 0], rgb[..., 1] = numbers % 256, numbers // 256
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", compress_level=3)
    return file.getvalue()
