"""Folders of annotation files: which there are, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
