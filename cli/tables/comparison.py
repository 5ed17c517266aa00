"""A comparison of runs as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...queries.compare import BlockCounts, Comparison, DetectionCounts, RunLabel, RunPair

_CONCEPTS = 12  # that only one of two runs has
_COUNTS = ("concepts", "named", "significant", "above center bias", "unrestricted")


def print_comparison(comparison: Comparison, top: int) -> None:
    """Print the counts of all runs, and each pair with at most `top` changed units."""
    print_table(
        "concepts, and units that are named after one",
        ("block", "run", "units", *_COUNTS),
        [
            (counts.block, counts.run, counts.units, *_cells(counts.total))
            for counts in comparison.counts
        ],
        right="cdefgh",
    )
    print_table(
        "by category",
        ("block", "run", "category", *_COUNTS),
        _category_rows(comparison.counts),
        right="defgh",
    )
    print_note(
        "“significant”: the label's IoU is larger than under the permutation null. “above center "
        "bias”: it is larger than that of the center-bias baseline, a box in the middle of every "
        "image. “unrestricted”: units that would be interpretable if activations counted in all "
        "images; a small, well-isolated category raises IoU by construction.\n"
    )
    for pair in comparison.pairs:
        _print_pair(pair, top)


def _category_rows(counts: Sequence[BlockCounts]) -> list[tuple[object, ...]]:
    return [
        (block.block, block.run, category.category, *_cells(category))
        for block in counts
        for category in block.categories
    ]


def _cells(counts: DetectionCounts) -> tuple[object, ...]:
    baselines = counts.significant, counts.above_center_bias, counts.unrestricted
    cells = ("—" if number is None else number for number in baselines)
    return counts.concepts, counts.units, *cells


def _print_pair(pair: RunPair, top: int) -> None:
    title = f"{pair.first} → {pair.second}"
    _print_differences(title, pair)
    if pair.same_network:
        print_table(
            f"{title}: one network, unit by unit",
            ("block", "same label", "another label", "gained", "lost", "no label"),
            pair.moves,
            right="bcdef",
        )
        changes = pair.changes[:top]
        print_table(
            f"{title}: {len(pair.changes)} units {_changed(pair)}, {len(changes)} shown",
            ("unit", pair.first, "IoU", pair.second, "IoU"),
            [
                (change.unit, *_label_cells(change.before), *_label_cells(change.after))
                for change in changes
            ],
            right="ce",
        )
    else:
        print_line(f"{title}: two networks, so units cannot be compared one by one\n", "bold")
    print_line(f"{title}: {pair.both} concepts detected in both")
    for name, concepts in ((pair.first, pair.only_first), (pair.second, pair.only_second)):
        rest = len(concepts) - _CONCEPTS
        names = ", ".join(concepts[:_CONCEPTS]) or "none"
        print_line(
            f"only in {name} ({len(concepts)}): {names}{f' and {rest} more' if rest > 0 else ''}"
        )
    print_line()


def _print_differences(title: str, pair: RunPair) -> None:
    print_table(
        f"{title}: what differs between the runs",
        ("setting", pair.first, pair.second, "decides labels"),
        [
            (
                row.setting,
                *("not set" if value is None else value for value in (row.first, row.second)),
                "yes" if row.decides_labels else "no",
            )
            for row in pair.differences
        ],
    )
    if caveat := pair.caveat():
        print_note(f"{caveat}\n")


def _changed(pair: RunPair) -> str:
    return "changed their label" if pair.same_measurement else "are labelled otherwise"


def _label_cells(label: RunLabel | None) -> tuple[str, str]:
    """Return a label with its category, and its IoU; "?" marks one that is not significant."""
    if label is None:
        return "—", ""
    mark = "?" if label.significant is False else ""
    return f"{label.name} ({label.category}){mark}", f"{label.iou:.3f}"
