"""An audit as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...pages.wording import why_command
from ..terminal import print_line, print_note, print_paragraph, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...explain.audit import Audit
    from ...graph.run.reader import Run

_CONFUSIONS, _SUSPECTS, _UNREADABLE = 15, 12, 20
_CONCEPTS = 3  # of a confusion


def print_audit(
    run: Run, audit: Audit, no_answer: str | None, why_options: Sequence[str] = ()
) -> None:
    """Print confusions, suspects or why there are none, and images that could not be read."""
    print_line(
        f"{audit.images} images, {audit.right} right ({_percent(audit.right, audit.images)})"
    )
    _print_confusions(audit)
    if audit.suspects:
        _print_suspects(audit)
    print_paragraph(no_answer)
    print_note(
        "A concept pushes a decision if it is among the three that raise its logit most, where it "
        f"is present, and adds at least {audit.least_effect:.2g}. Fixes, breaks: mistakes that "
        "become right, right answers that become wrong, "
        f"when the units of {audit.block} that detect the concept are ablated where it is present "
        f"(why --ablate … --at {audit.block}; –: not tried)."
    )
    for file, reason in audit.unreadable[:_UNREADABLE]:
        print_note(f"not read: {file}: {reason}")
    if audit.confusions:
        command = why_command(run, audit, audit.confusions[0], why_options)
        print_note(f"To explain one of them: {command}")


def _print_confusions(audit: Audit) -> None:
    print_table(
        "confusions, with the strongest evidence for the class predicted",
        ("class", "predicted", "images", "evidence"),
        [
            (
                confusion.truth,
                confusion.predicted,
                len(confusion.images),
                ", ".join(f"{c.concept} {c.raises:+.2f}" for c in confusion.concepts[:_CONCEPTS]),
            )
            for confusion in audit.confusions[:_CONFUSIONS]
        ],
        right="c",
    )


def _print_suspects(audit: Audit) -> None:
    mistakes = audit.images - audit.right
    print_table(
        "suspects: concepts that push mistakes more often than right answers",
        ("concept", "of mistakes", "of right", "excess", "95 %", "fixes", "breaks"),
        [
            (
                suspect.concept,
                _percent(suspect.mistakes, mistakes),
                _percent(suspect.rights, audit.right),
                f"{suspect.excess:+.0%}",
                f"{suspect.low:+.0%} to {suspect.high:+.0%}",
                "–" if suspect.fixes is None else suspect.fixes,
                "–" if suspect.breaks is None else suspect.breaks,
            )
            for suspect in audit.suspects[:_SUSPECTS]
        ],
        right="bcdefg",
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
