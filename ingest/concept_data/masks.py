"""Masks: 8-bit RGB PNG files in which a pixel's label number is R + 256·G, and 0 is no label.

`check_mask` reads only the header, for every mask, before anything long starts; `read_label_maps`
decodes.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .concepts import ConceptData, ConceptImage

_HEADER_BYTES = 33  # the signature and the whole IHDR chunk
_HEADER = struct.Struct(">8sI4sIIBB")
_CHUNK = struct.Struct(">I4s")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""How a PNG begins."""
_COLOUR_TYPES = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGBA"}
# What damaged files raise here and in Pillow, as found by damaging some.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


def check_mask(path: Path, height: int, width: int, row: int) -> os.stat_result:
    """Check from its header that a file is a mask of the size its row in index.csv states.

    Returns:
        The file's size and times.

    Raises:
        DataError: no PNG, truncated in its header, of another size, or not 8-bit RGB.
    """
    try:
        header, state = read_file(path, _HEADER_BYTES)
    except OSError as error:
        raise _mask_error(path, row, f"mask cannot be read: {error.strerror}") from error
    found = _describe(header)
    expected = f"8-bit RGB PNG {width}×{height}"
    if found != expected:
        raise _mask_error(
            path,
            row,
            "not a mask",
            found=found,
            expected=expected + " (sw×sh), label = R + 256·G",
        )
    return state


def read_file(path: Path, most: int | None = None) -> tuple[bytes, os.stat_result]:
    """What a file holds, or its first bytes; its size and times.

    With as few calls as can be: each gives Python's lock away, and over a network takes its time.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        state = os.fstat(file)
        return os.read(file, state.st_size if most is None else most), state
    finally:
        os.close(file)


def read_label_maps(data: ConceptData, image: ConceptImage) -> NDArray[np.uint16]:
    """Decode every mask of an image.

    Returns:
        uint16 array (planes, mask_height, mask_width): the pixel's concept as its column in
        `data.concepts` + 1; 0 where unlabelled.

    Raises:
        DataError: a damaged file, a label number that label.csv does not have, or blue that is
            not 0; the message names the mask and the row of index.csv.
    """
    planes = np.empty((len(image.masks), image.mask_height, image.mask_width), np.uint16)
    for plane, path in zip(planes, image.planes, strict=True):
        rgb = read_mask(path, image)
        if rgb[..., 2].any():
            raise _mask_error(
                path,
                image.row,
                "mask with blue in it",
                found=f"B = {rgb[..., 2].max()}",
                expected="B = 0, label = R + 256·G",
            )
        # Widened first: in 8 bits, 256·G is 0 or an error.
        numbers = rgb[..., 0] + rgb[..., 1].astype(np.uint16) * np.uint16(256)
        columns = data.columns[numbers]
        unknown = (columns < 0) & (numbers > 0)
        if unknown.any():
            raise _mask_error(
                path,
                image.row,
                "mask with an unknown label",
                found=f"number {numbers[unknown][0]}",
                expected="0 or a number of label.csv",
            )
        plane[...] = np.where(numbers > 0, columns + 1, 0)
    return planes


def read_mask(path: Path, image: ConceptImage) -> NDArray[np.uint8]:
    """The pixels of one of an image's masks, uint8 (mask_height, mask_width, 3).

    Raises:
        DataError: a damaged file; the message names the row of index.csv.
    """
    try:
        content = path.read_bytes()
        _check_chunks(content)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            rgb = np.asarray(picture)
    except _DECODE_ERRORS as error:
        why = "no header" if isinstance(error, UnidentifiedImageError) else error
        raise _mask_error(
            path, image.row, f"damaged PNG: {why}", remedy="Write the mask again"
        ) from error
    if rgb.shape != (image.mask_height, image.mask_width, 3) or rgb.dtype != np.uint8:
        raise _mask_error(path, image.row, "mask changed since it was checked")
    return rgb


def _check_chunks(content: bytes) -> None:
    """Check every chunk's checksum, which Pillow does not: one wrong byte is another label.

    Raises:
        ValueError: a checksum is wrong, or the file ends too early.
    """
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if place + _CHUNK.size > len(content):
            raise ValueError("truncated")
        length, kind = _CHUNK.unpack_from(content, place)
        end = place + _CHUNK.size + length
        if content[end : end + 4] != zlib.crc32(content[place + 4 : end]).to_bytes(4, "big"):
            what = "truncated" if end + 4 > len(content) else "wrong checksum"
            raise ValueError(what)
        place = end + 4


def _describe(header: bytes) -> str:
    """The header in words, exactly as `check_mask` words what it expects."""
    if not header.startswith(SIGNATURE):
        return "no PNG"
    if len(header) < _HEADER_BYTES:
        return f"a PNG truncated to {len(header)} bytes"
    _, length, kind, width, height, bits, colour = _HEADER.unpack_from(header)
    if (length, kind) != (13, b"IHDR"):
        return "a damaged PNG"
    colours = _COLOUR_TYPES.get(colour, f"colour type {colour}")
    return f"{bits}-bit {colours} PNG {width}×{height}"


def _mask_error(
    path: Path,
    row: int,
    what: str,
    *,
    found: str | None = None,
    expected: str | None = None,
    remedy: str | None = None,
) -> DataError:
    return DataError(
        f"{what} (row {row} of index.csv)",
        file=path,
        found=found,
        expected=expected,
        remedy=remedy,
    )
