"""Where an ingest stands, on the disk, so that a killed one can go on.

Beside the scratch files of a process lie its bookmarks: what it has counted up to some batch, and
how long the scratch files were then. Each is written under another name first, and flushed, so that
there is always a whole one. `started.json` says what the ingest works on; an ingest that resumes
must work on the same.
"""

from __future__ import annotations

import json
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

import torch

from ...errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

State = dict[str, Any]
"""Tensors, numbers, text, and lists, tuples and dicts of these."""

_STARTED = "started.json"
_ANEW = "begin anew with --overwrite and without --resume"


class Checkpoints:
    """The bookmarks of one process, kept at most every so often."""

    def __init__(self, folder: Path, minutes: float, kept: Callable[[], None]) -> None:
        """Prepare.

        Args:
            folder: for the bookmarks; it need not exist yet.
            minutes: between two of them, at least.
            kept: called before the first is written, so that nobody throws it away.
        """
        self._folder = folder
        self._seconds = 60 * minutes
        self._kept = kept
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self._last >= self._seconds

    def keep(self, name: str, state: State) -> None:
        """Replace the bookmark of that name."""
        self._kept()
        self._folder.mkdir(parents=True, exist_ok=True)
        # On a thread, which no Ctrl-C reaches: torch turns that into another error.
        with ThreadPoolExecutor(1) as thread:
            path = self._folder / f"{name}.state"
            thread.submit(_write, path, lambda file: torch.save(state, file)).result()
        self._last = time.monotonic()

    def find(self, name: str) -> State | None:
        """The bookmark of that name; None where there is none.

        Raises:
            RunError: it cannot be read.
        """
        path = self._folder / f"{name}.state"
        if not path.exists():
            return None
        try:
            state: State = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise RunError(
                f"what an ingest kept of itself cannot be read ({error})",
                file=path,
                remedy=_ANEW.capitalize(),
            ) from error
        return state


def is_begun(folder: Path) -> bool:
    """Whether an ingest has said what it works on; without that nothing in `folder` is of use."""
    return (folder / _STARTED).exists()


def begin(folder: Path, facts: Mapping[str, object]) -> None:
    """Say what the ingest works on; where an earlier one said so, compare.

    Args:
        folder: of all processes' scratch files.
        facts: JSON values, by what they are called in messages.

    Raises:
        RunError: something differs, or what was said cannot be read; the message says what.
    """
    if not is_begun(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / _STARTED, lambda file: file.write(json.dumps(facts, indent=1).encode()))
        return
    try:
        before = json.loads((folder / _STARTED).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(
            "cannot be read", file=folder / _STARTED, remedy=_ANEW.capitalize()
        ) from error
    check_same(before, facts, folder.parent)


def forget(folder: Path) -> None:
    """Delete what the ingest works on, and the bookmarks of all processes."""
    (folder / _STARTED).unlink()
    for state in folder.glob("*/*.state"):
        state.unlink()


def check_same(before: Mapping[str, object], facts: Mapping[str, object], run: Path) -> None:
    """Compare what the ingest of `run` was begun with, by name, with what is so now.

    Raises:
        RunError: naming the first that differs.
    """
    now = json.loads(json.dumps(facts))
    for name, value in before.items():
        if now.get(name) != value:
            raise RunError(
                f"this run was begun with another {name}",
                file=run,
                found=str(now.get(name)),
                expected=str(value),
                remedy=f"Give what it was begun with, or {_ANEW}",
            )


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file, and flush it to the disk, before it takes its name."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
