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
from typing import TYPE_CHECKING, Any

import torch

from ..graph.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

State = dict[str, Any]
"""Tensors, numbers, text, and lists, tuples and dicts of these."""


class Bookmarks:
    """The bookmarks of one process, kept at most every so often."""

    def __init__(self, folder: Path, minutes: float, kept: Callable[[], None]) -> None:
        """Prepare.

        Args:
            folder: for the bookmarks; it need not exist yet.
            minutes: between two of them, at least.
            kept: called after each.
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
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}.state"
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._last = time.monotonic()
        self._kept()

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
                remedy="Begin anew with --overwrite",
            ) from error
        return state


def begin(folder: Path, facts: Mapping[str, object]) -> None:
    """Say what the ingest works on; where an earlier one said so, compare.

    Args:
        folder: of all processes' scratch files.
        facts: JSON values, by what they are called in messages.

    Raises:
        RunError: something differs; the message says what.
    """
    path = folder / "started.json"
    if path.exists():
        check_same(json.loads(path.read_text(encoding="utf-8")), facts, folder.parent)
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    fresh.replace(path)


def forget(folder: Path) -> None:
    """Delete the bookmarks of all processes."""
    for state in folder.glob("*/*.state"):
        state.unlink()


def check_same(before: Mapping[str, object], facts: Mapping[str, object], run: Path) -> None:
    """Compare what the ingest of `run` was begun with, by name, with what is so now.

    Raises:
        RunError: naming the first that differs.
    """
    now = json.loads(json.dumps(facts))
    for name, value in before.items():
        if now[name] != value:
            raise RunError(
                f"this run was begun with another {name}",
                file=run,
                found=str(now[name]),
                expected=str(value),
                remedy="Give what it was begun with, or begin anew with --overwrite",
            )
