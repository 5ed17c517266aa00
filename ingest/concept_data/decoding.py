"""Images and masks decoded in threads, ahead of what needs them.

Pillow holds the GIL while it decodes: two threads are no faster than one, and block those that run
the network. simplejpeg and imagecodecs release it and give the same pixels (all three use
libjpeg-turbo and libpng). They decode plain JPEG and PNG files; Pillow reads all others, or says
what is wrong with them.
"""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg
import torch
from imagecodecs import png_decode
from PIL import Image

from ..engine.spacing import middles
from ..engine.workers import prefetch
from .images import open_image, orientation_of, to_array
from .labels import HIGHEST_NUMBER
from .masks import SIGNATURE, read_file, read_mask

IMAGES_PER_CHUNK = 8
"""Images that a thread decodes before it takes more."""
NO_NUMBER = HIGHEST_NUMBER + 1
"""No concept has this number."""
_ORIENTATION_MARKS = (b"Exif\0", b"eXIf", b"tiff:Orientation", b"Raw profile type exif")

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .concepts import ConceptImage


class Clips(NamedTuple):
    """What film strips become.

    Attributes:
        frames: that the network takes.
        in_files: those that lie in each file.
    """

    frames: int
    in_files: Sequence[int]


def decode_image(path: Path, out: NDArray[np.uint8]) -> None:
    """Decode an image into an array (height, width, 3), resized to its size if it has another.

    It is rotated as its EXIF orientation says.

    Raises:
        DataError: not an image that can be read.
    """
    try:
        content, _ = read_file(path)
        if _may_be_rotated(content):
            pass
        elif content.startswith(SIGNATURE):
            png_decode(content, out=out)
            return
        elif simplejpeg.decode_jpeg_header(content)[:3] == (*out.shape[:2], "YCbCr"):
            simplejpeg.decode_jpeg(content, "RGB", buffer=out)
            return
    except (OSError, ValueError, RuntimeError):  # another format or size, or damaged
        pass
    out[...] = to_array(open_image(path), *out.shape[:2])


def decode_clip(path: Path, frames: int, out: NDArray[np.uint8]) -> None:
    """Decode a film strip into an array (frames, height, width, 3).

    Frames are the nearest in time: those of a strip of fewer frames are repeated, of one of more
    left out. Each is resized by itself.

    Args:
        path: of the strip.
        frames: that lie one below the other in it.
        out: written to.

    Raises:
        DataError: not an image that can be read.
    """
    strip = open_image(path)
    height = -(-strip.height // frames)
    pixels = to_array(strip, height * frames, strip.width)  # a multiple of them, as index.csv says
    shown = -1
    for place, frame in enumerate(middles(len(out), frames)):
        if frame == shown:
            out[place] = out[place - 1]
        else:
            part = Image.fromarray(pixels[frame * height : (frame + 1) * height])
            out[place] = to_array(part, *out.shape[1:3])
        shown = frame


def _may_be_rotated(content: bytes) -> bool:
    """Return whether a JPEG has an EXIF orientation, or a PNG may have one."""
    if not any(mark in content for mark in _ORIENTATION_MARKS):
        return False
    if content.startswith(SIGNATURE):
        return True  # rare
    try:
        with Image.open(io.BytesIO(content)) as image:
            return orientation_of(image) != 1
    except Exception:
        return True  # `open_image` says what is wrong


def decode_label_numbers(image: ConceptImage, out: NDArray[np.uint16]) -> None:
    """Decode an image's masks into label numbers, uint16 (label maps, mask_height, mask_width).

    If any pixel has blue, which no valid mask has, all numbers become `NO_NUMBER`.

    Raises:
        DataError: a damaged file.
    """
    pixels = np.empty((*out.shape, 3), np.uint8)
    for path, rgb in zip(image.mask_paths, pixels, strict=True):
        _decode_mask(path, image, rgb)
    # R and G of a pixel are adjacent: the two bytes of a little-endian number
    out[...] = np.ndarray(out.shape, "<u2", pixels.data, strides=pixels.strides[:-1])
    if pixels[..., 2].any():
        out[...] = NO_NUMBER


def _decode_mask(path: Path, image: ConceptImage, out: NDArray[np.uint8]) -> None:
    try:
        png_decode(read_file(path)[0], out=out)  # verifies checksums
    except (OSError, ValueError, RuntimeError):
        out[...] = read_mask(path, image)


def batches(
    paths: Sequence[Path],
    height: int,
    width: int,
    *,
    batch_size: int,
    workers: int,
    pinned: bool = False,
    clips: Clips | None = None,
) -> Iterator[torch.Tensor]:
    """Yield batches of decoded images, uint8 (images, height, width, 3), in order, one batch ahead.

    Of clips they are (clips, frames, height, width, 3).

    Args:
        paths: of the images.
        height: to which they are resized.
        width: to which they are resized.
        batch_size: images in each batch; the last may have fewer.
        workers: threads.
        pinned: decode into pinned memory.
        clips: if the images are film strips.

    Raises:
        DataError: naming the first file, in order, that is not an image that can be read.
    """
    frames = () if clips is None else (clips.frames,)

    def slots() -> Iterator[tuple[torch.Tensor, int, int]]:
        for first in range(0, len(paths), batch_size):
            images = min(batch_size, len(paths) - first)
            shape = (images, *frames, height, width, 3)
            batch = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
            for position in range(images):
                yield batch, position, first + position

    def decode(slot: tuple[torch.Tensor, int, int]) -> torch.Tensor:
        batch, position, number = slot
        if clips is None:
            decode_image(paths[number], batch.numpy()[position])
        else:
            decode_clip(paths[number], clips.in_files[number], batch.numpy()[position])
        return batch

    decoded = prefetch(decode, slots(), workers, ahead=2 * batch_size, chunk=IMAGES_PER_CHUNK)
    while filled := list(islice(decoded, batch_size)):
        yield filled[0]
