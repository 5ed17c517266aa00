"""Open-vocabulary labels that are kept in a run: `words.parquet` and `words.json`.

`conceptgraph label` writes them; a run without them is whole all the same. `word_run` gives the run
in which words label units: everything that asks a run for labels then has words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ...errors import RunError
from ...files import atomic_files
from ..uids import WORD, concept_uid, split_concept
from .files import disk_errors, read_json, write_table
from .reader import Run
from .schema import TABLES, Count, Text

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "unit": "unit",
    "block": "block",
    "word": "name?",
    "auc": "share?",
    "auc_low": "number?",
    "p": "share?",
    "repeats": "bool",
    "strong": "count",
    "near": "count",
    "intersection": "count",
    "wpmi_word": "name?",
    "significant": "bool",
    "holds": "bool",
}


class WordFacts(TypedDict):
    """The content of `words.json`."""

    model: Text
    images: Count
    words: Count


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
    files = run.path / "words.parquet", run.path / "words.json"
    with disk_errors(files[0], "cannot be written"), atomic_files(*files) as (table, file):
        write_table(table, words.labels, WORDS)
        file.write_text(json.dumps(facts), encoding="utf-8")


def read_word_labels(run: Run) -> WordLabels | None:
    """Read the words of a run; None if it has none.

    Raises:
        RunError: a file is damaged.
    """
    file = run.file("words.json")
    if not file.exists():
        return None
    remedy = "Make them again with `conceptgraph label`"
    facts = read_json(file, WordFacts, "not the words of units", remedy)
    labels = run.table("words", WORDS, ("unit",), len(run.known("unit")), remedy)
    if len(labels) != len(run.known("unit")) or _is_wrong(labels, facts["images"]).any():
        what = "not a word, with its scores, for each unit"
        raise RunError(what, file=run.path / "words.parquet", remedy=remedy)
    return WordLabels(labels, **facts)


def _is_wrong(labels: pd.DataFrame, images: int) -> pd.Series[bool]:
    """Return for each row whether its values contradict one another, or the number of images."""
    has_word, areas = labels["word"].notna(), labels[["strong", "near"]]
    wrong: pd.Series[bool] = labels["block"] != labels["unit"].str.rpartition("/")[0]
    wrong |= labels["holds"] & ~has_word
    wrong |= has_word & labels[["auc", "auc_low"]].isna().any(axis=1)
    wrong |= has_word & (areas == 0).any(axis=1)
    wrong |= areas.max(axis=1) > images - images // 2
    wrong |= labels["intersection"] > areas.min(axis=1)
    return wrong


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
