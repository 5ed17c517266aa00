"""Words of units, as tables and JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ...errors import RunError
from ...graph.run.word_labels import read_word_labels, word_run
from ...ingest.sources.embeddings import FEWEST_IMAGES
from ...pages.wording import counted
from ...queries.paths import class_to_ask
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ...graph.run.reader import Run
    from ...graph.run.word_labels import WordLabels
    from ...ingest.sources.embeddings.embed import EmbedReport

_ROWS = 15
_MANY = 10
"""Units with a word from which it is worth saying that most have the same one."""


def embed_json(report: EmbedReport) -> dict[str, object]:
    """Return what was embedded as one JSON object."""
    dropped = [image._asdict() for image in report.dropped]
    return {**report._asdict(), "folder": str(report.folder), "dropped": dropped}


def print_embed(report: EmbedReport, photographs: Path) -> None:
    """Print what was embedded, and what is next."""
    images, words = counted(report.images, "image"), counted(report.words, "word")
    print_line(
        f"{report.folder}: {images} and {words} by {report.model}, {report.dimensions} dimensions"
    )
    if report.patches is not None:
        height, width = report.patches
        print_line(f"Each image also in {height} × {width} patches.")
    if report.dropped:
        dropped = counted(len(report.dropped), "photograph")
        print_note(f"{dropped} cannot be read: {report.folder / 'dropped.csv'}.")
    folder = shlex.quote(str(report.folder))
    following = []
    if report.images < FEWEST_IMAGES:
        print_note(
            f"`conceptgraph label` needs at least {FEWEST_IMAGES} photographs; these are "
            f"{report.images}."
        )
    else:
        following.append(f"Next: conceptgraph label --embeddings {folder}")
    if report.patches is not None:
        photos = shlex.quote(str(photographs))
        masks = f"conceptgraph data annotate {photos} --embeddings {folder} --out OUT"
        following.insert(0, f"Next, masks of the words: {masks}")
    print_line()
    for line in following:
        print_line(line, "dim")


def words_json(run: Run, words: WordLabels) -> dict[str, object]:
    """Return the words of all units as one JSON object."""
    return {
        "run": run.name,
        "model": words.model,
        "images": words.images,
        "words": words.words,
        "units": _records(words.labels),
    }


def print_words(run: Run, words: WordLabels) -> None:
    """Print how many units have a word, and which words are the most frequent."""
    labels = words.labels
    given = labels[labels["holds"]]
    by = f" by {words.model}" if words.model else ""
    print_table(
        f"{run.name}: words{by}, of {words.words:,}, from {counted(words.images, run.noun)}",
        ("block", "units", "with a word", "words"),
        [
            (block, len(rows), int(rows["holds"].sum()), rows["word"][rows["holds"]].nunique())
            for block, rows in labels.groupby("block", sort=False)
        ],
        right="bcd",
    )
    best = given.sort_values("auc", ascending=False).drop_duplicates("word")
    best = best.assign(units=best["word"].map(given["word"].value_counts()))
    best = best.sort_values("units", ascending=False, kind="stable")
    columns = (best[name] for name in ("word", "units", "unit", "auc"))
    rows = [(*row, f"{auc:.2f}") for *row, auc in zip(*columns, strict=True)]
    if rows:
        title = "words of the most units"
        print_table(title, ("word", "units", "best unit", "AUC"), rows[:_ROWS], right="bd")
    if len(rows) > _ROWS:
        print_note(f"… and {len(rows) - _ROWS} more (--json lists all units).")
    print_note(
        "AUC: how well the word's similarity tells the tenth of the images in which the unit is "
        "strongest, in the half of the images that had no part in its choice. Units without a word "
        f"({len(labels) - len(given):,}): none of the words can be told to be theirs. A large AUC "
        "says that a direction of the embedding tells these images, not that the word fits them: "
        "look at the images of some units (`conceptgraph show UNIT`)."
    )
    if rows and len(given) >= _MANY and 2 * rows[0][1] > len(given):
        word, units = rows[0][:2]
        print_line(
            f"Most units with a word have the same one, {word} ({units:,} of {len(given):,}): "
            "they, or the embedding, hardly tell these images apart.",
            "yellow",
        )
    print_line()
    name = shlex.quote(str(run.path))
    if (class_name := _class_to_ask(run)) is not None:
        why = f"conceptgraph why --run {name} --class {shlex.quote(class_name)} --labels words"
        print_line(f"Next: {why}", "dim")


def _class_to_ask(run: Run) -> str | None:
    """Return a class to which units with words lead; None without one."""
    try:
        return class_to_ask(word_run(run))
    except RunError:  # its own concepts are of category `word`: they cannot stand beside words
        return None


def _records(labels: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows as objects, in which nothing is None."""
    records: list[dict[str, object]] = (
        labels.astype(object).where(labels.notna(), None).to_dict("records")
    )
    return records


def unit_word(run: Run, unit: str) -> dict[str, object] | None:
    """Return the word of a unit, with its scores; None in a run without words."""
    words = read_word_labels(run)
    if words is None:
        return None
    (record,) = _records(words.labels[words.labels["unit"] == unit])
    return {**record, "model": words.model, "words": words.words}


def print_word(word: dict[str, object] | None) -> None:
    """Print the word of a unit, if the run has words."""
    if word is None:
        return
    by = f" by {word['model']}" if word["model"] else ""
    if word["word"] is None:
        print_note(f"Word{by}: the unit is strong in too few of the images to choose one.")
        return
    best = f"{word['word']}, AUC {word['auc']:.2f} (from {word['auc_low']:.2f})"
    said = f"Word{by}: {best}" if word["holds"] else f"Word{by}: none; at best {best}"
    print_note(f"{said}, on images that had no part in its choice among {word['words']:,}.")
