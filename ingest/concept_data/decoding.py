"""Images and masks decoded by threads, ahead of what needs them.

Pillow decodes under Python's lock: two threads are no quicker than one, and keep the lanes waiting
that run the network. simplejpeg and imagecodecs give the same pixels outside of it (all are made of
libjpeg-turbo and libpng). Whatever is not plain, or damaged, is left to Pillow, which reads it or
says what is wrong.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
import torch
from imagecodecs import png_decode

from ..engine.workers import prefetch
from .images import open_image, to_array
from .labels import HIGHEST_NUMBER
from .masks import SIGNATURE, read_file, read_mask

AT_ONCE = 8
"""Images that a thread is given at once."""
NO_NUMBER = HIGHEST_NUMBER + 1
"""No concept has this number."""

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .concepts import ConceptImage


def decode_image(path: Path, out: NDArray[np.uint8]) -> None:
    """Decode an image to an array (height, width, 3), squashed to its size if need be.

    Raises:
        DataError: no readable image.
    """
    try:
        content, _ = read_file(path)
        if content.startswith(SIGNATURE):
            png_decode(content, out=out)
            return
        if simplejpeg.decode_jpeg_header(content)[:3] == (*out.shape[:2], "YCbCr"):
            simplejpeg.decode_jpeg(content, "RGB", buffer=out)
            return
    except (OSError, ValueError, RuntimeError):  # neither, of another size, or damaged
        pass
    out[...] = to_array(open_image(path), *out.shape[:2])


def decode_numbers(image: ConceptImage, out: NDArray[np.uint16]) -> None:
    """Decode an image's masks to label numbers, uint16 (planes, mask_height, mask_width).

    A pixel of no plain mask, one with blue in it, makes all of them `NO_NUMBER`.

    Raises:
        DataError: a damaged file.
    """
    pixels = np.empty((*out.shape, 3), np.uint8)
    for path, plane in zip(image.planes, pixels, strict=True):
        _decode_mask(path, image, plane)
    # R and G of a pixel lie side by side, as the two bytes of a number
    out[...] = np.ndarray(out.shape, "<u2", pixels.data, strides=pixels.strides[:-1])
    if pixels[..., 2].any():
        out[...] = NO_NUMBER


def _decode_mask(path: Path, image: ConceptImage, out: NDArray[np.uint8]) -> None:
    try:
        png_decode(read_file(path)[0], out=out)  # checks the sums of what it decodes
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
) -> Iterator[torch.Tensor]:
    """Decoded images, uint8 (images, height, width, 3), in order, decoded one batch ahead.

    Args:
        paths: of the images.
        height: that they are squashed to.
        width: likewise.
        batch_size: images in each batch but the last.
        workers: threads.
        pinned: to memory that a GPU reads by itself.

    Raises:
        DataError: naming the first file, in order, that is no readable image.
    """

    def places() -> Iterator[tuple[torch.Tensor, int, Path]]:
        for first in range(0, len(paths), batch_size):
            some = paths[first : first + batch_size]
            shape = (len(some), height, width, 3)
            batch = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
            for place, path in enumerate(some):
                yield batch, place, path

    def decode(wanted: tuple[torch.Tensor, int, Path]) -> torch.Tensor:
        batch, place, path = wanted
        decode_image(path, batch.numpy()[place])
        return batch

    decoded = prefetch(decode, places(), workers, ahead=2 * batch_size, at_once=AT_ONCE)
    while some := list(islice(decoded, batch_size)):
        yield some[0]
