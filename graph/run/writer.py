"""Writing a run directory: whole or not at all.

1. Everything goes to `NAME.cg.partial/`, beside the target.
2. `seal` writes the manifest last, reads everything back once, and flushes it to the disk.
3. `take_name`: an earlier run steps aside to `NAME.cg.earlier`, the new one takes its name, and the
   earlier one is deleted. If the new one cannot take the name, the earlier one gets it back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import RunError
from .files import TABLES, Manifest, disk_errors, write_array, write_manifest, write_table
from .reader import open_run

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def check_out(out: Path | str, *, overwrite: bool = False, resume: bool = False) -> Path:
    """The path a run may be written to; call it before any work is done.

    Raises:
        RunError: the name does not end in `.cg`, the folder around it is missing, something is
            there already and `overwrite` is not set (nor `resume`, for an unfinished run), or what
            is there is not a run.
    """
    out = Path(out).absolute()
    if out.suffix != ".cg":
        remedy = f"Call it {out.name or 'NAME'}.cg"
        raise RunError("not a run's name", file=out, expected="NAME.cg", remedy=remedy)
    if not out.parent.is_dir():
        raise RunError("no such folder", file=out.parent, remedy="Make it first")
    if out.exists() and not overwrite:
        remedy = "Choose another name, or replace it with --overwrite"
        raise RunError("there is a run of this name", file=out, remedy=remedy)
    if out.exists() and not (out / "manifest.json").is_file():
        remedy = "Remove it yourself, or choose another name"
        raise RunError("not a run, so it is not replaced", file=out, remedy=remedy)
    partial = _beside(out, "partial")
    if partial.exists() and not (overwrite or resume):
        remedy = "If no other ingest is at work on it, go on with --resume, or use --overwrite"
        raise RunError("an unfinished run of this name", file=partial, remedy=remedy)
    return out


def is_complete(out: Path | str) -> bool:
    """Whether there is a run of this name, and no unfinished one that is to take its place."""
    out = Path(out).absolute()
    return (out / "manifest.json").is_file() and not _beside(out, "partial").exists()


class RunWriter:
    """Writes one run; use it as a context manager and end with `commit`.

    Leaving it without a commit, by an error or Ctrl-C, removes what was written and leaves an
    earlier run as it was; after `keep` nothing is removed, and another writer can `resume`. `path`
    is the folder to write thumbnails (`path / "thumbnails"`) and scratch files (`path / "scratch"`,
    deleted in the end) into. A full disk or a missing permission raises RunError.
    """

    def __init__(
        self,
        out: Path | str,
        *,
        overwrite: bool = False,
        resume: bool = False,
        leads: bool = True,
    ) -> None:
        """Prepare.

        Args:
            out: the run.
            overwrite: replace an earlier one.
            resume: go on with what an earlier writer has kept, if there is anything.
            leads: False for all but one of the processes that write one run together: they only
                write into `path`.
        """
        self.out = check_out(out, overwrite=overwrite, resume=resume) if leads else Path(out)
        self.path = _beside(self.out, "partial")
        self._leads = leads
        self._kept = resume and self.path.exists()

    @property
    def complete(self) -> bool:
        """Whether an earlier writer was stopped when only the name was missing."""
        return (self.path / "manifest.json").is_file()

    def clear(self) -> None:
        """Begin with an empty folder, whatever an earlier writer has kept."""
        with disk_errors(self.path, "cannot be written"):
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir()
        self._kept = False

    def keep(self) -> None:
        """From now on what was written stays, whatever happens."""
        self._kept = True

    def __enter__(self) -> RunWriter:
        if self._leads and not self._kept:
            self.clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._leads and not self._kept:
            shutil.rmtree(self.path, ignore_errors=True)

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Write one of `TABLES`; RunError when a column is missing or of another type."""
        write_table(self.path / f"{name}.parquet", frame, TABLES[name])

    def array(self, name: str, values: NDArray[np.floating]) -> None:
        """Write a matrix, as float32: `iou_block4`, `contributions_block3_block4_pre`, …."""
        write_array(self.path / f"{name}.npy", values)

    def seal(self, manifest: Manifest) -> None:
        """Write the manifest, and check that the run is whole.

        `schema`, and `uid` and `name` where the manifest has none, are filled in.
        """
        defaults: Manifest = {"uid": self.out.stem, "name": self.out.stem}
        with disk_errors(self.path, "cannot be written"):
            write_manifest(self.path / "manifest.json", {**defaults, **manifest})
            open_run(self.path).check()
            _flush(*(path for path in self.path.iterdir() if path.is_file()), self.path)

    def take_name(self) -> Path:
        """Give the sealed run its name; returns its path."""
        with disk_errors(self.path, "cannot be written"):
            shutil.rmtree(self.path / "scratch", ignore_errors=True)
            _take_name(self.path, self.out)
            _flush(self.out.parent)
        return self.out

    def commit(self, manifest: Manifest) -> Path:
        """Finish the run and give it its name: `seal`, then `take_name`."""
        self.seal(manifest)
        return self.take_name()


def _beside(out: Path, state: str) -> Path:
    return out.with_name(f"{out.name}.{state}")


def _flush(*paths: Path) -> None:
    """Make files and folders durable."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _take_name(partial: Path, out: Path) -> None:
    """Rename `partial` to `out`; an earlier `out` is deleted only once that has worked."""
    earlier = _beside(out, "earlier")
    if not out.exists():
        partial.rename(out)
        return
    shutil.rmtree(earlier, ignore_errors=True)
    out.rename(earlier)
    try:
        partial.rename(out)
    except BaseException:
        if not out.exists():
            earlier.rename(out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
