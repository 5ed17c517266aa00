"""Images decoded by threads ahead of the network.

Pillow decodes JPEG under Python's lock: two threads are no quicker than one, and keep the lanes
waiting that run the network. simplejpeg gives the same pixels outside of it (both are made of
libjpeg-turbo). Whatever is not a plain JPEG of the right size is left to Pillow, which reads it or
says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
import torch

from .images import open_image, to_array
from .lanes import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def decode_image(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """An image of one size, squashed to it if need be; uint8 (height, width, 3).

    Raises:
        DataError: no readable image.
    """
    try:
        content = path.read_bytes()
        if simplejpeg.decode_jpeg_header(content)[:3] == (height, width, "YCbCr"):
            found: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB")
            return found
    except (OSError, ValueError):  # no JPEG, or damaged
        pass
    return to_array(open_image(path), height, width)


def batches(
    paths: Sequence[Path], height: int, width: int, *, batch_size: int, workers: int
) -> Iterator[torch.Tensor]:
    """Decoded images, uint8 (images, height, width, 3), in order, decoded one batch ahead.

    Raises:
        DataError: naming the first file, in order, that is no readable image.
    """

    def decode(path: Path) -> NDArray[np.uint8]:
        return decode_image(path, height, width)

    batch: list[NDArray[np.uint8]] = []
    for pixels in in_order(decode, paths, workers, ahead=2 * batch_size):
        batch.append(pixels)
        if len(batch) == batch_size:
            yield torch.from_numpy(np.stack(batch))
            batch = []
    if batch:
        yield torch.from_numpy(np.stack(batch))
