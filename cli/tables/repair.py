"""A repair as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...explain.repair import REPAIRED, RETRAINED
from ...explain.repair_card import grouped_by, groups_of, headline, share_text, warnings_of
from ...pages.wording import counted
from ..terminal import print_line, print_note, print_table
from .evidence import print_unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from ...explain.repair import Repair

_GROUPS = 16


def print_repair(repair: Repair, out: Path | None) -> None:
    """Print the finding, the methods, groups, and where the network is, if it was written."""
    print_line(headline(repair), "bold")
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
                    (method.overall, method.worst_share, method.mistakes, method.clean),
                ),
                method.fixed,
                method.broken,
            )
            for method in repair.methods
        ],
        right="fg",
    )
    _print_groups(repair)
    for warning in warnings_of(repair):
        print_line(f"{warning}.", "bold")
    print_note(
        f"{repair.chosen.candidate.text}: chosen among {len(repair.tried)} on {repair.choice} "
        f"other images, where {repair.chosen.fixed} of {repair.chosen.mistakes} mistakes become "
        f"right and {repair.chosen.broken} of {repair.chosen.right} right answers wrong. Mistakes: "
        f"other classes with the concept, taken for {repair.class_name!r}; clean: right answers "
        f"to images without it, by {grouped_by(repair)}. 95 % intervals (Wilson)."
    )
    print_unreadable(repair.unreadable)
    if out is not None:
        print_line(f"network: {out}: from network import load; model = load()")


def _better(repair: Repair) -> str:
    """Return a line that says so if the retrained last layer has the better worst group."""
    names = [method.name for method in repair.methods]
    if RETRAINED not in names:
        return "The last layer is not given one vector an image, so it was not retrained."
    own, other = (repair.method(name).worst_share.share for name in (REPAIRED, RETRAINED))
    if other <= own:
        return ""
    return (
        f"The last layer retrained on balanced groups has the better worst group: {other:.0%} "
        f"right, {own:.0%} repaired."
    )


def _print_groups(repair: Repair) -> None:
    """Print each class with and without the concept, the largest change first."""
    print_table(
        "groups",
        ("class", "concept", "images", "right as it is", "right repaired"),
        [
            (
                name,
                "yes" if has_concept else "no",
                before.images,
                share_text(before),
                share_text(after),
            )
            for name, has_concept, before, after in groups_of(repair)[:_GROUPS]
        ],
        right="c",
    )
