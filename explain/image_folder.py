"""Many images: those of a folder, their state on the disk, and the files a run keeps about them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..graph.run.files import disk_errors
from ..ingest.concept_data.images import IMAGE_SUFFIXES
from ..ingest.concept_data.opening import is_concept_data, mask_names
from ..ingest.concept_data.videos import has_video_suffix

if TYPE_CHECKING:
    from ..graph.run.reader import Run

_SUFFIXES = frozenset({*IMAGE_SUFFIXES, ".ppm"})


def images_below(folder: Path, *, clips: bool = False) -> list[Path]:
    """List the images of a folder and its subfolders, sorted; of concept data not the masks.

    Args:
        folder: the folder.
        clips: list clips: video files, and subfolders of frames; images in the folder itself are
            stills. Concept data hold film strips instead.

    Raises:
        DataError: there is none.
    """
    below = sorted(folder.rglob("*"))
    files = [file for file in below if file.suffix.lower() in _SUFFIXES]
    masks = _masks_around(folder)
    if clips and masks is None:
        videos = {file for file in below if has_video_suffix(file.name)}
        frames = {file if file.parent == folder else file.parent for file in files}
        files = sorted(videos | frames)
    if not files:
        raise DataError("no images", file=folder, expected="files such as .jpg or .png")
    return [file for file in files if Path(os.path.realpath(file)) not in masks] if masks else files


def _masks_around(folder: Path) -> set[Path] | None:
    """Return the mask files of the concept data that a folder is, or is a part of; None if none."""
    whole = folder.resolve()
    for data in (whole, *whole.parents):
        if is_concept_data(data):
            return {data / "images" / name for name in mask_names(data)}
    return None


def size_and_time(file: Path) -> tuple[int, int] | None:
    """Return what tells whether a file has changed; None if there is no such file."""
    try:
        status = file.stat()
    except (OSError, ValueError):  # of a name that no file can have
        return None
    return status.st_size, status.st_mtime_ns


def real_path(file: Path) -> str:
    """Return the path of what a file is, without links; of a name no file can have, the name."""
    try:
        return os.path.realpath(file)
    except ValueError:
        return str(file)


def digest(value: object) -> str:
    """Return a short digest of a JSON value, for the names of files."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def file_in_run(run: Run, folder: str, name: str) -> Path:
    """Return a file that a run is to keep, in one of its folders, which is made if need be.

    Raises:
        RunError: it leads out of the run, or the folder cannot be made.
    """
    path = run.file(f"{folder}/{name}")
    with disk_errors(path, "cannot be written"):
        path.parent.mkdir(exist_ok=True)
    return path
