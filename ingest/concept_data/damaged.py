"""Images that cannot be read, found before the long part of an ingest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import simplejpeg

from ...errors import DataError
from ...progress import NoProgress
from ..engine.workers import prefetch
from .images import open_image
from .masks import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from ...progress import Progress
    from ..engine.process_group import ProcessGroup
    from .concepts import ConceptData

_AHEAD, _CHUNK = 256, 16


class DamagedImage(NamedTuple):
    """An image that cannot be read: its file, and why."""

    path: Path
    reason: str


def without_damaged(
    data: ConceptData, group: ProcessGroup, workers: int, progress: Progress, *, strict: bool
) -> ConceptData:
    """Return concept data without the images that cannot be read; each rank checks its share.

    Args:
        data: its images are decoded, JPEGs at an eighth of their size.
        group: ranks that share the work.
        workers: threads.
        progress: told of the step, and of images that are left out.
        strict: refuse the data instead.

    Raises:
        DataError: no image can be read; with `strict`, one cannot.
    """
    paths = [image.path for image in data.images[group.rank :: group.world_size]]
    progress = progress if group.is_main else NoProgress()
    found = []
    with progress.step("check images", len(paths)) as advance:
        for image in prefetch(_check, paths, workers, ahead=_AHEAD, chunk=_CHUNK):
            found += [image] if image else []
            advance(1)
    damaged = {image.path: image.reason for part in group.all_gather(found) for image in part}
    images = tuple(image for image in data.images if image.path not in damaged)
    if damaged and (strict or not images):
        raise DataError(
            f"{len(damaged)} of {len(data.images)} images cannot be read; "
            f"the first: {next(iter(damaged.values()))}",
            remedy="Repair or remove them" + (", or leave out --strict" if images else ""),
        )
    for reason in damaged.values():
        progress.note(f"left out: {reason}")
    dropped = tuple(str(path.relative_to(data.folder / "images")) for path in sorted(damaged))
    return replace(data, images=images, dropped=dropped)


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
