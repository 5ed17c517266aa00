"""Answers to `why`, as tables."""

from __future__ import annotations

import shlex
from string import ascii_lowercase
from typing import TYPE_CHECKING

from ...explain.explanation import DISPUTED
from ...pages.wording import verdict, where_silent
from ..terminal import concept_text, note, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ...explain.ablation import Ablation
    from ...explain.explanation import ConceptAttribution, Explanation
    from ...queries.labels import UnitLabel
    from ...queries.paths import ClassPaths

SHOWN = 8  # concepts, before the others are gathered in one row


def print_class_paths(found: ClassPaths) -> None:
    """The paths to a class, without an image."""
    _print_paths(
        f"{found.class_name}: strongest concept paths in {found.run}, exact over all units",
        ("score",),
        [(path.rank, (f"{path.score:.2e}",), path.units) for path in found.paths],
        found.blocks,
    )
    note(
        "Scores multiply each step's share of its target's positive weights; "
        "they rank paths and are no share of a logit."
    )


def print_explanation(
    found: Explanation, tried: Sequence[Ablation], cam: Path | None, html: Path | None
) -> None:
    """Prediction, paths, accounting and concepts of one image, what if, and the files written."""
    print_table(
        f"{found.image}: predicted",
        ("class", "probability"),
        [(name, f"{probability:.1%}") for name, probability in found.predicted],
        right="b",
    )
    subject = found.class_name if found.versus is None else f"{found.class_name} − {found.versus}"
    whole = "logit" if found.versus is None else "difference"
    _print_paths(
        f"{subject}: strongest paths by {_METHODS[found.method]}, in units of the logit",
        ("adds", "measured"),
        [
            (
                path.rank,
                (f"{path.contribution:+.3f}", f"{path.measured:+.3f}{'?' * path.disputed}"),
                path.units,
            )
            for path in found.paths
        ],
        found.blocks,
    )
    print_table(
        f"how the {whole} adds up",
        ("paths shown", "other paths", "biases", whole),
        [[f"{value:+.3f}" for value in found.accounting]],
        right="abcd",
    )
    _print_concepts(found)
    for each in tried:
        _print_what_if(each)
    for line in _small_print(found):
        note(line)
    if found.versus is None and found.class_name != found.predicted[0].name:
        note(
            f"The network says {found.predicted[0].name}. What argues between the two: "
            f"--class {shlex.quote(found.class_name)} "
            f"--versus {shlex.quote(found.predicted[0].name)}"
        )
    for name, path in (("class activation map", cam), ("page", html)):
        if path is not None:
            say(f"{name}: {path}")


_METHODS = {"exact": "exact accounting", "one-unit": "one-unit edges × activation"}


def _small_print(found: Explanation) -> Iterator[str]:
    measured = (
        "“measured”: what the logit really loses, along this path only, without its first unit; "
        f"“?” where that misses the prediction by more than {DISPUTED:.0%}"
    )
    if found.agreement is not None:
        measured += f". Correlation over the paths shown: {found.agreement:.3f}"
    yield f"{measured}."
    if found.method == "one-unit":
        yield (
            "One-unit paths are estimates that do not add up: "
            "“other paths” is what is missing to the exact sum."
        )
        return
    yield (
        "“concept present”: where a probe of the whole block finds the concept in this image; only "
        "that is its own. “poor”: it has no good probe, and counts wherever its units fire."
    )
    for block, level in zip(reversed(found.blocks), found.searched, strict=False):
        if level.followed < level.of:
            yield (
                f"Followed from {block}: the strongest {level.followed} of {level.of}, with "
                f"{level.share:.0%} of what all carry; what the next one carries in all its "
                f"paths adds up to {level.next:.3f} in size."
            )


def _print_paths(
    title: str,
    values: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str], Sequence[UnitLabel]]],
    blocks: Sequence[str],
) -> None:
    """Paths as rows, one column a block."""
    print_table(
        title,
        ("rank", *values, *blocks),
        [
            (
                rank,
                *numbers,
                *(
                    f"{'→ ' if step else ''}{unit.uid} {concept_text(unit.concept)}"
                    for step, unit in enumerate(units)
                ),
            )
            for rank, numbers, units in rows
        ],
        right=ascii_lowercase[: 1 + len(values)],
    )


def _print_what_if(tried: Ablation) -> None:
    after = dict(tried.after)
    silent = tried.concepts or tried.units
    fewest = "the fewest concepts found that change the decision: " if tried.least else ""
    print_table(
        f"{fewest}without {', '.join(silent)} ({where_silent(tried)}): {verdict(tried)}",
        ("class", "before", "after"),
        [(name, f"{before:.1%}", f"{after[name]:.1%}") for name, before in tried.before],
        right="bc",
    )
    if tried.took_over:
        carried = (f"{each.name} {each.contribution:+.2f}" for each in tried.took_over)
        say(f"What carries {tried.after[0].name} then: {', '.join(carried)}\n")


def _print_concepts(found: Explanation) -> None:
    """The strongest concepts, and all others in one row, so that the columns add up."""
    *named, unnamed = found.by_concept
    rows = [
        (each.name or "", each.category or "", *_amounts([each]), _probe(each))
        for each in named[:SHOWN]
    ]
    if others := named[SHOWN:]:
        rows.append((f"{len(others)} more concepts", "", *_amounts(others), ""))
    rows.append(("units without a concept", "", *_amounts([unnamed]), ""))
    print_table(
        f"all paths by the concepts that their {found.blocks[0]} unit detects",
        ("concept", "category", "concept present", "only firing", "below", "probe F1"),
        rows,
        right="cdef",
    )
    if found.by_category:
        parts = (f"{each.category} {each.contribution:+.3f}" for each in found.by_category)
        say(f"By category, where present: {', '.join(parts)}\n")
    if found.versus is not None:
        print_table(
            f"what raises {found.class_name}, and what only lowers {found.versus}",
            ("concept", f"raises {found.class_name}", f"lowers {found.versus}"),
            [
                (each.name or "", f"{each.for_class:+.3f}", f"{each.against_other:+.3f}")
                for each in named[:SHOWN]
            ],
            right="bc",
        )


def _amounts(shares: Sequence[ConceptAttribution]) -> tuple[str, str, str]:
    present, firing, below = (
        f"{sum(parts):+.3f}"
        for parts in zip(*((s.present, s.firing, s.below) for s in shares), strict=True)
    )
    return present, firing, below


def _probe(share: ConceptAttribution) -> str:
    return "poor" if share.probe is None else f"{share.probe:.2f}"
