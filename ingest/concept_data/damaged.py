"""Images and masks that cannot be read, found before the long part of an ingest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg

from ...errors import DataError
from ...progress import NoProgress
from ..engine.workers import prefetch
from .decoding import decode_label_numbers
from .images import open_image
from .masks import read_file, read_label_maps

if TYPE_CHECKING:
    from pathlib import Path

    from ...progress import Progress
    from ..engine.process_group import ProcessGroup
    from .concepts import ConceptData, ConceptImage

_AHEAD, _CHUNK = 256, 16


class DamagedImage(NamedTuple):
    """An image that cannot be read, or a mask of it: the image's name, and why."""

    name: str
    reason: str


def without_damaged(
    data: ConceptData, group: ProcessGroup, workers: int, progress: Progress, *, strict: bool
) -> ConceptData:
    """Return concept data without the images that cannot be read; each rank checks its share.

    An image goes with a mask that cannot be read: without it, it would count as annotated there.

    Args:
        data: its images are decoded, JPEGs at an eighth of their size, and all masks.
        group: ranks that share the work.
        workers: threads.
        progress: told of the step, and of images that are left out.
        strict: refuse the data instead.

    Raises:
        DataError: no image can be read; with `strict`, one cannot.
    """
    part = data.images[group.rank :: group.world_size]
    progress = progress if group.is_main else NoProgress()
    found = []
    with progress.step("check images", len(part)) as advance:
        for image in prefetch(partial(_check, data), part, workers, ahead=_AHEAD, chunk=_CHUNK):
            found += [image] if image else []
            advance(1)
    damaged = [*data.dropped.items(), *(it for part in group.all_gather(found) for it in part)]
    dropped = dict(sorted(damaged))
    images = tuple(image for image in data.images if image.name not in dropped)
    if dropped and (strict or not images):
        raise DataError(
            f"{len(dropped)} of {len(dropped) + len(images)} images cannot be read; "
            f"the first: {next(iter(dropped.values()))}",
            remedy="Repair or remove them" + (", or leave out --strict" if images else ""),
        )
    for reason in dropped.values():
        progress.note(f"left out: {reason}")
    return replace(data, images=images, dropped=dropped)


def _check(data: ConceptData, image: ConceptImage) -> DamagedImage | None:
    try:
        _check_image(image.path)
        _check_masks(data, image)
    except DataError as error:
        return DamagedImage(image.name, str(error))
    return None


def _check_image(path: Path) -> None:
    try:
        content, _ = read_file(path)
        simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1, min_factor=8)
    except (OSError, ValueError, RuntimeError):  # of another format, or damaged
        open_image(path)


def _check_masks(data: ConceptData, image: ConceptImage) -> None:
    numbers = np.empty((len(image.masks), image.mask_height, image.mask_width), np.uint16)
    decode_label_numbers(image, numbers)
    if ((data.columns[numbers] < 0) & (numbers > 0)).any():
        read_label_maps(data, image)  # says what is wrong, and where
