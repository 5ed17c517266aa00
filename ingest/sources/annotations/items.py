"""The item of an annotation file that is read, and the error that drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


class ItemError(DataError):
    """An item that cannot be used; a build drops it and goes on.

    Attributes:
        reason: what is wrong, in words that are the same for all items of the kind.
        detail: what was found in this one, and what was expected.
    """

    def __init__(
        self,
        item: AnnotationItem,
        what: str,
        *,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        """Name file and item in the message."""
        super().__init__(
            f"{item.name}: {what}", file=item.file, found=found, expected=expected, remedy=remedy
        )
        parts = {"found": found, "expected": expected}
        self.reason = what
        detail = "; ".join(f"{k} {v}" for k, v in parts.items() if v is not None)
        self.detail = writable(detail)


class AnnotationItem(NamedTuple):
    """One item of an annotation file, such as `row 7`, for messages that name it."""

    file: Path
    name: str

    def error(
        self, what: str, *, found: object = None, expected: object = None, remedy: str | None = None
    ) -> ItemError:
        """Return an error that names file and item."""
        return ItemError(self, what, found=found, expected=expected, remedy=remedy)

    @property
    def source(self) -> str:
        """File and item, for tables."""
        return f"{self.file.name}, {self.name}"


def writable(text: str) -> str:
    """Return text without halves of characters, which JSON may have and no file can."""
    return text.encode(errors="ignore").decode()
