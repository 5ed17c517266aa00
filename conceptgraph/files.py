"""Files and folders that are written whole or not at all, by one process at a time.

Each is written under another name beside it and renamed when it is complete.

    with atomic_file(path) as partial:
        torch.save(state, partial)

That other name is locked meanwhile (flock), so that a second process does not write into it. The
system unlocks what a killed process left; the next one that writes the same file uses it again.

`atomic_file` and `replace_folder` let an OSError pass. `output_file`, `output_files`,
`output_folder` and `write_bytes` are for what a user named, and turn it into one line.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

from .errors import ConceptGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator

BEING_WRITTEN = "another process is writing it"
LARGEST_TEXT = 1 << 30
"""Bytes of a table, a list, an image or a mask: a damaged file can state to be of any size."""
_WAIT_SECONDS = 5.0
"""How long to wait for another process that writes the same file: most are small."""


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
    with ExitStack() as locks:
        made: list[Path] = []
        try:
            for partial in partials:
                locks.callback(os.close, _locked_file(partial))
                made.append(partial)
            yield partials
            for partial in partials:
                if flush:
                    flush_to_disk(partial)
                if not partial.stat().st_size:  # noticed before any is renamed
                    raise FileNotFoundError(errno.ENOENT, "nothing was written", str(partial))
            for partial, path in zip(partials, paths, strict=True):
                partial.replace(path)
        except BaseException:
            for partial in made:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
            raise


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _locked_file(path: Path) -> int:
    """Make an empty file and lock it; return its handle, whose closing unlocks it."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):  # a link would lead elsewhere
                path.unlink()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if _lock(handle, path):
            os.truncate(handle, 0)
            return handle
        os.close(handle)
        if time.monotonic() > end:
            raise BlockingIOError(errno.EAGAIN, BEING_WRITTEN, str(path))
        time.sleep(0.02)


def lock_folder(path: Path) -> int | None:
    """Make a folder, if need be, and lock it; return its handle, None if a process has locked it.

    The lock stays with the folder when it is renamed, until the handle is closed.

    Raises:
        OSError: it cannot be made or opened.
    """
    path.mkdir(exist_ok=True)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:  # another process has just renamed it
        return None
    if _lock(handle, path):
        return handle
    os.close(handle)
    return None


def is_locked(path: Path) -> bool:
    """Return whether a process has locked a folder that exists."""
    handle = lock_folder(path) if path.is_dir() else None
    if handle is not None:
        os.close(handle)
    return handle is None and path.is_dir()


def _lock(handle: int, path: Path) -> bool:
    """Lock an open file or folder; False if another process has, or it has another name by now."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), path.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks
        return True


def wait_for_lock(file: IO[bytes]) -> None:
    """Wait until no other process has locked an open file, and lock it until it is closed."""
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)


def empty_folder(path: Path) -> None:
    """Delete what is in a folder."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def remove_folder(path: Path) -> None:
    """Delete a folder as far as possible, also where hardly any file can be opened."""
    shutil.rmtree(path, ignore_errors=True)
    for folder, folders, names in os.walk(path, topdown=False):  # one open folder at a time
        for name in (*names, *folders):
            with suppress(OSError):
                entry = Path(folder, name)
                entry.unlink() if name in names or entry.is_symlink() else entry.rmdir()
    with suppress(OSError):
        path.rmdir()


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
        shutil.rmtree(earlier, ignore_errors=True)
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


def read_whole(path: Path, largest: int = LARGEST_TEXT) -> bytes:
    """Read a file that a user named, or a pipe; a pipe without a writer is empty.

    Raises:
        OSError: it cannot be read, or is larger than `largest` bytes.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            os.set_blocking(handle, True)
        content = file.read(largest + 1) if status.st_size <= largest else None
    if content is None or len(content) > largest:
        raise OSError(errno.EFBIG, f"larger than {largest >> 20:,} MB", str(path))
    return content


def check_regular(path: Path, largest: int = LARGEST_TEXT) -> None:
    """Check that a file that exists is a regular one of at most `largest` bytes.

    Raises:
        OSError: it is not.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    if status.st_size > largest:
        raise OSError(errno.EFBIG, f"larger than {largest >> 20:,} MB", str(path))


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


def check_new_folder(path: Path) -> None:
    """Refuse a folder that cannot be made, before the work for it.

    Raises:
        ConceptGraphError: it exists, or the folder for it does not.
    """
    if path.exists():
        raise ConceptGraphError("already exists", file=path, remedy="Choose another name")
    if not path.absolute().parent.is_dir():
        what = f"cannot be written: no folder {path.parent}"
        raise ConceptGraphError(what, file=path, remedy="Make it, or choose another place")


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; rename it to `path`, which a user named, in the end.

    Raises:
        ConceptGraphError: `path` exists, cannot be written, or another process is writing it.
    """
    check_new_folder(path)
    partial = _partial(path)
    with _output_errors(path):
        handle = lock_folder(partial)
    if handle is None:
        raise ConceptGraphError(BEING_WRITTEN, file=path, remedy="Choose another name")
    try:
        with _output_errors(path):
            empty_folder(partial)
            yield partial
            partial.rename(path)
    finally:
        remove_folder(partial)
        os.close(handle)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder for work beside `path`, to which it belongs; delete it in the end.

    Raises:
        ConceptGraphError: another process works there.
        OSError: it cannot be made.
    """
    folder = _partial(path)
    handle = lock_folder(folder)
    if handle is None:
        raise ConceptGraphError(BEING_WRITTEN, file=path, remedy="Wait for it")
    try:
        empty_folder(folder)  # what a killed process left
        yield folder
    finally:
        remove_folder(folder)
        os.close(handle)


@contextmanager
def _output_errors(*paths: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        by_name = {str(_partial(path)): path for path in paths if path.name}
        no_handle = error.errno in (errno.EMFILE, errno.ENFILE)
        raise ConceptGraphError(
            f"cannot be written: {'too many open files' if no_handle else error.strerror}",
            file=by_name.get(str(error.filename), paths[0]),
            remedy="Allow more (ulimit -n)" if no_handle else "Choose another place",
        ) from error
