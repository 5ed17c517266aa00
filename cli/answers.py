"""Answers to `why`, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .terminal import concept_text, out, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..queries.explanation import Explanation
    from ..queries.labels import UnitLabel
    from ..queries.paths import ClassPaths


def path_text(units: tuple[UnitLabel, ...], target: str) -> str:
    """A path as one line: block3/17 polka dotted (0.07) → block4/290 juggling (0.34) → juggling."""
    steps = [f"{unit.uid} {concept_text(unit.concept)}" for unit in units]
    return " → ".join([*steps, target])


def print_class_paths(found: ClassPaths) -> None:
    """The paths to a class, without an image."""
    print_table(
        f"{found.class_name}: strongest concept paths in {found.run}, exact over all units",
        ("rank", "score", "path, units with concept (IoU)"),
        [
            (path.rank, f"{path.score:.2e}", path_text(path.units, found.class_name))
            for path in found.paths
        ],
        right="ab",
    )
    out.print(
        "Scores multiply each step's share of its target's positive weights; "
        "they rank paths and are no share of a logit.",
        style="dim",
    )


def print_explanation(found: Explanation, cam: Path | None, html: Path | None) -> None:
    """Prediction, paths, accounting and concepts of one image, and the files written."""
    subject = found.class_name if found.versus is None else f"{found.class_name} − {found.versus}"
    print_table(
        f"{found.image}: predicted",
        ("class", "probability"),
        [(name, f"{probability:.1%}") for name, probability in found.predicted],
        right="b",
    )
    print_table(
        f"{subject}: strongest paths ({found.method}), in units of the logit",
        ("rank", "adds", "path, units with concept (IoU)"),
        [
            (path.rank, f"{path.contribution:+.3f}", path_text(path.units, found.class_name))
            for path in found.paths
        ],
        right="ab",
    )
    account = found.accounting
    print_table(
        "how it adds up",
        ("paths shown", "other paths", "biases", "logit" if found.versus is None else "difference"),
        [[f"{value:+.3f}" for value in account]],
        right="abcd",
    )
    _print_concepts(found)
    looked, alive, share = found.searched
    out.print(
        f"Paths searched through {looked} of {alive} units of the last block, "
        f"which carry {share:.0%} of Σ|weight · activation|.",
        style="dim",
    )
    for name, path in (("class activation map", cam), ("page", html)):
        if path is not None:
            out.print(f"{name}: {path}")


def _print_concepts(found: Explanation) -> None:
    rows = [
        (
            share.name or "units without a concept",
            share.category or "",
            f"{share.contribution:+.3f}" if share.name else "",
            f"{share.below + (0 if share.name else share.firing):+.3f}",
        )
        for share in (*found.by_concept[:8], found.by_concept[-1])
    ]
    print_table(
        "by concept of the first unit, over all paths",
        ("concept", "category", "adds above threshold", "below it"),
        list(dict.fromkeys(rows)),
        right="cd",
    )
