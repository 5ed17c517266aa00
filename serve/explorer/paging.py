"""Long lists: what is asked of them in an address, and the part of them that a page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from .rendering import url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Row = TypeVar("Row")
Shown = TypeVar("Shown")
EACH = 60
"""Rows of a page."""
_MOST_DIGITS = 9


class Filter(NamedTuple):
    """A filter of a list.

    Attributes:
        name: in the address.
        label: as it is shown.
        choices: its values.
        value: the one chosen.
    """

    name: str
    label: str
    choices: Sequence[str]
    value: str


@dataclass(frozen=True)
class Paged(Generic[Row]):
    """A part of a list.

    Attributes:
        rows: those shown.
        total: of the whole list.
        page: from 1.
        pages: at least 1.
        previous: address of the page before; None for the first.
        next: likewise.
    """

    rows: Sequence[Row]
    total: int
    page: int
    pages: int
    previous: str | None
    next: str | None

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1."""
        return (self.page - 1) * EACH + 1

    def each(self, show: Callable[[Row], Shown]) -> Paged[Shown]:
        """Return the same part of the list, each row as `show` returns it."""
        rows = [show(row) for row in self.rows]
        return Paged(rows, self.total, self.page, self.pages, self.previous, self.next)


def paged(rows: Sequence[Row], path: str, asked: Mapping[str, str]) -> Paged[Row]:
    """Return the part of a list that an address asks for.

    Args:
        rows: the whole list.
        path: of the address.
        asked: its query; `page` is a number from 1, the last one if it is too large.
    """
    pages = max(1, -(-len(rows) // EACH))
    page = min(whole_number(asked, "page", 1), pages)

    def other(number: int) -> str | None:
        if not 1 <= number <= pages:
            return None
        return url(path, **{**asked, "page": str(number)})

    shown = rows[(page - 1) * EACH : page * EACH]
    return Paged(shown, len(rows), page, pages, other(page - 1), other(page + 1))


def whole_number(asked: Mapping[str, str], name: str, default: int) -> int:
    """Return a number from 1 in an address; `default` if it is none."""
    text = asked.get(name, "")
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return max(1, int(text)) if is_number else default


def choice(asked: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """Return what an address chooses among some values; the first one if none of them."""
    value = asked.get(name, "")
    return value if value in choices else choices[0]
