"""Files and folders that are written whole or not at all.

Each is written under another name beside it and renamed when it is complete.

    with atomic_file(path) as partial:
        torch.save(state, partial)

`atomic_file` and `replace_folder` let an OSError pass. `output_file`, `output_files`,
`output_folder` and `write_bytes` are for what a user named, and turn it into one line.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def atomic_file(path: Path, *, flush: bool = False) -> Iterator[Path]:
    """Yield a name to write to; rename that file to `path` when the block ends.

    An error leaves `path` as it was.

    Args:
        path: the file; one that exists is replaced.
        flush: flush it to the disk before it is renamed, so that a crash of the machine leaves
            either the earlier file or the new one.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_files(path, flush=flush) as (partial,):
        yield partial


@contextmanager
def atomic_files(*paths: Path, flush: bool = False) -> Iterator[list[Path]]:
    """Yield a name to write to for each of several files; rename all when the block ends.

    An error leaves all of them as they were.

    Raises:
        OSError: one cannot be written.
    """
    partials = [_partial(path) for path in paths]
    try:
        for partial in partials:
            partial.unlink(missing_ok=True)  # a link would lead elsewhere what is written
        yield partials
        for partial in partials:
            if flush:
                flush_to_disk(partial)
            partial.stat()  # so that a file that was not written is noticed before any is renamed
        for partial, path in zip(partials, paths, strict=True):
            partial.replace(path)
    except BaseException:
        for partial in partials:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        raise


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def replace_folder(new: Path, path: Path, earlier: Path) -> None:
    """Rename a finished folder to `path`; delete what was there only after that.

    Args:
        new: the finished folder, on the same file system.
        path: the name it gets.
        earlier: the name that a folder at `path` has meanwhile; it gets its own back if `new`
            cannot be renamed. What else has this name is deleted.

    Raises:
        OSError: one of them cannot be renamed.
    """
    if not path.exists():
        new.rename(path)
        return
    shutil.rmtree(earlier, ignore_errors=True)
    path.rename(earlier)
    try:
        new.rename(path)
    except BaseException:
        if not path.exists():
            earlier.rename(path)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def flush_to_disk(*paths: Path) -> None:
    """Flush files and folders to the disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that a user named, as `output_file` does."""
    with output_file(path) as partial:
        partial.write_bytes(content)


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """Yield a name to write to; rename that file to `path`, which a user named, in the end.

    Raises:
        ConceptGraphError: `path` is a folder or cannot be written.
    """
    with output_files(path) as (partial,):
        yield partial


@contextmanager
def output_files(*paths: Path) -> Iterator[list[Path]]:
    """Yield a name to write to for each of several files; rename all in the end, or none.

    Raises:
        ConceptGraphError: one of them is a folder or cannot be written, or two are the same.
    """
    for number, path in enumerate(paths):
        if not path.name or path.is_dir():
            raise ConceptGraphError("a folder", file=path, expected="the name of a file to write")
        if path in paths[:number]:
            raise ConceptGraphError("named for two files", file=path)
    with _output_errors(*paths), atomic_files(*paths) as partials:
        yield partials


@contextmanager
def made_folder(path: Path) -> Iterator[None]:
    """Make a folder that a user named, if need be; an error removes it again, if it is empty.

    Raises:
        ConceptGraphError: it cannot be made.
    """
    is_new = not path.exists()
    with _output_errors(path):
        path.mkdir(exist_ok=True)
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; rename it to `path`, which a user named, in the end.

    Raises:
        ConceptGraphError: `path` exists or cannot be written.
    """
    if path.exists():
        raise ConceptGraphError("already exists", file=path, remedy="Choose another name")
    partial = _partial(path)
    try:
        with _output_errors(path):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            yield partial
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _output_errors(*paths: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        by_name = {str(_partial(path)): path for path in paths if path.name}
        raise ConceptGraphError(
            f"cannot be written: {error.strerror}",
            file=by_name.get(str(error.filename), paths[0]),
            remedy="Choose another place",
        ) from error
