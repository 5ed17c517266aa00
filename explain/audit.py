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

from ..errors import DataError, QueryError, nearest
from ..graph.run.files import disk_errors
from .ablation_masks import AblationMask, ablation_of_concept
from .audit_counts import Confusion, Suspect, Tally
from .audit_rows import Auditor, CountFile, RowFile, read_batches
from .concept_attribution import POOR, concept_attributor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .network import RunNetwork

    Steps = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

FOLDER = "audits"
SCHEMA = 1
"""Of the rows kept: those of another one are not read."""
_BATCH = 32


@dataclass(frozen=True)
class Audit:
    """What a network confuses on some images, and why.

    Attributes:
        run: uid of the run.
        block: whose units' concepts were looked at.
        folder: the folder of the images, as given.
        images: that were read.
        right: of these, rightly classified.
        unreadable: the others, with the reason.
        confusions: the most frequent first.
        suspects: every concept that pushes a mistake, the largest excess first.
    """

    run: str
    block: str
    folder: Path
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
    subject: RunNetwork,
    folder: Path,
    labels: Sequence[tuple[str, str]],
    *,
    blocks: Sequence[str] | None = None,
    tries: int = 5,
    steps: Steps,
) -> Audit:
    """Look at many images; one that was cut off goes on where it was.

    What is known of each image is kept in the run, under `audits/`, for these very images, as they
    are on the disk, labels and blocks.

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
    chosen = tuple(blocks or subject.last_blocks())
    _check_labels(subject, labels)
    gather = concept_attributor(subject.run, chosen[0])
    auditor = Auditor(subject, chosen, gather)
    key = _key(folder, labels, chosen)
    rows = RowFile(_file(subject, f"{key}.jsonl"))
    with steps("look", len(labels)) as advance:
        _look(auditor, subject, folder, labels, rows, advance)
    tally = Tally([f"{category}/{name}" for name, category in gather.concepts])
    for row in rows:
        tally.add(row)
    suspects = tally.suspects()
    asked = [each.concept for each in suspects[:tries] if each.excess > 0]
    if asked:
        silent = [
            ablation_of_concept(subject.run, concept, chosen[:1])[chosen[0]][0] for concept in asked
        ]
        counts = CountFile(_file(subject, f"{key}-{_digest(asked)}.jsonl"))
        with steps("silence", tally.images) as advance:
            outcome = _silence(auditor, subject, folder, rows, silent, counts, advance)
        tried = dict(zip(asked, outcome, strict=True))
        suspects = [_tried(each, tried.get(each.concept)) for each in suspects]
    return Audit(
        subject.run.name,
        chosen[0],
        folder,
        tally.images,
        tally.right,
        tuple(tally.unreadable),
        tuple(tally.confusions()),
        tuple(suspects),
    )


def _check_labels(subject: RunNetwork, labels: Sequence[tuple[str, str]]) -> None:
    names = {str(name) for name in subject.run.classes["name"]}
    if not labels:
        raise DataError("no labelled images", expected="rows of image,label")
    for file, label in labels:
        if label not in names:
            raise QueryError(f"{file}: no class {label!r}", remedy=nearest(label, sorted(names)))


def _key(folder: Path, labels: Sequence[tuple[str, str]], blocks: Sequence[str]) -> str:
    """Stands for these very images, as they are on the disk now, labels, blocks and rules."""
    return _digest([SCHEMA, POOR, str(folder.resolve()), list(blocks),
                    [(file, label, _state(folder / file)) for file, label in labels]])  # fmt: skip


def _state(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _digest(asked: object) -> str:
    return hashlib.blake2b(json.dumps(asked).encode(), digest_size=8).hexdigest()


def _file(subject: RunNetwork, name: str) -> Path:
    path = subject.run.path / FOLDER / name
    with disk_errors(path, "cannot be written"):
        path.parent.mkdir(exist_ok=True)
    return path


def _look(
    auditor: Auditor,
    subject: RunNetwork,
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


def _silence(
    auditor: Auditor,
    subject: RunNetwork,
    folder: Path,
    rows: RowFile,
    silent: Sequence[AblationMask],
    counts: CountFile,
    advance: Callable[[int], None],
) -> list[tuple[int, int]]:
    """Step 3: mistakes fixed and right answers broken, for each concept taken away."""
    good = [(row.file, row.truth, row.wrong) for row in rows if row.unreadable is None]
    wrong = {file: was_wrong for file, _, was_wrong in good}
    labels = [(file, truth) for file, truth, _ in good]
    done = counts.mend(1, len(labels)) * _BATCH
    advance(min(done, len(labels)))
    for some, read in read_batches(subject, folder, labels[done:], _BATCH):
        there = [each for each, image in zip(some, read, strict=True) if not isinstance(image, str)]
        outcome = [[0, 0] for _ in silent]
        for (file, truth), answers in zip(there, auditor.without(read, silent), strict=True):
            for found, answer in zip(outcome, answers, strict=True):
                found[0] += wrong[file] and answer == truth
                found[1] += not wrong[file] and answer != truth
        counts.append([outcome])
        advance(len(some))
    sums = [sum(each) for line in zip(*counts, strict=True) for each in zip(*line, strict=True)]
    return list(zip(sums[::2], sums[1::2], strict=True))


def _tried(suspect: Suspect, outcome: tuple[int, int] | None) -> Suspect:
    if outcome is None:
        return suspect
    return replace(suspect, fixes=outcome[0], breaks=outcome[1])
