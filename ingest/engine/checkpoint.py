"""Checkpoints of an ingest, on disk, from which a killed one resumes.

Beside the scratch files of a process lie its checkpoints: what it has counted up to some batch, and
how long the scratch files were then. Each is written under another name first, and flushed, so that
there is always a whole one. `started.json` says what the ingest works on; an ingest that resumes
must work on the same.
"""

from __future__ import annotations

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

import torch

from ...errors import RunError
from ...files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

State = dict[str, Any]
"""Tensors, numbers, text, and lists, tuples and dicts of these."""

_STARTED = "started.json"
_ANEW = "start anew with --overwrite and without --resume"


class Checkpoints:
    """The checkpoints of one process, saved at most every so often."""

    def __init__(self, folder: Path, minutes: float, before_first: Callable[[], None]) -> None:
        """Prepare.

        Args:
            folder: for the checkpoints; it need not exist yet.
            minutes: between two of them, at least.
            before_first: called before anything is saved, so that nobody throws it away.
        """
        self._folder = folder
        self._seconds = 60 * minutes
        self._before_first = before_first
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self._last >= self._seconds

    def exists(self, name: str) -> bool:
        """Return whether there is a checkpoint of that name."""
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.state"

    def save(self, name: str, state: State) -> None:
        """Replace the checkpoint of that name."""
        self._before_first()
        self._folder.mkdir(parents=True, exist_ok=True)
        # On a thread, which no Ctrl-C reaches: torch turns that into another error.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_write, self._path(name), lambda file: torch.save(state, file)).result()
        self._last = time.monotonic()

    def load(self, name: str) -> State | None:
        """Load the checkpoint of that name; None where there is none.

        Raises:
            RunError: it cannot be read.
        """
        path = self._path(name)
        if not path.exists():
            return None
        try:
            state: State = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise RunError(
                f"a checkpoint of this ingest cannot be read ({error})",
                file=path,
                remedy=_ANEW.capitalize(),
            ) from error
        return state


def is_started(folder: Path) -> bool:
    """Return whether an ingest has said what it works on; else nothing in `folder` can be used."""
    return (folder / _STARTED).exists()


def start_or_resume(folder: Path, facts: Mapping[str, object]) -> None:
    """Write what the ingest works on; where an earlier one did so, compare.

    Args:
        folder: of all processes' scratch files.
        facts: JSON values, by what they are called in messages.

    Raises:
        RunError: something differs, or what was written cannot be read; the message says what.
    """
    if not is_started(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / _STARTED, lambda file: file.write(json.dumps(facts, indent=1).encode()))
        return
    try:
        before = json.loads((folder / _STARTED).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(
            "cannot be read", file=folder / _STARTED, remedy=_ANEW.capitalize()
        ) from error
    check_unchanged(before, facts, folder.parent)


def delete_checkpoints(folder: Path) -> None:
    """Delete what the ingest works on, and the checkpoints of all processes."""
    (folder / _STARTED).unlink()
    for state in folder.glob("*/*.state"):
        state.unlink()


def check_unchanged(before: Mapping[str, object], facts: Mapping[str, object], run: Path) -> None:
    """Compare what the ingest of `run` was started with, by name, with what holds now.

    Raises:
        RunError: naming the first that differs.
    """
    now = json.loads(json.dumps(facts))
    for name, value in before.items():
        if now.get(name) != value:
            raise RunError(
                f"this run was started with a different {name}",
                file=run,
                found=str(now.get(name)),
                expected=str(value),
                remedy=f"Give what it was started with, or {_ANEW}",
            )


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all, and flush it to the disk."""
    with atomic_file(path, flush=True) as partial, partial.open("wb") as file:
        write(file)
