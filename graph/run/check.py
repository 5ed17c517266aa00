"""How far a run can be believed, as `conceptgraph check` keeps it in the run: `check.json`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from ...errors import RunError
from ...files import atomic_file
from .files import disk_errors, read_json
from .schema import Count, Name, Text  # noqa: TC001 (msgspec reads them)

if TYPE_CHECKING:
    from .reader import Run


class CheckLine(NamedTuple):
    """One line of a check.

    Attributes:
        name: of the line.
        finding: what was found, in words, with figures.
        usual: what is usual.
        passed: whether the figure is in the usual range; None if it was not measured.
        remedy: what to do if it is not.
        values: the figures.
    """

    name: str
    finding: str
    usual: str
    passed: bool | None
    remedy: str
    values: dict[str, Any]


class SavedLine(TypedDict):
    """A line of `check.json`."""

    name: Name
    finding: Text
    usual: Text
    passed: bool | None
    remedy: Text
    values: dict[str, Any]


class SavedCheck(TypedDict):
    """The content of `check.json`."""

    images: Count
    lines: list[SavedLine]


class RunCheck(NamedTuple):
    """The lines of a check.

    Attributes:
        run: the run's name.
        images: that were explained.
        lines: in the order in which they are read.
    """

    run: str
    images: int
    lines: tuple[CheckLine, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the lines that failed."""
        return tuple(line.name for line in self.lines if line.passed is False)

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Names of the lines that were not measured, in whole or in part."""
        return tuple(line.name for line in self.lines if line.passed is None)

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        lines = [line._asdict() for line in self.lines]
        return {"run": self.run, "images": self.images, "lines": lines}


def write_check(run: Run, check: RunCheck) -> bool:
    """Keep a check in a run, in place of an earlier one; no partial one in place of a whole one.

    Returns:
        Whether it was kept.

    Raises:
        RunError: it cannot be written.
    """
    file = run.file("check.json")
    if check.unmeasured:
        with suppress(RunError):  # a damaged one is replaced
            if (kept := read_check(run)) is not None and not kept.unmeasured:
                return False
    with disk_errors(file, "cannot be written"), atomic_file(file) as partial:
        partial.write_text(json.dumps(check.to_json(), indent=1), encoding="utf-8")
    return True


def read_check(run: Run) -> RunCheck | None:
    """Read the check of a run; None if there is none.

    Raises:
        RunError: the file is damaged.
    """
    file = run.file("check.json")
    if not file.exists():
        return None
    remedy = "Make it again with `conceptgraph check`"
    content = read_json(file, SavedCheck, "not a check", remedy)
    return RunCheck(
        run.name, content["images"], tuple(CheckLine(**line) for line in content["lines"])
    )
