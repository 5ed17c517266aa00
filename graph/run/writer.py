"""Writing a run directory: whole or not at all.

1. Everything goes to `NAME.cg.partial/`, beside the target.
2. `seal` writes the manifest last, reads everything back once, and flushes it to the disk.
3. `publish` renames the folder to `NAME.cg`. An earlier run is `NAME.cg.earlier` meanwhile and
   deleted afterwards; if the new one cannot be renamed, the earlier one gets its name back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import RunError
from ...files import (
    empty_folder,
    flush_to_disk,
    is_locked,
    lock_folder,
    remove_folder,
    replace_folder,
)
from .files import disk_errors, write_array, write_table
from .manifest import write_manifest
from .reader import open_run
from .schema import TABLES

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .manifest import RunFacts


def check_out(out: Path | str, *, overwrite: bool = False, resume: bool = False) -> Path:
    """Return the absolute path of a run to write; call it before any work is done.

    Raises:
        RunError: the name does not end in `.cg`, the folder around it is missing, a run or an
            unfinished run exists and `overwrite` is not set (nor `resume`, for an unfinished run),
            or what exists is not a run.
    """
    out = Path(out).absolute()
    if out.suffix != ".cg":
        remedy = f"Call it {out.name or 'NAME'}.cg"
        raise RunError("not a run's name", file=out, expected="NAME.cg", remedy=remedy)
    if not out.parent.is_dir():
        raise RunError("no such folder", file=out.parent, remedy="Make it first")
    if out.exists() and not overwrite:
        remedy = "Choose another name, or replace it with --overwrite"
        raise RunError("a run of this name exists", file=out, remedy=remedy)
    if out.exists() and not (out / "manifest.json").is_file():
        remedy = "Remove it yourself, or choose another name"
        raise RunError("not a run, so it is not replaced", file=out, remedy=remedy)
    partial = _beside(out, "partial")
    if is_locked(partial):
        raise _being_written(out)
    if partial.exists() and not (overwrite or resume):
        remedy = "Resume it with --resume, or use --overwrite"
        raise RunError("an unfinished run of this name exists", file=partial, remedy=remedy)
    return out


def _being_written(out: Path) -> RunError:
    what = "another ingest is writing this run"
    return RunError(what, file=out, remedy="Wait for it, or choose another name")


def is_complete(out: Path | str) -> bool:
    """Return whether the run exists, without an unfinished one that is to replace it."""
    out = Path(out).absolute()
    return (out / "manifest.json").is_file() and not _beside(out, "partial").exists()


class RunWriter:
    """Writes one run; use it as a context manager and end with `commit`.

    Leaving it without a commit, by an error or Ctrl-C, removes what was written and leaves an
    earlier run as it was; after `allow_resume` nothing is removed, and another writer can resume.
    A full disk or a missing permission raises RunError.

    Attributes:
        out: the run.
        path: the folder to write into, thumbnails to `thumbnails/` and scratch files, which are
            deleted in the end, to `scratch/`.
    """

    def __init__(
        self,
        out: Path | str,
        *,
        overwrite: bool = False,
        resume: bool = False,
        is_main: bool = True,
    ) -> None:
        """Check the path; the folder is made when the context is entered.

        Args:
            out: the run.
            overwrite: replace an earlier one.
            resume: continue from what an earlier writer left, if there is anything.
            is_main: False for all but one of the processes that write one run together: they only
                write into `path`.
        """
        self.out = check_out(out, overwrite=overwrite, resume=resume) if is_main else Path(out)
        self.path = _beside(self.out, "partial")
        self._is_main = is_main
        self._can_resume = resume and self.path.exists()
        self._lock: int | None = None

    @property
    def is_sealed(self) -> bool:
        """Whether an earlier writer was stopped between `seal` and `publish`."""
        return (self.path / "manifest.json").is_file()

    def clear(self) -> None:
        """Empty the folder, whatever an earlier writer left."""
        with disk_errors(self.path, "cannot be written"):
            empty_folder(self.path)
        self._can_resume = False

    def allow_resume(self) -> None:
        """Leave what is written in its place from now on, whatever happens."""
        self._can_resume = True

    def __enter__(self) -> RunWriter:
        if self._is_main:
            with disk_errors(self.path, "cannot be written"):
                self._lock = lock_folder(self.path)
            if self._lock is None:
                raise _being_written(self.out)
            if not self._can_resume:
                try:
                    self.clear()
                except BaseException as error:
                    self.__exit__(type(error), error, None)
                    raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_main and not self._can_resume:
            remove_folder(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Write one of `TABLES`; RunError if a column is missing or of another type."""
        write_table(self.path / f"{name}.parquet", frame, TABLES[name])

    def array(self, name: str, values: NDArray[np.floating]) -> None:
        """Write a matrix, as float32: `iou_block4`, `contributions_block3_block4_pre`, …."""
        write_array(self.path / f"{name}.npy", values)

    def seal(self, facts: RunFacts) -> None:
        """Write the manifest, check that the run is whole, and flush it to the disk."""
        with disk_errors(self.path, "cannot be written"):
            write_manifest(self.path / "manifest.json", facts, self.out.stem)
            open_run(self.path).check()
            flush_to_disk(*(path for path in self.path.iterdir() if path.is_file()), self.path)

    def publish(self) -> Path:
        """Rename the sealed run to `out`, and return that."""
        with disk_errors(self.path, "cannot be written"):
            shutil.rmtree(self.path / "scratch", ignore_errors=True)
            replace_folder(self.path, self.out, _beside(self.out, "earlier"))
            flush_to_disk(self.out.parent)
        return self.out

    def commit(self, facts: RunFacts) -> Path:
        """Finish the run: `seal`, then `publish`."""
        self.seal(facts)
        return self.publish()


def _beside(out: Path, state: str) -> Path:
    return out.with_name(f"{out.name}.{state}")
