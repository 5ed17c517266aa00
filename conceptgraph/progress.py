"""Progress of long work, reported without knowing of any terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]
"""Called with each amount of work that is done."""


class Progress(Protocol):
    """Receives the steps of long work."""

    def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a step of `total` units of work; call what it yields with each amount done."""
        ...

    def note(self, text: str) -> None:
        """Take one line that says what was chosen, and why."""
        ...


class NoProgress:
    """Progress that nobody watches."""

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        """Yield an advance that does nothing."""
        yield no_advance

    def note(self, text: str) -> None:
        """Do nothing with it."""


def no_advance(done: int) -> None:
    """Do nothing with an amount of work that is done."""
