"""Answers to `why`, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .terminal import concept_text, note, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..queries.explanation import ConceptShare, Explanation
    from ..queries.labels import UnitLabel
    from ..queries.paths import ClassPaths

SHOWN = 8  # concepts, before the others are gathered in one row


def print_class_paths(found: ClassPaths) -> None:
    """The paths to a class, without an image."""
    _print_paths(
        f"{found.class_name}: strongest concept paths in {found.run}, exact over all units",
        "score",
        [(path.rank, f"{path.score:.2e}", path.units) for path in found.paths],
        found.blocks,
    )
    note(
        "Scores multiply each step's share of its target's positive weights; "
        "they rank paths and are no share of a logit."
    )


def print_explanation(found: Explanation, cam: Path | None, html: Path | None) -> None:
    """Prediction, paths, accounting and concepts of one image, and the files written."""
    print_table(
        f"{found.image}: predicted",
        ("class", "probability"),
        [(name, f"{probability:.1%}") for name, probability in found.predicted],
        right="b",
    )
    subject = found.class_name if found.versus is None else f"{found.class_name} − {found.versus}"
    whole = "logit" if found.versus is None else "difference"
    blocks = dict.fromkeys(unit.block for path in found.paths for unit in path.units)
    _print_paths(
        f"{subject}: strongest paths by {_METHODS[found.method]}, in units of the logit",
        "adds",
        [(path.rank, f"{path.contribution:+.3f}", path.units) for path in found.paths],
        tuple(blocks),
    )
    print_table(
        f"how the {whole} adds up",
        ("paths shown", "other paths", "biases", whole),
        [[f"{value:+.3f}" for value in found.accounting]],
        right="abcd",
    )
    _print_concepts(found.by_concept)
    note(_small_print(found))
    for name, path in (("class activation map", cam), ("page", html)):
        if path is not None:
            say(f"{name}: {path}")


_METHODS = {"exact": "exact accounting", "one-unit": "one-unit edges × activation"}


def _small_print(found: Explanation) -> str:
    if found.method == "one-unit":
        return (
            "One-unit paths are estimates that do not add up: "
            "“other paths” is what is missing to the exact sum."
        )
    looked, alive, share = found.searched
    return (
        f"Searched for the strongest paths: {looked} of the last block's {alive} active units, "
        f"which carry {share:.0%} of Σ|weight · activation|."
    )


def _print_paths(
    title: str,
    value: str,
    rows: Iterable[tuple[int, str, Sequence[UnitLabel]]],
    blocks: Sequence[str],
) -> None:
    """Paths as rows, one column a block."""
    print_table(
        title,
        ("rank", value, *blocks),
        [
            (
                rank,
                number,
                *(
                    f"{'→ ' if step else ''}{unit.uid} {concept_text(unit.concept)}"
                    for step, unit in enumerate(units)
                ),
            )
            for rank, number, units in rows
        ],
        right="ab",
    )


def _print_concepts(shares: Sequence[ConceptShare]) -> None:
    """The strongest concepts, and all others in one row, so that the columns add up."""
    *named, unnamed = shares
    rows = [(each.name or "", each.category or "", *_amounts([each])) for each in named[:SHOWN]]
    if others := named[SHOWN:]:
        rows.append((f"{len(others)} more concepts", "", *_amounts(others)))
    rows.append(("units without a concept", "", *_amounts([unnamed])))
    print_table(
        "all paths by the concept of their first unit, where it fires and where it does not",
        ("concept", "category", "above its threshold", "below it"),
        rows,
        right="cd",
    )


def _amounts(shares: Sequence[ConceptShare]) -> tuple[str, str]:
    above = sum(share.present + share.firing for share in shares)
    return f"{above:+.3f}", f"{sum(share.below for share in shares):+.3f}"
