"""Formulas of units that are kept in a run: `formulas.parquet` and `formulas.json`.

`conceptgraph formulas` writes them; a run without them is whole all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ...errors import RunError
from ...files import atomic_file
from .files import disk_errors, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

    from .reader import Run

FORMULAS = {
    "unit": "string",
    "block": "string",
    "formula": "string",
    "terms": "int64",
    "iou": "double",
    "concept": "string",
    "concept_iou": "double",
    "held_out_iou": "double",
    "held_out_part_iou": "double",
    "gain_low": "double",
    "gain_p": "double",
    "null_p": "double",
    "p": "double",
    "precision": "double",
    "precision_low": "double",
    "chance": "double",
    "significant": "bool",
    "holds": "bool",
}


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
    with atomic_file(run.file("formulas.parquet")) as file:
        write_table(file, formulas.labels, FORMULAS)
    with atomic_file(run.file("formulas.json")) as file:
        file.write_text(json.dumps(facts), encoding="utf-8")


def read_formulas(run: Run) -> FormulaLabels | None:
    """Read the formulas of a run; None if it has none.

    Raises:
        RunError: a file is damaged.
    """
    file = run.file("formulas.json")
    if not file.is_file():
        return None
    try:
        with disk_errors(file, "cannot be read"):
            content = json.loads(file.read_text(encoding="utf-8"))
        facts = [int(content[name]) for name in _FACTS]
    except (ValueError, KeyError, TypeError) as error:
        remedy = "Make them again with `conceptgraph formulas`"
        raise RunError("not the formulas of units", file=file, remedy=remedy) from error
    table = run.file("formulas.parquet")
    labels = read_table(table, FORMULAS)
    for column, known in (("unit", run.units["uid"]), ("concept", run.concepts["uid"])):
        if unknown := set(labels[column].dropna()) - set(known):
            what = f"a {column} that the run does not have"
            raise RunError(what, file=table, found=repr(min(unknown)))
    if not labels["unit"].is_unique:
        unit = labels["unit"][labels["unit"].duplicated()].iloc[0]
        raise RunError(f"unit {unit!r} is duplicated", file=table)
    return FormulaLabels(labels, *facts)
