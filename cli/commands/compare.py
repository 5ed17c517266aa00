"""`conceptgraph compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...queries.compare import BlockCounts, Comparison, Detected, Meaning, Pair

SHOWN = 12  # concepts that only one run has
_COUNTS = ("concepts", "interpretable", "beyond chance", "above a box", "unrestricted")


def compare(
    paths: Annotated[list[Path], typer.Argument(help="Two or more runs, NAME.cg.", metavar="RUN…")],
    blocks: Annotated[str | None, typer.Option(help="Only these blocks, as block3,block4.")] = None,
    significant: Annotated[
        bool, typer.Option("--significant", help="Count only labels that are beyond chance.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Changed units shown of each pair.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Runs side by side: concepts and interpretable units of each, and units that changed meaning.

    Runs of one network, as with two sets of concepts, are compared unit by unit; others, as two
    checkpoints, by the concepts that they detect. The first run is compared with each other one.

    Examples:
    [bold]conceptgraph compare broden.cg joined.cg --blocks block4[/bold]
    [bold]conceptgraph compare epoch1.cg epoch9.cg --significant[/bold]
    """
    from ...graph.run.reader import open_run
    from ...queries.compare import compare as compare_runs
    from ..terminal import block_names, print_json

    found = compare_runs(
        [open_run(path) for path in paths], blocks=block_names(blocks), significant=significant
    )
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, top)


def _print(found: Comparison, top: int) -> None:
    from ..terminal import note, print_table

    print_table(
        "concepts, and units that detect one",
        ("block", "run", "units", *_COUNTS),
        [(each.block, each.run, each.units, *_cells(each.total)) for each in found.counts],
        right="cdefgh",
    )
    print_table(
        "by category",
        ("block", "run", "category", *_COUNTS),
        _by_category(found.counts),
        right="defgh",
    )
    note(
        "“beyond chance”: the label overlaps more than labels swapped between images do. "
        "“above a box”: its IoU is larger than that of a box in the middle of every image. "
        "“unrestricted”: interpretable if activations counted in all images; a small, "
        "well-isolated category raises IoU by construction.\n"
    )
    for pair in found.pairs:
        _print_pair(pair, top)


def _by_category(counts: Sequence[BlockCounts]) -> list[tuple[object, ...]]:
    return [
        (each.block, each.run, row.category, *_cells(row))
        for each in counts
        for row in each.categories
    ]


def _cells(found: Detected) -> tuple[object, ...]:
    companions = found.significant, found.above_center_bias, found.unrestricted
    return found.concepts, found.units, *("—" if each is None else each for each in companions)


def _print_pair(pair: Pair, top: int) -> None:
    from ..terminal import print_table, say

    title = f"{pair.first} → {pair.second}"
    if pair.same_network:
        print_table(
            f"{title}: one network, unit by unit",
            ("block", "same", "changed", "gained a meaning", "lost it", "neither has one"),
            pair.moves,
            right="bcdef",
        )
        shown = pair.changes[:top]
        print_table(
            f"{title}: {len(pair.changes)} units changed meaning, {len(shown)} shown",
            ("unit", pair.first, "IoU", pair.second, "IoU"),
            [(each.unit, *_meaning(each.before), *_meaning(each.after)) for each in shown],
            right="ce",
        )
    else:
        say(f"{title}: two networks, so units cannot be compared one by one\n", "bold")
    say(f"{title}: {pair.both} concepts detected in both")
    for name, concepts in ((pair.first, pair.only_first), (pair.second, pair.only_second)):
        more = "" if len(concepts) <= SHOWN else f" and {len(concepts) - SHOWN} more"
        listed = ", ".join(concepts[:SHOWN]) or "none"
        say(f"only in {name} ({len(concepts)}): {listed}{more}")
    say("")


def _meaning(found: Meaning | None) -> tuple[str, str]:
    """A label with its category, and its IoU; a label within chance is marked."""
    if found is None:
        return "—", ""
    within = "?" if found.significant is False else ""
    return f"{found.name} ({found.category}){within}", f"{found.iou:.3f}"
