"""What can be written in the Broden layout, so that the reader gets back what was given."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ....errors import DataError
from ..labels import HIGHEST_NUMBER
from ..csv_tables import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FIXED_COLUMNS = ("image", "split", "ih", "iw", "sh", "sw")
_LONGEST_PART = 200  # bytes of a file's name: file systems take 255, masks add their category


def check_folder(folder: Path, *, overwrite: bool) -> Path:
    """The folder a data set may be written to; call it before any work is done.

    Raises:
        DataError: it exists and `overwrite` is not set, or it holds no data set.
    """
    if not folder.exists():
        return folder
    if not overwrite:
        remedy = "Choose another name, or replace it with --overwrite"
        raise DataError("exists already", file=folder, remedy=remedy)
    if folder.is_symlink() or not (folder / "index.csv").is_file():
        remedy = "Remove it yourself, or choose another name"
        raise DataError("no data set, so it is not replaced", file=folder, remedy=remedy)
    return folder


def image_content(name: str, image: Image.Image | bytes | Path) -> bytes:
    """The encoded image: as given, or a Pillow image in the format that its name says.

    Raises:
        DataError: a file that cannot be read, or a name of another format.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, Path):
        try:
            return image.read_bytes()
        except OSError as error:
            raise DataError(f"image cannot be read: {error.strerror}", file=image) from error
    file = io.BytesIO()
    if name.lower().endswith(".png"):
        image.convert("RGB").save(file, "PNG", compress_level=1)
    elif name.lower().endswith((".jpg", ".jpeg")):
        image.convert("RGB").save(file, "JPEG", quality=95, subsampling=0)
    else:
        raise DataError("name of an image to encode", found=repr(name), expected=".png or .jpg")
    return file.getvalue()


def image_size(name: str, content: bytes) -> tuple[int, int]:
    """Width and height, from the header.

    Raises:
        DataError: not an image that Pillow knows.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.width, image.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError("not an image", file=name, found=str(error)[:80]) from error


def foreign_number(
    plane: NDArray[np.integer], category_of: NDArray[np.int16], place: int
) -> str | None:
    """What is wrong with a plane's numbers, in words; None if all are of the category."""
    if not np.issubdtype(plane.dtype, np.integer):
        return f"values of type {plane.dtype}"
    if plane.min() < 0 or plane.max() > HIGHEST_NUMBER:
        return f"number {plane.min() if plane.min() < 0 else plane.max()}"
    bad = (plane > 0) & (category_of[plane] != place)
    return f"number {plane[bad][0]}" if bad.any() else None


def check_concepts(concepts: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse categories and names that would not come back from the tables as they are.

    Raises:
        DataError: naming the first.
    """
    if sum(map(len, concepts.values())) > HIGHEST_NUMBER:
        raise DataError("too many concepts", expected=f"{HIGHEST_NUMBER} at most")
    for category, names in concepts.items():
        if not _is_plain(category) or set(category) & set("/\\;()") or category in FIXED_COLUMNS:
            raise DataError(
                "category that cannot be written",
                found=repr(category),
                expected="a name without / \\ ; ( ) that is no column of index.csv",
            )
        for name in names:
            if not _is_plain(name):
                raise DataError(
                    f"name of category {category!r} that cannot be written", found=repr(name)
                )
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise DataError(f"concept {twice[0]!r} of {category!r} is given twice")


def check_image_name(name: str) -> None:
    """Refuse names that some file system, or a cell of index.csv, could not hold.

    Raises:
        DataError: naming it.
    """
    parts = name.split("/")
    plain = _is_plain(name) and not set(name) & set('\\;:*?"<>|') and whole_number(name) is None
    short = all(len(part.encode("utf-8", "replace")) <= _LONGEST_PART for part in parts)
    if not (plain and short and not set(parts) & {"", ".", ".."}):
        raise DataError(
            "name of an image that cannot be written",
            found=repr(name[:300]),
            expected='a relative path with /, without ; \\ : * ? " < > | and line ends',
        )


def _is_plain(text: str) -> bool:
    """Whether it comes back from a CSV cell as it was: printable, no outer spaces."""
    encodable = text.encode("utf-8", "ignore").decode() == text
    return encodable and text == text.strip() and bool(text) and text.isprintable()
