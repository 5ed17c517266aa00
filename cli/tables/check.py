"""A check of a run, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...pages.wording import counted
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from ...graph.run.check import RunCheck
    from ...graph.run.reader import Run

_VERDICTS = {True: "ok", False: "fails", None: "not measured"}


def print_check(run: Run, check: RunCheck) -> None:
    """Print the verdict, the lines, and what to do about those that failed."""
    print_line(f"{check.run}: {_verdict(check)}.")
    print_table(
        f"how far to believe this run ({counted(check.images, run.noun)} explained)",
        ("line", "", "found", "usual"),
        [(line.name, _VERDICTS[line.passed], line.finding, line.usual) for line in check.lines],
    )
    for line in check.lines:
        if line.passed is False and line.remedy:
            print_note(f"{line.name}: {line.remedy}.")


def _verdict(check: RunCheck) -> str:
    lines, failed, unmeasured = len(check.lines), check.failed, check.unmeasured
    looked_at = lines - len(unmeasured)
    if not unmeasured:
        if not failed:
            return f"all {lines} lines hold"
        return f"{len(failed)} of {lines} lines fail: {', '.join(failed)}"
    found = f"{len(failed)} fail: {', '.join(failed)}" if failed else "all hold"
    return f"{looked_at} of {lines} lines looked at, {found}; not measured: {', '.join(unmeasured)}"
