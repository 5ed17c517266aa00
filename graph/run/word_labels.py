"""Open-vocabulary labels that are kept in a run: `words.parquet` and `words.json`.

`conceptgraph label` writes them; a run without them is whole all the same. `word_run` gives the run
in which words label units: everything that asks a run for labels then has words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ...errors import RunError
from ...files import atomic_file
from ..uids import WORD, concept_uid, split_concept
from .files import TABLES, disk_errors, read_table, write_table
from .reader import Run

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "unit": "string",
    "block": "string",
    "word": "string",
    "auc": "double",
    "auc_low": "double",
    "p": "double",
    "repeats": "bool",
    "strong": "int64",
    "near": "int64",
    "intersection": "int64",
    "wpmi_word": "string",
    "significant": "bool",
    "holds": "bool",
}


class WordLabels(NamedTuple):
    """Words that units are labelled with.

    Attributes:
        labels: columns `WORDS`, one row a unit; `word` is the best one, and labels the unit only if
            it `holds`. Its `auc`, with the lower end of the 95 % interval and p, is that of images
            that had no part in its choice; `strong` of these are strong images of the unit, `near`
            the ones nearest to the word, `intersection` both, and `repeats` says whether it is the
            best word there, too.
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
    labels = read_table(run.file("words.parquet"), WORDS, remedy="Label the units again")
    if unknown := set(labels["unit"]) - set(run.units["uid"]):
        what = "a unit that the run does not have"
        raise RunError(what, file=run.path / "words.parquet", found=repr(min(unknown)))
    if not labels["unit"].is_unique:
        unit = labels["unit"][labels["unit"].duplicated()].iloc[0]
        raise RunError(f"unit {unit!r} is duplicated", file=run.path / "words.parquet")
    return WordLabels(labels, model, images, words)


class WordTables(NamedTuple):
    """What a run with words has in place of its own tables.

    Attributes:
        units: with the word as label.
        concepts: the run's, then words; these occur in none of the run's own images.
        detections: one row for each unit with a word, and the column `source`. Areas are images:
            those in which the unit is strong, those nearest to the word.
        columns: how many concepts are the run's.
        source: of the words.
    """

    units: pd.DataFrame
    concepts: pd.DataFrame
    detections: pd.DataFrame
    columns: int
    source: str


def word_run(run: Run, *, unsure: bool = False) -> Run:
    """Return a run whose units are labelled with words in place of concepts with masks.

    A unit detects the word that labels it, whatever its IoU; `min_iou` is 0. The run's name ends
    with `.words`, so that a store can have both. Presence probes, contributions and images stay as
    they are.

    Args:
        run: that `conceptgraph label` has labelled.
        unsure: also label units with their best word where it does not hold.

    Raises:
        RunError: the run has no words, or concepts of the category `word` itself.
    """
    import pandas as pd

    words = read_word_labels(run)
    if words is None:
        remedy = "Make them with `conceptgraph label --embeddings FOLDER`"
        raise RunError("no words", file=run.path / "words.json", remedy=remedy)
    if (run.concepts["category"] == WORD).any():
        raise RunError(
            f"the run has concepts of category {WORD!r} itself",
            file=run.path / "concepts.parquet",
            remedy="Give them another category, and ingest again",
        )
    source = words.model or "embeddings"
    best = _detections(words.labels[words.labels["word"].notna()], words.images, source)
    concepts = pd.concat([run.concepts, _concepts(best, source)], ignore_index=True)
    detections = best if unsure else best[best["holds"]].reset_index(drop=True)
    tables = WordTables(
        _units(run.units, detections), concepts, detections, len(run.concepts), source
    )
    return Run(run.path, run.manifest, tables)


def _detections(labels: pd.DataFrame, images: int, source: str) -> pd.DataFrame:
    """Return the table `detections` of words; what only pixels have is missing."""
    held_out = images - images // 2
    either = labels["strong"] + labels["near"] - labels["intersection"]
    by_chance = labels["strong"] * labels["near"] / held_out
    areas = labels[["strong", "near"]]
    table = labels.assign(
        concept=[concept_uid(WORD, word) for word in labels["word"]],
        category=WORD,
        iou=labels["intersection"] / either,
        rank=0,
        activation=labels["strong"],
        truth=labels["near"],
        enrichment=labels["intersection"] / by_chance,
        attainable_iou=areas.min(axis=1) / areas.max(axis=1),
        precision=float("nan"),
        precision_low=float("nan"),
        chance=float("nan"),
        auc_p=labels["p"],
        auc_significant=labels["significant"],
        source=source,
    )
    chosen: pd.DataFrame = table[[*TABLES["detections"], "source"]].reset_index(drop=True)
    return chosen


def _concepts(detections: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the rows of the table `concepts` of words, by uid."""
    import pandas as pd

    uids = sorted(set(detections["concept"]))
    table: pd.DataFrame = pd.DataFrame(
        {
            "uid": uids,
            "name": [split_concept(uid)[1] for uid in uids],
            "category": WORD,
            "images": 0,
            "pixels": 0,
            "center_bias": float("nan"),
            "source": source,
        }
    )
    return table


def _units(units: pd.DataFrame, detections: pd.DataFrame) -> pd.DataFrame:
    """Return the table `units` with words as labels."""
    by_unit = detections.set_index("unit")
    words = by_unit["concept"].map(lambda uid: split_concept(uid)[1])
    label = units["uid"].map(words).astype(units["label"].dtype)
    category = units["uid"].map(by_unit["category"]).astype(units["category"].dtype)
    iou = units["uid"].map(by_unit["iou"]).fillna(0.0)
    table: pd.DataFrame = units.assign(label=label, category=category, iou=iou)
    return table
