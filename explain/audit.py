"""Audit of many images: what carries their answers, and with labels, what causes the mistakes.

1. things    for every image, the things that carry the answer, and the answers when they are
             painted over: one row an image, kept in the run (`thing_rows`)
2. rely      how often each concept carries the answers of a class, and how often its loss changes
             them (`reliance`)
3. group     images whose answer has the same reason, with and without names (`evidence_groups`)
4. mistakes  with labels: confusions, and suspects, the concepts that cause them (`audit_mistakes`)
5. keep      the finished audit, in the run
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, nearest
from ..graph.run.audits import FOLDER, save_audit
from ..progress import NoProgress
from ..queries.rows import Rows
from ..settings import AUDIT_THINGS, AUDIT_TRIES
from .audit_mistakes import BATCH, explain_mistakes
from .clips import frames_of_run
from .evidence_groups import EvidenceGroup, evidence_groups
from .image_folder import digest, file_in_run, images_below, real_path, size_and_time
from .network import RunNetwork, network_of, run_of
from .reliance import Reliance, RelianceTally
from .thing_rows import ThingRowFile, ThingRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..graph.run.reader import Run
    from ..progress import Progress
    from .audit_counts import Confusion, Suspect
    from .audit_rows import ImageLabel

SCHEMA = 3
"""Version of the rows; those of another version are not read."""


@dataclass(frozen=True)
class Audit:
    """What a network's answers to some images rely on; with labels, what it confuses, and why.

    Attributes:
        run: uid of the run.
        block: the block whose units' concepts are attributed to, and whose probes find things.
        folder: the folder of the images, as given.
        images: how many were read.
        right: how many of these are classified rightly; None without labels.
        unreadable: file and reason of each image that could not be read.
        confusions: the most frequent one first; empty without labels, likewise `suspects`.
        suspects: concepts that push mistakes more often than right answers, the largest excess
            first.
        no_suspects: why there are none, if so.
        least_effect: what a concept must add to push a decision, in units of the logit.
        answers: how many images are taken for each class.
        reliance: concepts that carry answers, the most particular to its class first.
        groups: images whose answer has the same reason; with most mistakes, or most distinct first.
    """

    run: str
    block: str
    folder: Path
    images: int
    right: int | None
    unreadable: tuple[tuple[str, str], ...]
    confusions: Rows[Confusion] = field(default_factory=Rows)
    suspects: Rows[Suspect] = field(default_factory=Rows)
    no_suspects: str | None = None
    least_effect: float = 0.0
    answers: Mapping[str, int] = field(default_factory=dict)
    reliance: Rows[Reliance] = field(default_factory=Rows)
    groups: Rows[EvidenceGroup] = field(default_factory=Rows)

    @property
    def mistakes(self) -> int:
        """How many images are classified wrongly; 0 without labels."""
        return 0 if self.right is None else self.images - self.right

    def mistakes_as(self, class_name: str) -> int:
        """Return how many images of other classes are taken for a class; 0 without labels."""
        return sum(len(c.images) for c in self.confusions if c.predicted == class_name)

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
            "answers": dict(self.answers),
            "reliance": [row.to_json() for row in self.reliance],
            "groups": [group.to_json() for group in self.groups],
        }


def audit(
    run: Run | RunNetwork,
    folder: Path | str,
    labels: Sequence[tuple[str, str]] | None = None,
    *,
    blocks: Sequence[str] | None = None,
    tries: int = AUDIT_TRIES,
    things: int = AUDIT_THINGS,
    progress: Progress | None = None,
) -> Audit:
    """Audit many images, labelled or not; an audit that was cut off resumes.

    Rows are kept in the run, under `audits/`, for these images as they are on the disk, these
    labels and blocks.

    Args:
        run: an open run, or its network from `open_network`.
        folder: the folder of the images.
        labels: for each image its file, relative to the folder, and its class; None means all
            images of the folder and its subfolders, without labels.
        blocks: neighbouring blocks up to the network's last; None means its last two.
        tries: how many suspects to ablate, at the first of the blocks.
        things: how many things of each image to paint over, each by itself.
        progress: receives the steps; None for no progress.

    Raises:
        QueryError: a label is no class of the network.
        DataError: there are no images or labels, no such folder, or no image can be read.
        RunError: the run cannot be written to, or its rows are damaged.
        ModelError: the network cannot be loaded.
    """
    folder, progress = Path(folder), progress or NoProgress()
    if labels is not None:
        check_labels(run_of(run), folder, labels)
    files = image_files(run_of(run), folder) if labels is None else [file for file, _ in labels]
    network = network_of(run)
    chosen = tuple(blocks or network.last_blocks())
    truths = None if labels is None else dict(labels)
    result = _rely(network, folder, files, truths, chosen, things, progress)
    if labels is None:
        return _kept(network.run, _key(folder, files, [*chosen, str(things)]), result)
    key = _key(folder, labels, chosen)
    mistakes = explain_mistakes(
        network,
        folder,
        labels,
        chosen,
        tries,
        lambda end: file_in_run(network.run, FOLDER, f"{key}{end}"),
        progress,
    )
    whole = replace(
        result,
        confusions=Rows(mistakes.confusions),
        suspects=Rows(mistakes.suspects),
        no_suspects=mistakes.no_suspects,
        least_effect=mistakes.least_effect,
    )
    return _kept(network.run, key, whole)


def _kept(run: Run, key: str, audit: Audit) -> Audit:
    """Keep a finished audit in the run, and return it."""
    save_audit(run, key, str(audit.folder.absolute()), audit.to_json())
    return audit


def image_files(run: Run, folder: Path) -> list[str]:
    """Return the images, or clips, of a folder and its subfolders, relative to it.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError("no such folder of images", file=folder)
    files = images_below(folder, clips=frames_of_run(run) is not None)
    return [file.relative_to(folder).as_posix() for file in files]


def _rely(
    network: RunNetwork,
    folder: Path,
    files: Sequence[str],
    truths: Mapping[str, str] | None,
    blocks: Sequence[str],
    things: int,
    progress: Progress,
) -> Audit:
    """Find what carries the answers, count it, and group the images (steps 1 to 3)."""
    network.downstream(blocks)
    key = _key(folder, files, [*blocks[:1], str(things)])
    rows = ThingRowFile(file_in_run(network.run, FOLDER, f"{key}-things.jsonl"))
    source = ThingRows(network, blocks[0], things)
    with progress.step("things", len(files)) as advance:
        done = rows.drop_partial_batch(BATCH, len(files))
        advance(done)
        images = network.load_photographs([folder / file for file in files[done:]])
        for start in range(done, len(files), BATCH):
            batch = files[start : start + BATCH]
            rows.append(source.rows(batch, [next(images) for _ in batch]))
            advance(len(batch))
    tally, right, unreadable = RelianceTally(labelled=truths is not None), 0, []
    units = network.run.width(blocks[0])
    for row in rows.of(files, units):
        truth = None if truths is None else truths[row.file]
        tally.add(row, truth)
        right += row.unreadable is None and row.predicted == truth
        if row.unreadable is not None:
            unreadable.append((row.file, row.unreadable))
    if not tally.images:
        raise DataError("no image can be read", file=folder, found=unreadable[0][1])
    groups = evidence_groups(
        network, blocks[0], folder, lambda: rows.of(files, units), tally.images, truths, progress
    )
    return Audit(
        network.run.name,
        blocks[0],
        folder,
        sum(tally.images.values()),
        None if truths is None else right,
        tuple(unreadable),
        answers=tally.images,
        reliance=Rows(tally.rows()),
        groups=Rows(groups),
    )


def check_labels(run: Run, folder: Path, labels: Sequence[ImageLabel]) -> None:
    """Refuse images and labels that cannot be audited, before any network is loaded.

    Raises:
        QueryError: a label is no class of the network.
        DataError: there are no labels, no such folder, none of the images is in it, or one is
            labelled twice, under two names or through a link.
    """
    names = {str(name) for name in run.classes["name"]}
    if not folder.is_dir():
        raise DataError("no such folder of images", file=folder)
    if not labels:
        raise DataError("no labelled images", expected="rows of image,label")
    for file, label in labels:
        if label not in names:
            raise QueryError(f"{file}: no class {label!r}", remedy=nearest(label, sorted(names)))
    clips = frames_of_run(run) is not None  # a folder of frames is one
    paths = [folder / file for file, _ in labels]
    if not any(path.is_file() or (clips and path.is_dir()) for path in paths):
        raise DataError(
            f"none of the {len(labels)} labelled images is in the folder",
            file=folder,
            expected=labels[0][0],
        )
    first: dict[str, str] = {}
    for file, _ in labels:
        path = real_path(folder / file)
        if path in first:
            raise DataError(
                f"{file}: an image is labelled twice",
                found=f"the same file as {first[path]}",
                expected="one row an image",
            )
        first[path] = file


def _key(folder: Path, images: Sequence[str | ImageLabel], options: Sequence[str]) -> str:
    """Return a digest of the images as they are on the disk, with labels or not, and options."""
    states = [
        (image, size_and_time(folder / (image if isinstance(image, str) else image[0])))
        for image in images
    ]
    return digest([SCHEMA, str(folder.resolve()), list(options), states])
