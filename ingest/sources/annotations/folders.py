"""Folders of annotation files: which there are, and whose they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def files_below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Every file below a folder with one of the suffixes, in order of name; no hidden ones.

    Raises:
        DataError: no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError("no such folder", file=folder)
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise DataError("nothing to read", file=folder, expected="files *" + ", *".join(suffixes))
    return found


def worker_of(folder: Path, path: Path) -> str:
    """The subfolder in which a file lies: one folder per annotator; "" for the folder itself."""
    return path.parent.relative_to(folder).as_posix().removeprefix(".")


def find_image(images: Path, path: Path, root: Path, name: str) -> str:
    """Where the image lies that an annotation file names, as a path below the folder of images.

    Args:
        images: the folder of the images.
        path: the annotation file.
        root: the folder that was given.
        name: the image, with `/`; may lead up from the annotation file.

    Returns:
        The first that there is: relative to the annotation file; below the images; below their
        subfolder of the same name as the annotation file's; by the last part of the name. Else the
        name without what leads up.
    """
    parts = [part for part in name.split("/") if part not in {"", ".", ".."}]
    below = _normal(images)
    beside = _normal(path.parent / name)
    choices = [beside.relative_to(below).as_posix()] if beside.is_relative_to(below) else []
    choices += ["/".join(parts), "/".join([*path.parent.relative_to(root).parts, *parts])]
    choices += parts[-1:]
    return next((each for each in choices if (images / each).is_file()), "/".join(parts))


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def images_by_stem(folder: Path) -> dict[str, list[str]]:
    """Images below a folder, as paths with `/`, by their path without suffix, and by its last part.

    Raises:
        DataError: no such folder, or no images.
    """
    found: dict[str, list[str]] = {}
    for path in files_below(folder, IMAGE_SUFFIXES):
        name = path.relative_to(folder).as_posix()
        whole = name.removesuffix(path.suffix)
        for key in {whole, path.stem}:
            found.setdefault(key, []).append(name)
    return found
