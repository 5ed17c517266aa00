"""What a build of concept data tells: its tables beside the data, and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Columns of the tables beside the data.
DROPPED = ("image", "category", "concept", "worker", "reason", "source")
WORKERS = ("worker", "images", "regions", "kept")
AGREEMENT = ("image", "category", "concept", "workers", "drew", "regions", "kept", "mean_iou")


class ConceptSummary(NamedTuple):
    """One concept: how much of it was drawn and kept, and how far workers agreed.

    Attributes:
        category: the concept's.
        concept: its name.
        images: in which something of it was kept.
        regions: drawn.
        kept: of these.
        mean_iou: of pairs of workers who drew it in one image: mean over images of the mean over
            pairs; None if there are none.
    """

    category: str
    concept: str
    images: int
    regions: int
    kept: int
    mean_iou: float | None


class WorkerSummary(NamedTuple):
    """One worker: images he drew in, regions he drew, and how many of these were kept."""

    worker: str
    images: int
    regions: int
    kept: int


class BuildReport(NamedTuple):
    """What was built.

    Attributes:
        folder: the data set.
        images: written.
        empty_images: named by the annotations, without a kept region; written only if asked for.
        workers: in order of name.
        shared_images: images that several workers annotated.
        concepts: in order of category and name.
        dropped: regions by reason.
    """

    folder: Path
    images: int
    empty_images: int
    workers: tuple[WorkerSummary, ...]
    shared_images: int
    concepts: tuple[ConceptSummary, ...]
    dropped: dict[str, int]


def summary(category: str, concept: str, rows: Sequence[tuple[int, int, str]]) -> ConceptSummary:
    """A concept's summary from its images: regions, of these kept, and the mean IoU if any."""
    agreed = [float(iou) for _, _, iou in rows if iou]
    return ConceptSummary(
        category,
        concept,
        sum(kept > 0 for _, kept, _ in rows),
        sum(regions for regions, _, _ in rows),
        sum(kept for _, kept, _ in rows),
        sum(agreed) / len(agreed) if agreed else None,
    )
