"""A repair as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...explain.repair import AS_IT_IS, REPAIRED, RETRAINED
from ...explain.repair_card import share_text
from ...pages.wording import counted
from ..terminal import print_line, print_note, print_table
from .evidence import print_unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from ...explain.repair import Repair

_GROUPS = 16


def print_repair(repair: Repair, out: Path | None) -> None:
    """Print the finding, the methods, groups, and where the network is, if it was written."""
    own = repair.method(REPAIRED)
    print_line(
        f"{own.mistakes.hits} of {counted(own.mistakes.images, 'image')} taken for "
        f"{repair.class_name!r} with {repair.concept} become right; {own.clean.hits} of "
        f"{own.clean.images} right answers without it break.",
        "bold",
    )
    if repair.refused and out is not None:
        print_line(f"It would be refused: {repair.refused}.")
    if better := _better(repair):
        print_line(better)
    print_line()
    print_table(
        f"{counted(repair.held_out, 'image')} held out",
        ("", "right", "worst group", "mistakes right", "clean broken", "fixed", "broken"),
        [
            (
                method.name,
                *map(
                    share_text,
                    (method.overall, method.worst[1], method.mistakes, method.clean),
                ),
                method.fixed,
                method.broken,
            )
            for method in repair.methods
        ],
        right="fg",
    )
    _print_groups(repair)
    print_note(
        f"{repair.chosen.candidate.text}: chosen among {len(repair.tried)} on {repair.choice} "
        f"other images, where {repair.chosen.fixed} of {repair.chosen.mistakes} mistakes become "
        f"right and {repair.chosen.broken} of {repair.chosen.right} right answers wrong. Mistakes: "
        f"other classes with the concept, taken for {repair.class_name!r}; clean: right answers "
        f"to images without it, by {repair.grouped_by}. 95 % intervals (Wilson)."
    )
    print_unreadable(repair.unreadable)
    if out is not None:
        print_line(f"network: {out}: from network import load; model = load()")


def _better(repair: Repair) -> str:
    """Return a line that says so if the retrained last layer has the better worst group."""
    names = [method.name for method in repair.methods]
    if RETRAINED not in names:
        return "The last layer is not given one vector an image, so it was not retrained."
    own, other = (repair.method(name).worst[1].share for name in (REPAIRED, RETRAINED))
    if other <= own:
        return ""
    return (
        f"The last layer retrained on balanced groups has the better worst group: {other:.0%} "
        f"right, {own:.0%} repaired."
    )


def _print_groups(repair: Repair) -> None:
    """Print each class with and without the concept, the largest change first."""
    before, after = repair.method(AS_IT_IS).groups, repair.method(REPAIRED).groups
    order = sorted(before, key=lambda group: -abs(after[group].share - before[group].share))
    print_table(
        "groups",
        ("class", "concept", "images", "right as it is", "right repaired"),
        [
            (
                name,
                "yes" if has_concept else "no",
                before[name, has_concept].images,
                share_text(before[name, has_concept]),
                share_text(after[name, has_concept]),
            )
            for name, has_concept in order[:_GROUPS]
        ],
        right="c",
    )
