"""What became of the regions: tables beside the data set, and the report of a build."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from ..source import ExtraTable
from .regions import DroppedRegion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from .consensus import Consensus
    from .regions import Region


class ImageAgreement(NamedTuple):
    """A row of agreement.csv: one concept in one image.

    Attributes:
        image: its name.
        category: the concept's.
        concept: its name.
        workers: who annotated the image.
        drew: who drew the concept in it.
        regions: drawn.
        kept: of these.
        mean_iou: of pairs of workers who drew it, as text; "" if there are no pairs.
    """

    image: str
    category: str
    concept: str
    workers: int
    drew: int
    regions: int
    kept: int
    mean_iou: str


class WorkerSummary(NamedTuple):
    """A row of workers.csv: images annotated, regions drawn, and how many of these were kept."""

    worker: str
    images: int
    regions: int
    kept: int


class AnnotatedConcept(NamedTuple):
    """One concept: how much of it was drawn and kept, and how far annotators agreed.

    Attributes:
        category: the concept's.
        concept: its name.
        images: in which something of it was kept.
        regions: drawn.
        kept: of these.
        mean_iou: of pairs of workers who drew it in one image: mean over images of the mean over
            pairs; None if there are no pairs.
    """

    category: str
    concept: str
    images: int
    regions: int
    kept: int
    mean_iou: float | None


class BuildReport(NamedTuple):
    """What was built.

    Attributes:
        folder: the data set.
        images: written.
        empty_images: named by the annotations, without a kept region; written only if asked for.
        workers: in order of name.
        shared_images: images with several workers.
        concepts: in order of category and name.
        dropped: regions by reason.
        notes: what was assumed or changed, in sentences.
        frames: of each clip; 1 of images. Of clips, images other than `images` are frames.
    """

    folder: Path
    images: int
    empty_images: int
    workers: tuple[WorkerSummary, ...]
    shared_images: int
    concepts: tuple[AnnotatedConcept, ...]
    dropped: dict[str, int]
    notes: tuple[str, ...]
    frames: int = 1


class BuildLog:
    """Collects what becomes of the regions while a build goes through the images."""

    def __init__(
        self,
        regions: Mapping[str, Sequence[Region]],
        named_images: int,
        dropped: Sequence[DroppedRegion] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Note who drew what.

        Args:
            regions: by image.
            named_images: images that the annotations name.
            dropped: what could not be read or has no image.
            notes: what was assumed or changed on reading.
        """
        self._regions, self._named_images = regions, named_images
        self._unread, self._notes = list(dropped), notes
        self._workers = {
            name: {region.worker for region in drawn} for name, drawn in regions.items()
        }
        self._shared_images = sum(len(workers) > 1 for workers in self._workers.values())
        self._dropped: list[DroppedRegion] = []
        self._agreement: list[ImageAgreement] = []

    def workers_of(self, image: str) -> int:
        """Return the number of an image's workers; 0 if no image has several: nobody to agree."""
        return len(self._workers[image]) if self._shared_images else 0

    def add(self, image: str, regions: Sequence[Region], consensus: Consensus) -> None:
        """Note what became of the regions of one concept in one image."""
        for position, reason in sorted(consensus.reasons.items()):
            row = regions[position].dropped(reason)._replace(image=image)
            self._dropped.append(row)
        iou = "" if consensus.mean_iou is None else f"{consensus.mean_iou:.4f}"
        kept = len(regions) - len(consensus.reasons)
        concept = (regions[0].category, regions[0].concept)
        counts = (len(self._workers[image]), consensus.drew, len(regions), kept)
        self._agreement.append(ImageAgreement(image, *concept, *counts, iou))

    def drop(self, regions: Iterable[Region], reason: str, detail: str) -> None:
        """Note that regions cannot be used."""
        self._dropped += [region.dropped(reason, detail) for region in regions]

    def check_any_kept(self, images: Path) -> None:
        """Check that any region was kept.

        Raises:
            DataError: none was; the message gives the most frequent reasons.
        """
        if not self._kept_images():
            raise none_kept(images, [*self._unread, *self._dropped])

    def _kept_images(self) -> int:
        return len({row.image for row in self._agreement if row.kept})

    def tables(self) -> list[ExtraTable]:
        """Return dropped.csv and, if any image has several workers, the tables of agreement."""
        tables = [ExtraTable("dropped.csv", DroppedRegion._fields, [*self._unread, *self._dropped])]
        if self._shared_images:
            workers = self._worker_summaries()
            tables += [
                ExtraTable("agreement.csv", ImageAgreement._fields, self._agreement),
                ExtraTable("workers.csv", WorkerSummary._fields, workers),
            ]
        return tables

    def _worker_summaries(self) -> tuple[WorkerSummary, ...]:
        images = Counter(worker for workers in self._workers.values() for worker in workers)
        drawn = Counter(region.worker for regions in self._regions.values() for region in regions)
        dropped = Counter(region.worker for region in self._dropped)
        return tuple(
            WorkerSummary(worker, images[worker], drawn[worker], drawn[worker] - dropped[worker])
            for worker in sorted(images)
        )

    def report(self, folder: Path, images: int) -> BuildReport:
        """Return the summary of a build that wrote `images` images to `folder`."""
        rows: dict[tuple[str, str], list[ImageAgreement]] = {}
        for row in self._agreement:
            rows.setdefault((row.category, row.concept), []).append(row)
        return BuildReport(
            folder,
            images,
            self._named_images - self._kept_images(),
            self._worker_summaries(),
            self._shared_images,
            tuple(_summarise(*pair, rows[pair]) for pair in sorted(rows)),
            dict(_reasons([*self._unread, *self._dropped]).most_common()),
            tuple(self._notes),
        )


def none_kept(images: Path, dropped: Sequence[DroppedRegion]) -> DataError:
    """Return the error of a build that keeps no region: the reasons, with an example of each."""
    examples = {row.reason: row for row in reversed(dropped)}
    parts = []
    for reason, count in _reasons(dropped).most_common(3):
        row = examples[reason]
        example = "; ".join(text for text in (row.source, row.image, row.detail) if text)
        parts.append(f"{count} × {reason} ({example})")
    return DataError("no region is kept", file=images, found=", ".join(parts))


def _reasons(dropped: Sequence[DroppedRegion]) -> Counter[str]:
    return Counter(row.reason for row in dropped)


def _summarise(category: str, concept: str, rows: Sequence[ImageAgreement]) -> AnnotatedConcept:
    ious = [float(row.mean_iou) for row in rows if row.mean_iou]
    return AnnotatedConcept(
        category,
        concept,
        sum(row.kept > 0 for row in rows),
        sum(row.regions for row in rows),
        sum(row.kept for row in rows),
        sum(ious) / len(ious) if ious else None,
    )
