"""Image files to network input.

An image is rotated as its EXIF orientation says, wherever it is read: by `ingest`, `data build`,
`data check`, `why`, `audit`. Other metadata are ignored, also broken ones. Concept images are
resized to one size (aspect ratio ignored) and never cropped, so that masks keep covering what they
label. What a network does to photographs is in `network/preprocessing.py`.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ...errors import DataError
from ...files import check_regular, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes the pixels of an image upright, by EXIF orientation; 1 needs nothing."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}
_STDERR = threading.Lock()
_DEPTHS = (8, 12, 16)
_GREY, _HALF, _BITS = (19595, 38470, 7471), 1 << 15, 16
"""Shares of red, green and blue in grey, as Pillow's `convert("L")` rounds: in 1 / 2^16."""
Read = TypeVar("Read")


class ImageHeader(NamedTuple):
    """What the header of an image file says.

    Attributes:
        height: in pixels, as the image is seen.
        width: likewise.
        orientation: EXIF's, from 1 to 8.
        deep: whether its values must be scaled to 8 bits, which may be refused.
    """

    height: int
    width: int
    orientation: int
    deep: bool

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width of the pixels in the file, before they are rotated."""
        turned = self.orientation >= 5
        return (self.width, self.height) if turned else (self.height, self.width)


def has_image_suffix(name: str) -> bool:
    """Return whether a file's name ends like an image's."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def open_image(file: Path | bytes, *, name: str | None = None, upright: bool = True) -> Image.Image:
    """Open an image file as 8-bit RGB, rotated as its EXIF orientation says.

    Grey images of more than 8 bits are scaled by the fewest of 8, 12 or 16 bits that hold their
    values; those of floats by 255 if all are from 0 to 1, by 1 if they are from 0 to 255.

    Args:
        file: a path or the content, in any format Pillow reads; of several frames, the first.
        name: of the content, for messages.
        upright: rotate it; else the pixels are as they are stored.

    Raises:
        DataError: no such file, not an image, truncated, or of values outside those ranges.
    """
    image = _open(file, name, _decode if upright else _load)
    if is_deep(image):
        return _to_8_bits(image, name or str(file))
    return image.convert("RGB")


def read_pixels(path: Path) -> Image.Image:
    """Decode an image file as it is stored: in its own mode, not rotated.

    Raises:
        DataError: as `open_image`.
    """
    return _open(path, None, _load)


def read_header(file: Path | bytes, *, name: str | None = None) -> ImageHeader:
    """Read the size of an image as it is seen, and its EXIF orientation, without decoding it.

    Raises:
        DataError: no such file, or not an image.
    """
    return _open(file, name, _header)


def orientation_of(image: Image.Image) -> int:
    """Return an image's EXIF orientation, from 1 to 8; 1 if it has none that is valid."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises anything on broken metadata, and the pixels are whole
        return 1
    return value if value in TRANSPOSES else 1


def is_deep(image: Image.Image) -> bool:
    """Return whether an image has more than 8 bits, or floats."""
    return image.mode == "F" or image.mode.startswith("I")


def _load(image: Image.Image) -> Image.Image:
    image.load()
    return image


def _decode(image: Image.Image) -> Image.Image:
    image.load()
    orientation = orientation_of(image)
    return image if orientation == 1 else image.transpose(TRANSPOSES[orientation])


def _header(image: Image.Image) -> ImageHeader:
    orientation = orientation_of(image)
    width, height = image.size if orientation < 5 else image.size[::-1]
    return ImageHeader(height, width, orientation, is_deep(image))


def _open(file: Path | bytes, name: str | None, read: Callable[[Image.Image], Read]) -> Read:
    """Open a file and return what `read` makes of it; of a PNG, if need be without its texts."""
    where = name or (file if not isinstance(file, bytes) else None)
    try:
        try:
            with Image.open(_source(file)) as image:
                if image.format == "TIFF":
                    with _silent():
                        return read(image)
                return read(image)
        except Image.DecompressionBombError:
            raise
        except Exception:
            plain = without_texts(file if isinstance(file, bytes) else read_whole(file))
            if plain is None:
                raise
            with Image.open(io.BytesIO(plain)) as image:
                return read(image)
    except FileNotFoundError:
        raise DataError("no such image", file=where) from None
    except IsADirectoryError:
        raise DataError("a folder", file=where, expected="an image file") from None
    except UnidentifiedImageError:
        raise DataError(
            "not an image", file=where, expected="a format Pillow reads, such as JPEG or PNG"
        ) from None
    except Image.DecompressionBombError as error:
        remedy = "Make a smaller copy of it"
        raise DataError(f"image too large ({error})", file=where, remedy=remedy) from error
    except Exception as error:  # decoders raise anything, a MemoryError among it
        what = str(error) or type(error).__name__
        raise DataError(f"image cannot be decoded ({what})", file=where) from error


def _source(file: Path | bytes) -> Path | io.BytesIO:
    if isinstance(file, bytes):
        return io.BytesIO(file)
    check_regular(file)
    return file


@contextmanager
def _silent() -> Iterator[None]:
    """Keep off the terminal what libtiff prints of a damaged file: the error says it.

    It writes to the file descriptor, which all threads share.
    """
    with _STDERR:
        try:
            terminal = os.dup(2)
        except OSError:  # closed
            yield
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(nothing)
            os.close(terminal)


def without_texts(content: bytes) -> bytes | None:
    """Return a PNG without texts, profiles and broken metadata; None if it has none, or is no PNG.

    Pillow refuses the whole file for one of them that is long or damaged.
    """
    if not content.startswith(_PNG):
        return None
    kept, start = [_PNG], len(_PNG)
    while start + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 12 + length
        damaged = (
            zlib.crc32(content[start + 4 : end - 4]).to_bytes(4, "big") != content[end - 4 : end]
        )
        ancillary = bool(kind[0] & 32) and kind != b"tRNS"
        if not (kind in _PNG_TEXTS or (ancillary and damaged)):
            kept.append(content[start:end])
        start = end
    plain = b"".join(kept)
    return plain if len(plain) < len(content) else None


def _to_8_bits(image: Image.Image, name: str) -> Image.Image:
    """Scale grey of 16 or 32 bits, or of floats, to 8 bits; `convert` would clip it."""
    grey = np.asarray(image)
    low, high = float(grey.min()), float(grey.max())
    if grey.dtype.kind == "f":
        factor = 255.0 if high <= 1 else 1.0
        valid = low >= 0 and (high <= 1 or 16 <= high <= 255)  # NaN is neither
    else:
        factor = 2.0 ** (8 - next((bits for bits in _DEPTHS if high < 2**bits), 16))
        valid = low >= 0 and high < 2**16
    if not valid:
        raise DataError(
            "image of values that cannot be shown",
            file=name,
            found=f"values from {low:g} to {high:g} (mode {image.mode})",
            expected="from 0 to 1 or 255, or whole numbers up to 65535",
            remedy="Scale it to 8 bits",
        )
    scaled = grey.astype(np.float64) * factor
    eight = np.floor(scaled) if factor < 1 else np.round(scaled)
    return Image.fromarray(eight.astype(np.uint8)).convert("RGB")


def to_array(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """Convert an image to uint8 (height, width, 3), resized if it has another size."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def normalise(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Normalise images to network input, float32 (images, channels, height, width), channels_last.

    Of clips, (clips, channels, frames, height, width).

    Args:
        pixels: uint8 (images, height, width, 3), on the device of the network; or (clips, frames,
            height, width, 3).
        mean: of each of R, G and B, for values from 0 to 1; one number for a network that takes
            grey images.
        std: likewise.
    """
    import torch  # reading images must not need it

    if len(mean) == 1:
        grey = pixels.int() * torch.tensor(_GREY, dtype=torch.int32, device=pixels.device)
        pixels = (grey.sum(-1, keepdim=True, dtype=torch.int32) + _HALF) >> _BITS
    *rows_of, width, colors = pixels.shape
    scale = [1 / (255 * s) for s in std]
    shift = [m / s for m, s in zip(mean, std, strict=True)]
    row = torch.tensor([scale, shift]).repeat(1, width).to(pixels.device, non_blocking=True)
    rows = pixels.reshape(-1, width * colors).float()
    rows.mul_(row[0]).sub_(row[1])  # 4 × as fast as by (…, colors)
    return rows.view(*rows_of, width, colors).movedim(-1, 1)
