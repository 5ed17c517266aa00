"""Audit of many labelled images: confusions, which concepts push them, which ablation would help.

1. attribute   for every image, what each concept adds to the logit of the predicted class where the
               concept is present: one row an image, kept in the run (`audit_rows`)
2. count       confusions; and suspects, the concepts that push mistakes more often than right
               answers, or why none can be named (`audit_counts`)
3. ablate      the first suspects, each where it is present, on the same images: mistakes that it
               fixes, right answers that it breaks; what fixes none is no suspect
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, nearest
from ..graph.run.files import disk_errors
from ..progress import NoProgress
from ..queries.rows import Rows
from .ablation_masks import ablation_of_concept
from .audit_counts import Confusion, Suspect, Tally, least_effect, without_effect
from .audit_rows import Auditor, CountFile, RowFile, load_batches
from .concept_attribution import concept_attributor
from .network import RunNetwork, network_of, run_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph.run.reader import Run
    from ..progress import Advance, Progress
    from .ablation_masks import AblationMask
    from .audit_rows import ImageLabel

FOLDER = "audits"
SCHEMA = 2
"""Version of the rows; those of another version are not read."""
_BATCH = 32


@dataclass(frozen=True)
class Audit:
    """What a network confuses on some images, and why.

    Attributes:
        run: uid of the run.
        block: the block whose units' concepts are attributed to.
        folder: the folder of the images, as given.
        images: how many were read.
        right: how many of these are classified rightly.
        unreadable: file and reason of each image that could not be read.
        confusions: the most frequent one first.
        suspects: concepts that push mistakes more often than right answers, the largest excess
            first.
        no_suspects: why there are none, if so.
        least_effect: what a concept must add to push a decision, in units of the logit.
    """

    run: str
    block: str
    folder: Path
    images: int
    right: int
    unreadable: tuple[tuple[str, str], ...]
    confusions: Rows[Confusion]
    suspects: Rows[Suspect]
    no_suspects: str | None
    least_effect: float

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {
            "run": self.run,
            "block": self.block,
            "images": self.images,
            "right": self.right,
            "unreadable": [{"file": file, "reason": reason} for file, reason in self.unreadable],
            "confusions": [
                {
                    "truth": confusion.truth,
                    "predicted": confusion.predicted,
                    "count": len(confusion.images),
                    "images": list(confusion.images),
                    "concepts": [concept._asdict() for concept in confusion.concepts],
                }
                for confusion in self.confusions
            ],
            "suspects": [vars(suspect) for suspect in self.suspects],
            "no_suspects": self.no_suspects,
            "least_effect": self.least_effect,
        }


def audit(
    run: Run | RunNetwork,
    folder: Path | str,
    labels: Sequence[tuple[str, str]],
    *,
    blocks: Sequence[str] | None = None,
    tries: int = 5,
    progress: Progress | None = None,
) -> Audit:
    """Audit many labelled images; an audit that was cut off resumes.

    Rows are kept in the run, under `audits/`, for these images as they are on the disk, these
    labels and blocks.

    Args:
        run: an open run, or its network from `open_network`.
        folder: the folder of the images.
        labels: for each image its file, relative to the folder, and its class.
        blocks: neighbouring blocks up to the network's last; None means its last two.
        tries: how many suspects to ablate, at the first of the blocks.
        progress: receives the steps; None for no progress.

    Raises:
        QueryError: a label is no class of the network.
        DataError: there are no labels, or no such folder.
        RunError: the run cannot be written to, or its rows are damaged.
        ModelError: the network cannot be loaded.
    """
    folder, progress = Path(folder), progress or NoProgress()
    check_labels(run_of(run), folder, labels)
    network = network_of(run)
    chosen = tuple(blocks or network.last_blocks())
    attributor = concept_attributor(network.run, chosen[0])
    auditor = Auditor(network, chosen, attributor)
    key = _key(folder, labels, chosen)
    rows = RowFile(_file(network, f"{key}.jsonl"))
    with progress.step("attribute", len(labels)) as advance:
        _attribute(auditor, folder, labels, rows, advance)
    least = least_effect(rows.of(labels))
    tally = Tally(attributor.uids, least)
    for row in rows.of(labels):
        tally.add(row)
    suspects, reason = tally.suspects()
    if tried := [suspect.concept for suspect in suspects[:tries]]:
        masks = [ablation_of_concept(network.run, uid, chosen[:1])[chosen[0]][0] for uid in tried]
        counts = CountFile(_file(network, f"{key}-{_digest(tried)}.jsonl"))
        with progress.step("ablate", tally.images) as advance:
            outcomes = _ablate(auditor, folder, rows, masks, counts, advance)
        outcome_of = dict(zip(tried, outcomes, strict=True))
        suspects, reason = without_effect(_with_outcomes(suspects, outcome_of))
    return Audit(
        network.run.name,
        chosen[0],
        folder,
        tally.images,
        tally.right,
        tuple(tally.unreadable),
        Rows(tally.confusions()),
        Rows(suspects),
        reason,
        least,
    )


def check_labels(run: Run, folder: Path, labels: Sequence[ImageLabel]) -> None:
    """Refuse images and labels that cannot be audited, before any network is loaded.

    Raises:
        QueryError: a label is no class of the network.
        DataError: there are no labels, no such folder, or none of the images is in it.
    """
    names = {str(name) for name in run.classes["name"]}
    if not folder.is_dir():
        raise DataError("no such folder of images", file=folder)
    if not labels:
        raise DataError("no labelled images", expected="rows of image,label")
    for file, label in labels:
        if label not in names:
            raise QueryError(f"{file}: no class {label!r}", remedy=nearest(label, sorted(names)))
    if not any((folder / file).is_file() for file, _ in labels):
        raise DataError(
            f"none of the {len(labels)} labelled images is in the folder",
            file=folder,
            expected=labels[0][0],
        )


def _key(folder: Path, labels: Sequence[ImageLabel], blocks: Sequence[str]) -> str:
    """Return a digest of the images as they are on the disk, labels, blocks and rules."""
    images = [(file, label, _size_and_time(folder / file)) for file, label in labels]
    return _digest([SCHEMA, str(folder.resolve()), list(blocks), images])


def _size_and_time(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _file(network: RunNetwork, name: str) -> Path:
    path = network.run.file(f"{FOLDER}/{name}")
    with disk_errors(path, "cannot be written"):
        path.parent.mkdir(exist_ok=True)
    return path


def _attribute(
    auditor: Auditor,
    folder: Path,
    labels: Sequence[ImageLabel],
    rows: RowFile,
    advance: Advance,
) -> None:
    """Append a row for each label that has none yet, in their order (step 1)."""
    done = rows.drop_partial_batch(_BATCH, len(labels))
    advance(done)
    for batch, images in load_batches(auditor.network, folder, labels[done:], _BATCH):
        rows.append(auditor.rows(batch, images))
        advance(len(batch))


def _ablate(
    auditor: Auditor,
    folder: Path,
    rows: RowFile,
    masks: Sequence[AblationMask],
    counts: CountFile,
    advance: Advance,
) -> list[tuple[int, int]]:
    """Count, for each mask, mistakes that it fixes and right answers that it breaks (step 3)."""
    readable = [row for row in rows if row.unreadable is None]
    was_wrong = {row.file: row.wrong for row in readable}
    labels = [(row.file, row.truth) for row in readable]
    done = counts.drop_partial_batch(1, len(labels)) * _BATCH
    advance(min(done, len(labels)))
    for batch, images in load_batches(auditor.network, folder, labels[done:], _BATCH):
        known = [label for label, image in zip(batch, images, strict=True)
                 if not isinstance(image, str)]  # fmt: skip
        outcomes = [[0, 0] for _ in masks]
        for (file, truth), classes in zip(known, auditor.ablated(images, masks), strict=True):
            for outcome, predicted in zip(outcomes, classes, strict=True):
                outcome[0] += was_wrong[file] and predicted == truth
                outcome[1] += not was_wrong[file] and predicted != truth
        counts.append([outcomes])
        advance(len(batch))
    by_mask = zip(*counts, strict=True)
    sums = [[sum(column) for column in zip(*batches, strict=True)] for batches in by_mask]
    return [(fixes, breaks) for fixes, breaks in sums]


def _with_outcomes(
    suspects: Sequence[Suspect], outcomes: dict[str, tuple[int, int]]
) -> list[Suspect]:
    """Return the suspects, those that were ablated with what that fixes and breaks."""
    return [
        replace(suspect, fixes=outcomes[suspect.concept][0], breaks=outcomes[suspect.concept][1])
        if suspect.concept in outcomes
        else suspect
        for suspect in suspects
    ]
