"""Folders of annotation files: their files, and which worker and image each file belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import DataError
from ...concept_data.opening import is_file

if TYPE_CHECKING:
    from collections.abc import Sequence


def files_below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """List the files below a folder that have one of the suffixes, sorted; not hidden ones.

    Raises:
        DataError: no such folder, or no such file in it.
    """
    paths = [folder / name for name in list_files(folder) if name.lower().endswith(tuple(suffixes))]
    if not paths:
        raise DataError("nothing to read", file=folder, expected="files *" + ", *".join(suffixes))
    return paths


def list_files(folder: Path) -> list[str]:
    """List all files below a folder, sorted, as paths with `/`; not hidden ones.

    Raises:
        DataError: no such folder.
    """
    if not folder.is_dir():
        raise DataError("no such folder", file=folder)
    names = []
    for below, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        start = Path(below).relative_to(folder)
        names += [(start / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(names)


def has_file(folder: Path, suffix: str) -> bool:
    """Return whether any file below a folder has the suffix; False if it is no folder."""
    return folder.is_dir() and any(name.lower().endswith(suffix) for name in list_files(folder))


def worker_of(folder: Path, path: Path) -> str:
    """Return the subfolder of a file, which names its worker; "" for the folder itself."""
    return path.parent.relative_to(folder).as_posix().removeprefix(".")


def find_image(images: Path, path: Path, root: Path, name: str) -> str:
    """Find the image that an annotation file names.

    Args:
        images: the folder of the images.
        path: the annotation file.
        root: the folder of annotations.
        name: of the image, with `/`; may contain `..`.

    Returns:
        A path below `images`, the first of these that exists: `name` relative to the annotation
        file; `name` itself; `name` in the subfolder that the annotation file has below `root`; the
        last part of `name`. If none does, `name` without `..`, for `image_files` to look for.
    """
    parts = [part for part in name.split("/") if part not in {"", ".", ".."}]
    folder = _normalise(images)
    beside = _normalise(path.parent / name)
    choices = [beside.relative_to(folder).as_posix()] if beside.is_relative_to(folder) else []
    choices += ["/".join(parts), "/".join([*path.parent.relative_to(root).parts, *parts])]
    choices += parts[-1:]
    return next((choice for choice in choices if is_file(images / choice)), "/".join(parts))


def _normalise(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))
