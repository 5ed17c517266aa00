"""An audit as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...explain.reliance import distinct
from ...graph.uids import split_concept
from ...pages.wording import audit_finding, counted, group_reason, why_command
from ..terminal import print_line, print_note, print_paragraph, print_table
from .evidence import print_unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...explain.audit import Audit
    from ...explain.reliance import Reliance
    from ...graph.run.reader import Run

_RELIANCE, _GROUPS = 7, 5
_CONFUSIONS, _SUSPECTS = 15, 12
_CONCEPTS = 3  # of a confusion, and of the names of a thing
_UNITS = 2  # of a group that no concept names


def print_audit(
    run: Run, audit: Audit, no_answer: str | None, why_options: Sequence[str] = ()
) -> None:
    """Print what the answers rely on, groups, confusions, suspects, and what was not read."""
    print_line(audit_finding(audit), "bold")
    right = "" if audit.right is None else f", {audit.right} right ({_share(audit)})"
    print_line(f"{counted(audit.images, run.noun)}{right}")
    print_line()
    _print_reliance(audit)
    _print_groups(run, audit)
    if audit.right is not None:
        _print_confusions(audit)
        if audit.suspects:
            _print_suspects(audit, audit.right)
        print_paragraph(no_answer)
    _print_notes(audit)
    print_unreadable(audit.unreadable)
    if audit.confusions or audit.groups:
        print_note(f"To explain one of them: {why_command(run, audit, None, why_options)}")


def _print_reliance(audit: Audit) -> None:
    labelled = audit.right is not None
    columns = ("class", "concept", "carries", "answers change", "mistakes carried", "fixed")
    print_table(
        "reliance: what carries the answers of a class more often than those of others",
        columns if labelled else columns[:4],
        [
            (
                row.class_name,
                _names(row),
                f"{row.strongest} of {audit.answers[row.class_name]}",
                f"{row.changes} of {row.painted}",
                *((row.wrong_strongest, row.fixes) if labelled else ()),
            )
            for row in distinct(audit.reliance)[:_RELIANCE]
        ],
        right="cdef",
    )


def _names(row: Reliance) -> str:
    """Return a concept and the first other names of its things: "purple (bag, leather, …)"."""
    name = split_concept(row.concept)[1]
    others = [split_concept(concept)[1] for concept in row.also]
    others = [other for other in dict.fromkeys(others) if other != name]
    more = ", …" if len(others) > _CONCEPTS else ""
    return f"{name} ({', '.join(others[:_CONCEPTS])}{more})" if others else name


def _print_groups(run: Run, audit: Audit) -> None:
    labelled = audit.right is not None
    columns = ("class", "images", "what they share", "mistakes")
    print_table(
        f"groups of {run.noun}s whose answer has the same reason",
        columns if labelled else columns[:3],
        [
            (
                group.class_name,
                f"{len(group.images)} of {group.of}",
                group_reason(group)
                + ("" if group.concepts else f" ({', '.join(group.units[:_UNITS])})"),
                *((group.wrong,) if labelled else ()),
            )
            for group in audit.groups[:_GROUPS]
        ],
        right="bd",
    )


def _print_notes(audit: Audit) -> None:
    print_note(
        "A concept carries an answer if it names the strongest thing of the image, by evidence and "
        "by what painting it over does to the predicted class's logit less the second one's. "
        "Answers change: of the images in which a thing of this name was painted over."
    )
    if audit.groups:
        print_note(
            "Groups are by what each unit adds to the predicted class's logit less the mean of all "
            "logits; `why --class` is about what the places of a concept add to the same. So each "
            "may name other concepts."
        )
    if audit.right is not None:
        print_note(
            "A concept pushes a decision if it is among the three that raise its logit most, where "
            f"it is present, and adds at least {audit.least_effect:.2g}. Fixes, breaks: mistakes "
            "that become right, right answers that become wrong, "
            f"when the units of {audit.block} that detect the concept are ablated where it is "
            f"present (why --ablate … --at {audit.block}); not ablated: beyond --try."
        )


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


def _print_suspects(audit: Audit, right: int) -> None:
    print_table(
        "suspects: concepts that push mistakes more often than right answers",
        ("concept", "of mistakes", "of right", "excess", "95 %", "fixes", "breaks"),
        [
            (
                suspect.concept,
                _percent(suspect.mistakes, audit.mistakes),
                _percent(suspect.rights, right),
                f"{suspect.excess:+.0%}",
                f"{suspect.low:+.0%} to {suspect.high:+.0%}",
                "not ablated" if suspect.fixes is None else suspect.fixes,
                "" if suspect.breaks is None else suspect.breaks,
            )
            for suspect in audit.suspects[:_SUSPECTS]
        ],
        right="bcdefg",
    )


def _share(audit: Audit) -> str:
    return _percent(audit.right or 0, audit.images)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
