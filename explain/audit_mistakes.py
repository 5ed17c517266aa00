"""Mistakes of an audit with labels: confusions, what pushes them, which ablation would help.

1. attribute   for every image, what each concept adds to the logit of the predicted class where the
               concept is present: one row an image, kept in the run (`audit_rows`)
2. count       confusions; and suspects, the concepts that push mistakes more often than right
               answers, or why none can be named (`audit_counts`)
3. ablate      the first suspects, each where it is present, on the same images: mistakes that it
               fixes, right answers that it breaks; what fixes none is no suspect
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .ablation_masks import ablation_of_concept
from .audit_counts import Confusion, Suspect, Tally, least_effect, without_effect
from .audit_rows import Auditor, CountFile, RowFile, load_batches
from .concept_attribution import concept_attributor
from .image_folder import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..progress import Advance, Progress
    from .ablation_masks import AblationMask
    from .audit_rows import ImageLabel
    from .network import RunNetwork

BATCH = 32


class Mistakes(NamedTuple):
    """What a network confuses, and why: the part of an `audit.Audit` that needs labels."""

    confusions: list[Confusion]
    suspects: list[Suspect]
    no_suspects: str | None
    least_effect: float


def explain_mistakes(
    network: RunNetwork,
    folder: Path,
    labels: Sequence[ImageLabel],
    blocks: Sequence[str],
    tries: int,
    file: Callable[[str], Path],
    progress: Progress,
) -> Mistakes:
    """Find confusions and suspects.

    Args:
        network: of the run.
        folder: of the images.
        labels: for each image its file, relative to the folder, and its class.
        blocks: neighbouring blocks up to the network's last.
        tries: how many suspects to ablate.
        file: returns the file of the rows, given the end of its name.
        progress: receives the steps.
    """
    attributor = concept_attributor(network.run, blocks[0])
    auditor = Auditor(network, blocks, attributor)
    rows = RowFile(file(".jsonl"))
    with progress.step("attribute", len(labels)) as advance:
        _attribute(auditor, folder, labels, rows, advance)
    concepts = len(attributor.uids)
    least = least_effect(rows.of(labels, concepts))
    tally = Tally(attributor.uids, least)
    for row in rows.of(labels, concepts):
        tally.add(row)
    suspects, reason = tally.suspects()
    if tried := [suspect.concept for suspect in suspects[:tries]]:
        masks = [ablation_of_concept(network.run, uid, blocks[:1])[blocks[0]][0] for uid in tried]
        counts = CountFile(file(f"-{digest(tried)}.jsonl"))
        with progress.step("ablate", tally.images) as advance:
            outcomes = _ablate(auditor, folder, rows, masks, counts, advance)
        outcome_of = dict(zip(tried, outcomes, strict=True))
        suspects, reason = without_effect(_with_outcomes(suspects, outcome_of))
    return Mistakes(tally.confusions(), suspects, reason, least)


def _attribute(
    auditor: Auditor,
    folder: Path,
    labels: Sequence[ImageLabel],
    rows: RowFile,
    advance: Advance,
) -> None:
    """Append a row for each label that has none yet, in their order (step 1)."""
    done = rows.drop_partial_batch(BATCH, len(labels))
    advance(done)
    for batch, images in load_batches(auditor.network, folder, labels[done:], BATCH):
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
    done = counts.drop_partial_batch(1, len(labels)) * BATCH
    advance(min(done, len(labels)))
    for batch, images in load_batches(auditor.network, folder, labels[done:], BATCH):
        known = [label for label, image in zip(batch, images, strict=True)
                 if not isinstance(image, str)]  # fmt: skip
        outcomes = [[0, 0] for _ in masks]
        for (file, truth), classes in zip(known, auditor.ablated(images, masks), strict=True):
            for outcome, predicted in zip(outcomes, classes, strict=True):
                outcome[0] += was_wrong[file] and predicted == truth
                outcome[1] += not was_wrong[file] and predicted != truth
        counts.append([[(fixes, breaks) for fixes, breaks in outcomes]])
        advance(len(batch))
    by_mask = zip(*counts.of(-(-len(labels) // BATCH), len(masks)), strict=True)
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
