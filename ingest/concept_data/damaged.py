"""Images that cannot be read, found before the long part of an ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import simplejpeg

from ...errors import DataError
from ..engine.workers import prefetch
from .images import open_image
from .masks import read_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...progress import Advance

_AHEAD, _CHUNK = 256, 16


class DamagedImage(NamedTuple):
    """An image that cannot be read: its file, and why."""

    path: Path
    reason: str


def find_damaged(
    paths: Sequence[Path], workers: int, advance: Advance | None = None
) -> list[DamagedImage]:
    """Return the images that cannot be read, in order; JPEGs are decoded at an eighth of the size.

    Args:
        paths: of the images.
        workers: threads.
        advance: told the number of images checked.
    """
    damaged = []
    for image in prefetch(_check, paths, workers, ahead=_AHEAD, chunk=_CHUNK):
        if image is not None:
            damaged.append(image)
        if advance is not None:
            advance(1)
    return damaged


def _check(path: Path) -> DamagedImage | None:
    try:
        content, _ = read_file(path)
        simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1, min_factor=8)
    except (OSError, ValueError, RuntimeError, DataError):  # of another format, or damaged
        try:
            open_image(path)
        except DataError as error:
            return DamagedImage(path, str(error))
    return None
