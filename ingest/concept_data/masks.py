"""Mask files: 8-bit RGB PNG in which a pixel's label number is R + 256·G, and 0 is no label.

`check_mask` reads only the header: every mask is checked so before anything long starts.
`read_label_maps` decodes an image's masks to its label maps.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from ...files import LARGEST_TEXT, read_whole
from .images import without_texts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .concepts import ConceptData, ConceptImage

_HEADER_BYTES = 33  # the signature and the whole IHDR chunk
_HEADER = struct.Struct(">8sI4sIIBB")
_CHUNK = struct.Struct(">I4s")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG."""
_COLOUR_TYPES = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGBA"}
# What damaged files raise here and in Pillow (tests damage every byte).
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


def check_mask(path: Path, height: int, width: int, row: int) -> os.stat_result:
    """Check by its header that a file is a mask of the size that its row of index.csv states.

    Returns:
        The file's status: its size and times.

    Raises:
        DataError: not a PNG, a truncated header, another size, or not 8-bit RGB.
    """
    try:
        header, status = read_file(path, _HEADER_BYTES)
    except OSError as error:
        raise _mask_error(path, row, f"mask cannot be read: {error.strerror}") from error
    kind = _describe_header(header)
    expected = f"8-bit RGB PNG {width}×{height}"
    if kind != expected:
        raise _mask_error(
            path,
            row,
            "not a mask",
            found=kind,
            expected=expected + " (sw×sh), label = R + 256·G",
        )
    return status


def read_file(path: Path, most: int | None = None) -> tuple[bytes, os.stat_result]:
    """Read a file, or its first bytes; return the bytes and the file's status.

    Uses as few system calls as possible: each releases the GIL, and is slow over a network.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(file)
        if status.st_size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, "too large", str(path))
        return os.read(file, status.st_size if most is None else most), status
    finally:
        os.close(file)


def read_label_maps(data: ConceptData, image: ConceptImage) -> NDArray[np.uint16]:
    """Decode every mask of an image.

    Returns:
        uint16 (label maps, mask_height, mask_width): the pixel's concept as its column in
        `data.concepts` + 1; 0 where unlabelled.

    Raises:
        DataError: a damaged file, a label number that is not in label.csv, or blue that is not
            0; the message names the mask and the row of index.csv.
    """
    label_maps = np.empty((len(image.masks), image.mask_height, image.mask_width), np.uint16)
    for label_map, path in zip(label_maps, image.mask_paths, strict=True):
        rgb = read_mask(path, image)
        if rgb[..., 2].any():
            raise _mask_error(
                path,
                image.row,
                "mask with blue",
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
        label_map[...] = np.where(numbers > 0, columns + 1, 0)
    return label_maps


def read_mask(path: Path, image: ConceptImage) -> NDArray[np.uint8]:
    """Decode one of an image's masks to RGB, uint8 (mask_height, mask_width, 3).

    Raises:
        DataError: a damaged file; the message names the row of index.csv.
    """
    try:
        content = read_whole(path)
        content = without_texts(content) or content
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
    """Check the checksum of every chunk, as Pillow does not: one wrong byte is another label.

    Raises:
        ValueError: a wrong checksum, or a truncated file.
    """
    start, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if start + _CHUNK.size > len(content):
            raise ValueError("truncated")
        length, kind = _CHUNK.unpack_from(content, start)
        end = start + _CHUNK.size + length
        if content[end : end + 4] != zlib.crc32(content[start + 4 : end]).to_bytes(4, "big"):
            what = "truncated" if end + 4 > len(content) else "wrong checksum"
            raise ValueError(what)
        start = end + 4


def _describe_header(header: bytes) -> str:
    """Describe a PNG's header in the words in which `check_mask` states what it expects."""
    if not header.startswith(SIGNATURE):
        return "no PNG" if header else "an empty file"
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
