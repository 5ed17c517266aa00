"""Files and folders of results: there whole, or not at all."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from .errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    write_whole(path, lambda partial: partial.write_bytes(content))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under another name, and give it its name once it is whole.

    Raises:
        ConceptGraphError: it cannot be written.
    """
    if not path.name or path.is_dir():
        raise ConceptGraphError("a folder", file=path, expected="the name of a file to write")
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise ConceptGraphError(
            f"cannot be written: {error.strerror}", file=path, remedy="Choose another place"
        ) from error


def write_folder(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder under another name, and give it its name once it is whole.

    Raises:
        ConceptGraphError: something is there already, or it cannot be written.
    """
    if path.exists():
        raise ConceptGraphError("is there already", file=path, remedy="Choose another name")
    partial = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write(partial)
        partial.rename(path)
    except OSError as error:
        raise ConceptGraphError(
            f"cannot be written: {error.strerror}", file=path, remedy="Choose another place"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def own_folder(
    path: Path, made: Mapping[str, object], names: Sequence[str], keep: Sequence[str]
) -> None:
    """A folder for certain files of ours, which says what they are made of in `made.json`.

    Args:
        path: new, empty, or such a folder.
        made: JSON values.
        names: of files and folders that are removed first; others are left alone.
        keep: of these, those that are left there if they were made of the same.

    Raises:
        ConceptGraphError: something else is there, or it cannot be written.
    """
    mark, text = path / "made.json", json.dumps({"made by": "conceptgraph demo", **made})
    try:
        path.mkdir(parents=True, exist_ok=True)
        before = mark.read_text(encoding="utf-8") if mark.is_file() else ""
        if any(path.iterdir()) and '"made by": "conceptgraph demo"' not in before:
            raise ConceptGraphError(
                "a folder with other things in it", file=path, remedy="Choose another with --out"
            )
        for each in (path / name for name in names if before != text or name not in keep):
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink(missing_ok=True)
        mark.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConceptGraphError(
            f"cannot be written: {error.strerror}", file=path, remedy="Choose another with --out"
        ) from error
