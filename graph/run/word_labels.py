"""Open-vocabulary labels that are kept in a run: `words.parquet` and `words.json`.

`conceptgraph label` writes them; a run without them is whole all the same.
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

WORDS = {
    "unit": "string",
    "block": "string",
    "word": "string",
    "auc": "double",
    "auc_low": "double",
    "p": "double",
    "repeats": "bool",
    "strong": "int64",
    "wpmi_word": "string",
    "significant": "bool",
    "holds": "bool",
}


class WordLabels(NamedTuple):
    """Words that units are labelled with.

    Attributes:
        labels: columns `WORDS`, one row a unit; `word` is the best one, and labels the unit only if
            it `holds`. Its `auc`, with the lower end of the 95 % interval and p, is that of images
            that had no part in its choice; `strong` of these are strong images of the unit, and
            `repeats` says whether it is the best word there, too.
            `wpmi_word` is the word by soft weighted pointwise mutual information.
        model: of the embeddings, in words; "" if nothing says so.
        images: how many.
        words: how many.
    """

    labels: pd.DataFrame
    model: str
    images: int
    words: int


def write_word_labels(run: Run, words: WordLabels) -> None:
    """Write words into a run, in place of what it has.

    Raises:
        RunError: they cannot be written.
    """
    facts = {"model": words.model, "images": words.images, "words": words.words}
    with atomic_file(run.path / "words.parquet") as file:
        write_table(file, words.labels, WORDS)
    with atomic_file(run.path / "words.json") as file:
        file.write_text(json.dumps(facts), encoding="utf-8")


def read_word_labels(run: Run) -> WordLabels | None:
    """Read the words of a run; None if it has none.

    Raises:
        RunError: a file is damaged.
    """
    file = run.file("words.json")
    if not file.is_file():
        return None
    try:
        with disk_errors(file, "cannot be read"):
            facts = json.loads(file.read_text(encoding="utf-8"))
        model, images, words = str(facts["model"]), int(facts["images"]), int(facts["words"])
    except (ValueError, KeyError, TypeError) as error:
        remedy = "Make them again with `conceptgraph label`"
        raise RunError("not the words of units", file=file, remedy=remedy) from error
    labels = read_table(run.file("words.parquet"), WORDS)
    if unknown := set(labels["unit"]) - set(run.units["uid"]):
        what = "a unit that the run does not have"
        raise RunError(what, file=run.path / "words.parquet", found=repr(min(unknown)))
    return WordLabels(labels, model, images, words)
