"""How long work tells what it is doing, without knowing of any terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Receives the steps of an ingest."""

    def step(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a step of `total` units of work; call the result with each amount done."""
        ...


class NoProgress:
    """Progress that nobody watches."""

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        """Do nothing."""
        yield lambda done: None
