"""Checks of what is to be written: the reader must get back exactly what was given."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataError
from ....files import read_whole
from ..csv_tables import parse_digits
from ..images import read_header
from ..labels import HIGHEST_NUMBER, is_category, plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from PIL import Image

UNWRITABLE = frozenset('\\;:*?"<>|')
"""Characters that an image's name may not have."""
LONGEST_PART = 200
"""Of a name, in bytes; file systems allow 255, and a mask's name adds its category."""


def check_output_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a data set may be written to a folder, before any work is done.

    Raises:
        DataError: it exists, and `overwrite` is not set or it is no data set.
    """
    if not folder.exists():
        return
    if not overwrite:
        remedy = "Choose another name, or replace it with --overwrite"
        raise DataError("already exists", file=folder, remedy=remedy)
    if folder.is_symlink() or not (folder / "index.csv").is_file():
        remedy = "Remove it yourself, or choose another name"
        raise DataError("no data set, so it is not replaced", file=folder, remedy=remedy)


def encode_image(name: str, image: Image.Image | bytes | Path) -> bytes:
    """Return an image as an encoded file; a Pillow image in the format that its name says.

    Raises:
        DataError: a file that cannot be read, or a name of another format.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, Path):
        try:
            return read_whole(image)
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


def read_image_size(name: str, content: bytes) -> tuple[int, int]:
    """Read width and height of an image, as it is seen, from its header.

    Raises:
        DataError: not an image that Pillow reads.
    """
    header = read_header(content, name=name)
    return header.width, header.height


def invalid_number(
    label_map: NDArray[np.integer], category_of: NDArray[np.int16], category: int
) -> str | None:
    """Describe what is wrong with a label map's numbers; None if all are of the category.

    Args:
        label_map: (height, width).
        category_of: category by label number.
        category: the one that all numbers above 0 must have.
    """
    if not np.issubdtype(label_map.dtype, np.integer):
        return f"values of type {label_map.dtype}"
    lowest, highest = label_map.min(), label_map.max()
    if lowest < 0 or highest > HIGHEST_NUMBER:
        return f"number {lowest if lowest < 0 else highest}"
    invalid = (label_map > 0) & (category_of[label_map] != category)
    return f"number {label_map[invalid][0]}" if invalid.any() else None


def check_concepts(concepts: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse categories and names that the tables would not give back unchanged.

    Raises:
        DataError: naming the first.
    """
    if sum(map(len, concepts.values())) > HIGHEST_NUMBER:
        raise DataError("too many concepts", expected=f"{HIGHEST_NUMBER} at most")
    for category, names in concepts.items():
        if not is_category(category):
            raise DataError(
                "category that cannot be written",
                found=repr(category),
                expected="a name without / \\ ; ( ) that is no column of index.csv",
            )
        for name in names:
            if not name or name != plain_name(name):
                raise DataError(
                    f"name of category {category!r} that cannot be written",
                    found=repr(name),
                    expected=repr(plain_name(name)),
                )
        duplicated = [name for name, times in Counter(names).items() if times > 1]
        if duplicated:
            raise DataError(f"concept {duplicated[0]!r} of category {category!r} is duplicated")


def check_frames(
    name: str, frames: int, annotated: tuple[int, ...], height: int, mask_height: int
) -> None:
    """Refuse frames that do not fit an image, its masks, or the annotated ones among them.

    Raises:
        DataError: naming the image.
    """
    if frames < 1 or height % frames or mask_height % frames:
        found = f"heights {height} and {mask_height}"
        what, expected = "frames of an image and its masks", f"multiples of {frames} frames"
        raise DataError(what, file=name, found=found, expected=expected)
    if not annotated or list(annotated) != sorted(set(annotated) & set(range(frames))):
        what, found = "annotated frames", ", ".join(map(str, annotated)) or "none"
        raise DataError(what, file=name, found=found, expected=f"0 to {frames - 1}, ascending")


def is_image_name(name: str) -> bool:
    """Return whether every file system, and a cell of index.csv, can hold a name."""
    parts = name.split("/")
    plain = _is_plain(name) and not set(name) & UNWRITABLE and parse_digits(name) is None
    short = all(len(part.encode("utf-8", "replace")) <= LONGEST_PART for part in parts)
    return plain and short and not set(parts) & {"", ".", ".."}


def check_image_name(name: str) -> None:
    """Refuse a name that some file system, or a cell of index.csv, cannot hold.

    Raises:
        DataError: naming it.
    """
    if not is_image_name(name):
        raise DataError(
            "name of an image that cannot be written",
            found=repr(name[:300]),
            expected='a relative path with /, without ; \\ : * ? " < > | and line ends',
        )


def _is_plain(text: str) -> bool:
    """Return whether a CSV cell gives a text back unchanged: printable, no outer spaces."""
    encodable = text.encode("utf-8", "ignore").decode() == text
    return encodable and text == text.strip() and bool(text) and text.isprintable()
