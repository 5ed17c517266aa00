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

from .images import open_image, to_array
from .lanes import in_order
from .masks import SIGNATURE, pillow_pixels, read_numbers

AT_ONCE = 8
"""Images that a thread is given at once."""

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .concepts import ConceptImage


def decode_image(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """An image of one size, squashed to it if need be; uint8 (height, width, 3).

    Raises:
        DataError: no readable image.
    """
    try:
        content = path.read_bytes()
        found = png_pixels(content) if content.startswith(SIGNATURE) else _jpeg_pixels(content)
    except (OSError, ValueError, RuntimeError):  # neither, or damaged
        found = None
    if found is None or found.shape != (height, width, 3) or found.dtype != np.uint8:
        return to_array(open_image(path), height, width)
    return found


def _jpeg_pixels(content: bytes) -> NDArray[np.uint8] | None:
    """Of a JPEG in the usual colors."""
    if simplejpeg.decode_jpeg_header(content)[2] != "YCbCr":
        return None
    found: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB")
    return found


def png_pixels(content: bytes) -> NDArray[np.uint8]:
    """Of a PNG of any kind; (height, width, channels) where it has several."""
    found: NDArray[np.uint8] = png_decode(content)
    return found


def decode_numbers(image: ConceptImage) -> NDArray[np.uint16]:
    """The label number of every pixel of every mask; as `masks.read_numbers`.

    Raises:
        DataError: a damaged file, or blue that is not 0.
    """
    return read_numbers(image, _mask_pixels)


def _mask_pixels(content: bytes) -> NDArray[np.uint8]:
    try:
        return png_pixels(content)
    except RuntimeError:  # damaged
        return pillow_pixels(content)


def batches(
    paths: Sequence[Path], height: int, width: int, *, batch_size: int, workers: int
) -> Iterator[torch.Tensor]:
    """Decoded images, uint8 (images, height, width, 3), in order, decoded one batch ahead.

    Raises:
        DataError: naming the first file, in order, that is no readable image.
    """

    def places() -> Iterator[tuple[NDArray[np.uint8], int, Path]]:
        for first in range(0, len(paths), batch_size):
            some = paths[first : first + batch_size]
            batch = np.empty((len(some), height, width, 3), np.uint8)
            for place, path in enumerate(some):
                yield batch, place, path

    def decode(wanted: tuple[NDArray[np.uint8], int, Path]) -> NDArray[np.uint8]:
        batch, place, path = wanted
        batch[place] = decode_image(path, height, width)
        return batch

    decoded = in_order(decode, places(), workers, ahead=2 * batch_size, at_once=AT_ONCE)
    while some := list(islice(decoded, batch_size)):
        yield torch.from_numpy(some[0])
