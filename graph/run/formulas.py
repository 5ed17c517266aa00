"""Formulas of units that are kept in a run: `formulas.parquet` and `formulas.json`.

`conceptgraph formulas` writes them; a run without them is whole all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ...errors import RunError
from ...files import atomic_files
from .files import disk_errors, read_json, write_table
from .schema import Count  # noqa: TC001 (msgspec reads it)

if TYPE_CHECKING:
    import pandas as pd

    from .reader import Run

FORMULAS = {
    "unit": "unit",
    "block": "block",
    "formula": "name?",
    "terms": "count",
    "iou": "share?",
    "concept": "concept?",
    "concept_iou": "share?",
    "held_out_iou": "share?",
    "held_out_part_iou": "share?",
    "gain_low": "double",
    "gain_p": "share?",
    "null_p": "share?",
    "p": "share?",
    "precision": "share?",
    "precision_low": "share?",
    "chance": "share?",
    "significant": "bool",
    "holds": "bool",
}
_REMEDY = "Make them again with `conceptgraph formulas`"


class FormulaFacts(TypedDict):
    """The content of `formulas.json`."""

    chosen_images: Count
    held_out_images: Count
    concepts: Count
    sets: Count
    left_out: Count


class FormulaLabels(NamedTuple):
    """Formulas of units.

    Attributes:
        labels: columns `FORMULAS`, one row a unit that is neither dead nor sparse. `formula` is the
            unit's only if it `holds`; it is null, with 0 terms, where none was better than a
            concept on the images that formulas are chosen on. `concept` (uid) is the best single
            concept; its IoU and the formula's are over all images. `held_out_iou` and
            `held_out_part_iou`, of the formula and of its best shorter part, are over the images
            held out, `gain_low` is the lower end of their difference's 95 % interval, and `p` the
            larger of `gain_p` and `null_p`.
        chosen_images: that formulas were chosen on.
        held_out_images: that they were tested on.
        concepts: that formulas could have.
        sets: different label sets of a pixel.
        left_out: concepts in too few images for a formula.
    """

    labels: pd.DataFrame
    chosen_images: int
    held_out_images: int
    concepts: int
    sets: int
    left_out: int


_FACTS = FormulaLabels._fields[1:]


def write_formulas(run: Run, formulas: FormulaLabels) -> None:
    """Write formulas into a run, in place of what it has.

    Raises:
        RunError: they cannot be written.
    """
    facts = {name: getattr(formulas, name) for name in _FACTS}
    files = run.file("formulas.parquet"), run.file("formulas.json")
    with disk_errors(files[0], "cannot be written"), atomic_files(*files) as (table, file):
        write_table(table, formulas.labels, FORMULAS)
        file.write_text(json.dumps(facts), encoding="utf-8")


def read_formulas(run: Run) -> FormulaLabels | None:
    """Read the formulas of a run; None if it has none.

    Raises:
        RunError: a file is damaged.
    """
    file = run.file("formulas.json")
    if not file.exists():
        return None
    facts = read_json(file, FormulaFacts, "not the formulas of units", _REMEDY)
    labels = run.table("formulas", FORMULAS, ("unit",), len(run.known("unit")), _REMEDY)
    if (
        labels.loc[labels["holds"], ["formula", "iou", "concept", "concept_iou"]]
        .isna()
        .any(axis=None)
    ):
        table = run.file("formulas.parquet")
        raise RunError("a formula that holds lacks a value", file=table, remedy=_REMEDY)
    return FormulaLabels(labels, **facts)
