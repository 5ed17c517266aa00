"""A check of a run, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...pages.wording import counted
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from ...graph.run.check import RunCheck

_VERDICTS = {True: "ok", False: "fails", None: "?"}


def print_check(check: RunCheck) -> None:
    """Print the verdict, the lines, and what to do about those that failed."""
    failed = check.failed
    print_line(
        f"{check.run}: all {len(check.lines)} lines hold."
        if not failed
        else f"{check.run}: {len(failed)} of {len(check.lines)} lines fail: {', '.join(failed)}."
    )
    print_table(
        f"how far to believe this run ({counted(check.images, 'image')} explained)",
        ("line", "", "found", "usual"),
        [(line.name, _VERDICTS[line.passed], line.finding, line.usual) for line in check.lines],
    )
    for line in check.lines:
        if line.passed is False and line.remedy:
            print_note(f"{line.name}: {line.remedy}.")
