"""Many images at once: what the network confuses, which concepts push it there, what would help.

1. look     for every image, what each concept adds to the logit of the class predicted, where
            the concept is present (`audit_rows`); one row each, kept in the run
2. count    confusions; concepts that push mistakes more often than right answers, the suspects
            (`audit_counts`)
3. silence  the first suspects' units, really, where the concept is present, on the same images:
            what that fixes and breaks
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..graph.errors import DataError, QueryError, nearest
from ..graph.run_files import disk_errors
from .audit_counts import Confusion, Suspect, Tally
from .audit_rows import Auditor, RowFile, read_batches
from .concept_shares import gatherer
from .silence import Silence, silences_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .subject import Subject

    Steps = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

FOLDER = "audits"
_BATCH = 32


@dataclass(frozen=True)
class Audit:
    """What a network confuses on some images, and why.

    Attributes:
        run: uid of the run.
        block: whose units' concepts were looked at.
        images: that were read.
        right: of these, rightly classified.
        unreadable: the others, with the reason.
        confusions: the most frequent first.
        suspects: every concept that pushes a mistake, the largest excess first.
    """

    run: str
    block: str
    images: int
    right: int
    unreadable: tuple[tuple[str, str], ...]
    confusions: tuple[Confusion, ...]
    suspects: tuple[Suspect, ...]

    def to_json(self) -> dict[str, object]:
        """One JSON object."""
        return {
            "run": self.run,
            "block": self.block,
            "images": self.images,
            "right": self.right,
            "unreadable": [{"file": file, "reason": why} for file, why in self.unreadable],
            "confusions": [
                {
                    "truth": each.truth,
                    "predicted": each.predicted,
                    "count": len(each.images),
                    "images": list(each.images),
                    "concepts": [pushed._asdict() for pushed in each.concepts],
                }
                for each in self.confusions
            ],
            "suspects": [vars(each) for each in self.suspects],
        }


def audit(
    subject: Subject,
    folder: Path,
    labels: Sequence[tuple[str, str]],
    *,
    blocks: Sequence[str] | None = None,
    tries: int = 5,
    steps: Steps,
) -> Audit:
    """Look at many images; one that was cut off goes on where it was.

    What is known of each image is kept in the run, under `audits/`, for these very images, labels
    and blocks.

    Args:
        subject: the network.
        folder: the images are in.
        labels: file, relative to the folder, and class of each.
        blocks: neighbouring blocks up to the last; None means the last two.
        tries: suspects that are really silenced, at the first of the blocks.
        steps: makes the progress of a step, by its name and number of images.

    Raises:
        QueryError: a label is no class.
        DataError: there are none.
    """
    chosen = tuple(blocks or subject.network.blocks[-2:])
    _check_labels(subject, labels)
    gather = gatherer(subject.run, chosen[0])
    auditor = Auditor(subject, chosen, gather)
    rows = _kept(subject, folder, labels, chosen)
    with steps("look", len(labels)) as advance:
        _look(auditor, subject, folder, labels, rows, advance)
    tally = Tally([f"{category}/{name}" for name, category in gather.concepts])
    for row in rows:
        tally.add(row)
    suspects = tally.suspects()
    silent = {
        each.concept: silence
        for each in suspects[:tries]
        if (silence := _silence_of(subject, chosen[0], each.concept)) is not None
    }
    if silent:
        with steps("silence", tally.images) as advance:
            outcome = _silence(auditor, subject, folder, rows, list(silent.values()), advance)
        tried = dict(zip(silent, outcome, strict=True))
        suspects = [_tried(each, tried.get(each.concept)) for each in suspects]
    return Audit(
        subject.run.name,
        chosen[0],
        tally.images,
        tally.right,
        tuple(tally.unreadable),
        tuple(tally.confusions()),
        tuple(suspects),
    )


def _check_labels(subject: Subject, labels: Sequence[tuple[str, str]]) -> None:
    names = {str(name) for name in subject.run.classes["name"]}
    if not labels:
        raise DataError("no labelled images", expected="rows of image,label")
    for file, label in labels:
        if label not in names:
            raise QueryError(f"{file}: no class {label!r}", remedy=nearest(label, sorted(names)))


def _kept(
    subject: Subject, folder: Path, labels: Sequence[tuple[str, str]], blocks: Sequence[str]
) -> RowFile:
    """Where the rows of these very images, labels and blocks are kept."""
    asked = json.dumps([str(folder.resolve()), list(labels), list(blocks)])
    key = hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
    path = subject.run.path / FOLDER / f"{key}.jsonl"
    with disk_errors(path, "cannot be written"):
        path.parent.mkdir(exist_ok=True)
    return RowFile(path)


def _look(
    auditor: Auditor,
    subject: Subject,
    folder: Path,
    labels: Sequence[tuple[str, str]],
    rows: RowFile,
    advance: Callable[[int], None],
) -> None:
    """Step 1: a row for each label that has none yet, in their order."""
    done = rows.mend(_BATCH, len(labels))
    advance(done)
    for some, read in read_batches(subject, folder, labels[done:], _BATCH):
        rows.append(auditor.rows(some, read))
        advance(len(some))


def _silence_of(subject: Subject, block: str, concept: str) -> Silence | None:
    """The concept taken away at the block, where it is present; None where no unit is labelled so.

    It may only ever be a unit's second concept.
    """
    try:
        return silences_of(subject.run, concept, [block])[block][0]
    except QueryError:
        return None


def _silence(
    auditor: Auditor,
    subject: Subject,
    folder: Path,
    rows: RowFile,
    silent: Sequence[Silence],
    advance: Callable[[int], None],
) -> list[tuple[int, int]]:
    """Step 3: mistakes fixed and right answers broken, for each concept taken away."""
    outcome = [[0, 0] for _ in silent]
    good = [(row.file, row.truth, row.wrong) for row in rows if row.unreadable is None]
    wrong = {file: was_wrong for file, _, was_wrong in good}
    labels = [(file, truth) for file, truth, _ in good]
    for some, read in read_batches(subject, folder, labels, _BATCH):
        there = [each for each, image in zip(some, read, strict=True) if not isinstance(image, str)]
        for (file, truth), answers in zip(there, auditor.without(read, silent), strict=True):
            for counts, answer in zip(outcome, answers, strict=True):
                counts[0] += wrong[file] and answer == truth
                counts[1] += not wrong[file] and answer != truth
        advance(len(some))
    return [(fixes, breaks) for fixes, breaks in outcome]


def _tried(suspect: Suspect, outcome: tuple[int, int] | None) -> Suspect:
    if outcome is None:
        return suspect
    return replace(suspect, fixes=outcome[0], breaks=outcome[1])
