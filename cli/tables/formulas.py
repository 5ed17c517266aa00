"""Formulas of units, as tables and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graph.run.formulas import read_formulas
from ...graph.uids import split_concept
from ...pages.wording import counted
from ..terminal import print_note, print_table

if TYPE_CHECKING:
    import pandas as pd

    from ...graph.run.formulas import FormulaLabels
    from ...graph.run.reader import Run

_ROWS = 15


def formulas_json(run: Run, formulas: FormulaLabels) -> dict[str, object]:
    """Return the formulas of all units as one JSON object."""
    facts = {name: value for name, value in formulas._asdict().items() if name != "labels"}
    return {"run": run.name, **facts, "units": _records(formulas.labels)}


def print_formulas(run: Run, formulas: FormulaLabels) -> None:
    """Print how many units have a formula, and the formulas with the largest IoU."""
    labels = formulas.labels
    given = labels[labels["holds"]].sort_values("iou", ascending=False, kind="stable")
    print_table(
        f"{run.name}: formulas of {formulas.concepts:,} concepts, chosen on "
        f"{counted(formulas.chosen_images, run.noun)}, tested on {formulas.held_out_images:,}",
        ("block", "units", "better than a concept", "significant", "with a formula"),
        [
            (
                block,
                len(rows),
                int(rows["formula"].notna().sum()),
                int(rows["significant"].sum()),
                int(rows["holds"].sum()),
            )
            for block, rows in labels.groupby("block", sort=False)
        ],
        right="bcde",
    )
    if len(given):
        print_table(
            "formulas with the largest IoU",
            ("unit", "formula", "IoU", "best concept", "IoU", "held out", "gain", "p"),
            [_cells(row) for row in _records(given[:_ROWS])],
            right="cefgh",
        )
    if len(given) > _ROWS:
        print_note(f"… and {len(given) - _ROWS} more (--json lists all units).")
    print_note(
        "IoU: over all images, whatever they are annotated with (as --iou unrestricted); held out, "
        "gain: the formula's IoU, and what it has more than its best shorter part, on images that "
        "had no part in its choice, with the gain's lower end (95 %). better than a concept: by a "
        "tenth, on the others. A unit has a formula if its gain is significant, and most of its "
        "activation area lies on the formula."
    )
    if formulas.left_out:
        print_note(f"Left out: {counted(formulas.left_out, 'concept')} in fewer than 10 images.")


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    gain = float(str(row["held_out_iou"])) - float(str(row["held_out_part_iou"]))
    return (
        str(row["unit"]),
        str(row["formula"]),
        f"{row['iou']:.3f}",
        split_concept(str(row["concept"]))[1],
        f"{row['concept_iou']:.3f}",
        f"{row['held_out_iou']:.3f}",
        f"+{gain:.3f} (from +{row['gain_low']:.3f})",
        f"{row['p']:.2g}",
    )


def _records(labels: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows as objects, in which nothing is None."""
    records: list[dict[str, object]] = (
        labels.astype(object).where(labels.notna(), None).to_dict("records")
    )
    return records


def unit_formula(run: Run, unit: str) -> dict[str, object] | None:
    """Return the formula of a unit, with its scores; None in a run without, or of a dead unit."""
    formulas = read_formulas(run)
    if formulas is None:
        return None
    records = _records(formulas.labels[formulas.labels["unit"] == unit])
    return records[0] if records else None


def print_formula(formula: dict[str, object] | None) -> None:
    """Print the formula of a unit, if the run has formulas."""
    if formula is None:
        return
    if formula["formula"] is None:
        print_note("Formula: none is better than the best concept.")
        return
    concept = f"{split_concept(str(formula['concept']))[1]} alone {formula['concept_iou']:.3f}"
    best = f"{formula['formula']}, IoU {formula['iou']:.3f} ({concept}, over all images)"
    found = f"Formula: {best}" if formula["holds"] else f"Formula: none that holds; at best {best}"
    gain = (
        f"{formula['held_out_iou']:.3f}, its best shorter part {formula['held_out_part_iou']:.3f}"
    )
    print_note(f"{found}; on images held out {gain}; p {formula['p']:.2g}.")
