"""The package's exceptions: one tree with one base.

    ConceptGraphError
    ├── DataError    concept data: index, labels, masks, images
    ├── ModelError   a network, its weights, its classes
    ├── RunError     a run directory
    ├── StoreError   a graph store
    └── QueryError   a question that names what does not exist

Every message is one line that names the file, what was found, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class ConceptGraphError(Exception):
    """Base of everything this package raises on purpose.

    Args:
        what: what is wrong, without a full stop.
        file: the file (or folder) in which it is wrong; add the row to `what`.
        found: the wrong value.
        expected: what it should be.
        remedy: what the user can do, as a sentence without a full stop.
    """

    def __init__(
        self,
        what: str,
        *,
        file: Path | str | None = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        text = f"{file}: {what}" if file is not None else what
        if found is not None:
            text += f"; found {found}"
        if expected is not None:
            text += f"; expected {expected}"
        if remedy is not None:
            text += f". {remedy}"
        super().__init__(" ".join(text.split()))


class DataError(ConceptGraphError):
    """Concept data that cannot be used as it is."""


class ModelError(ConceptGraphError):
    """A network, checkpoint or class list that does not fit."""


class RunError(ConceptGraphError):
    """A run directory that is missing, incomplete, or from another schema."""


class StoreError(ConceptGraphError):
    """A graph store that cannot be reached or used."""


class QueryError(ConceptGraphError):
    """A question about something that does not exist."""


_NO_MEMORY = (
    "can't allocate memory",  # torch
    "not enough memory",
    "std::bad_alloc",
    "cannot allocate memory",  # the loader of a library
    "failed to map segment",
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of any library says that the machine's memory is used up."""
    text = str(error).casefold()
    return isinstance(error, MemoryError) or any(part in text for part in _NO_MEMORY)


def nearest(name: str, known: Iterable[str], count: int = 3, alike: float = 0.5) -> str:
    """Return a remedy that suggests the names most like `name`, or lists some of them.

    `alike` is the least ratio of equal characters (`difflib`) of a name that is suggested.
    """
    names = list(known)
    by_fold = {known_name.casefold(): known_name for known_name in names}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=count, cutoff=alike)
    if close:
        return "Did you mean " + " or ".join(repr(by_fold[fold]) for fold in close) + "?"
    first = ", ".join(repr(known_name) for known_name in names[:5])
    return f"There are {len(names)}: {first}{', …' if len(names) > 5 else ''}"
