"""Reports about concept data, as tables and JSON: of a build, of tags, a merge, a check."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from ...ingest.concept_data.labels import PEOPLE, made_by, verified_of
from ...pages.wording import counted
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...ingest.concept_data.checking.check import CategoryCounts, CheckReport, ConceptCounts
    from ...ingest.sources.annotations.report import BuildReport
    from ...ingest.sources.merge import MergeReport
    from ...ingest.sources.tags.build import TagReport

TableRow = TypeVar("TableRow")

_ROWS = 15  # of a table that may be long
_FEW = 10  # images with a tag, or without it; concepts in a note


def build_json(report: BuildReport) -> dict[str, object]:
    """Return the report of a build as one JSON object."""
    return {
        **report._asdict(),
        "folder": str(report.folder),
        "workers": [worker._asdict() for worker in report.workers],
        "concepts": [concept._asdict() for concept in report.concepts],
    }


def print_build(report: BuildReport) -> None:
    """Print the report of a build as tables."""
    _print_built_concepts(report)
    noun = "image" if report.frames == 1 else "frame"
    if report.shared_images:
        print_note(
            f"{counted(len(report.workers), 'worker')}; {report.shared_images} {noun}s have "
            f"several. Mean IoU: of pairs of workers who drew the concept in one {noun} (for each "
            f"{noun} in {report.folder / 'agreement.csv'})."
        )
        _print_workers(report)
    else:
        each = "an image" if report.frames == 1 else "a frame"
        print_note(f"One worker {each}: no agreement is needed, every region counts.")
    for note in _first(report.notes):
        print_note(note)
    _print_rest(len(report.notes), "--json lists all")
    if report.dropped:
        reasons = [(count, reason) for reason, count in report.dropped.items()]
        print_table("Dropped", ("regions", "reason"), _first(reasons), right="a")
        print_note(f"All of them are in {report.folder / 'dropped.csv'}.")
    else:
        print_note("No region was dropped.")
    if report.empty_images:
        print_note(
            f"{counted(report.empty_images, 'image')} without a kept region "
            "(written only with --empty-images)."
            if report.frames == 1
            else f"{counted(report.empty_images, 'annotated frame')} without a kept region."
        )
    _print_next("check", report.folder)


def _print_built_concepts(report: BuildReport) -> None:
    unit, written = ("images", "image") if report.frames == 1 else ("frames", "clip")
    columns = ("category", "concept", unit, "drawn", "kept", "share kept", "mean IoU")
    rows = [
        (
            concept.category,
            concept.concept,
            concept.images,
            concept.regions,
            concept.kept,
            f"{concept.kept / concept.regions:.0%}",
            "—" if concept.mean_iou is None else f"{concept.mean_iou:.2f}",
        )
        for concept in _first(sorted(report.concepts, key=lambda concept: -concept.images))
    ]
    width = len(columns) if report.shared_images else 6
    images, concepts = counted(report.images, written), counted(len(report.concepts), "concept")
    each = f" of {counted(report.frames, 'frame')}" if report.frames > 1 else ""
    print_table(
        f"{report.folder}: {images}{each}, {concepts}",
        columns[:width],
        [row[:width] for row in rows],
        right="cdefg",
    )
    _print_rest(len(report.concepts), f"by number of {unit}; all are in label.csv")


def _print_workers(report: BuildReport) -> None:
    """Print the workers whose regions were kept least often."""
    shares = sorted((worker.kept / worker.regions, worker.worker) for worker in report.workers)
    lowest = ", ".join(f"{name or 'without a name'} {share:.0%}" for share, name in shares[:3])
    table = report.folder / "workers.csv"
    print_note(f"Share of a worker's regions that is kept, the lowest: {lowest} (all in {table}).")


def tags_json(report: TagReport) -> dict[str, object]:
    """Return the report of tags as one JSON object."""
    concepts = [concept._asdict() for concept in report.concepts]
    return {**report._asdict(), "folder": str(report.folder), "concepts": concepts}


def print_tags(report: TagReport) -> None:
    """Print the report of tags as a table."""
    images, concepts = counted(report.images, "image"), counted(len(report.concepts), "concept")
    print_table(
        f"{report.folder}: {images}, {concepts}",
        ("category", "concept", "images with it", "without", "these are"),
        [
            (
                concept.category,
                concept.concept,
                concept.present,
                concept.absent,
                "answered no" if concept.asked else "all others",
            )
            for concept in _first(sorted(report.concepts, key=lambda concept: -concept.present))
        ],
        right="cd",
    )
    _print_rest(len(report.concepts), "--json lists all")
    if report.untagged:
        print_note(f"{counted(report.untagged, 'image')} without a tag.")
    for note in _first(report.notes):
        print_note(note)
    if report.dropped:
        reasons = [(count, reason) for reason, count in report.dropped.items()]
        print_table("Dropped", ("tags", "reason"), _first(reasons), right="a")
        print_note(f"All of them are in {report.folder / 'dropped.csv'}.")
    few = sum(min(concept.present, concept.absent) < _FEW for concept in report.concepts)
    if few:
        print_note(
            f"{counted(few, 'concept')} with fewer than {_FEW} images of a kind: hardly any unit "
            "can be told to detect them."
        )
    _print_next("check", report.folder)


def merge_json(report: MergeReport) -> dict[str, object]:
    """Return the report of a merge as one JSON object."""
    sets = [
        {"folder": str(folder), "images": images, "concepts": concepts}
        for folder, images, concepts in report.sets
    ]
    return {**report._asdict(), "folder": str(report.folder), "sets": sets}


def print_merge(report: MergeReport) -> None:
    """Print the report of a merge as a table."""
    concepts = sum(report.concepts.values())
    rows = [*report.sets, (report.folder, report.images, concepts)]
    print_table("Merged", ("set", "images", "concepts"), rows, right="bc")
    by_category = ", ".join(f"{name} {count}" for name, count in report.concepts.items())
    print_note(
        f"Concepts by category: {by_category}. In several sets: {report.shared_concepts} of the "
        f"concepts, {report.shared_images} of the images (each is one row now)."
    )
    if report.repeated_rows:
        repeated = counted(report.repeated_rows, "row")
        print_note(f"{repeated} showed an image that their set had already.")
    if report.renamed:
        print_note(
            f"{counted(report.renamed, 'image')} share a name with another: the start of their "
            "sha256 was appended to it."
        )
    if report.finer_masks:
        print_note(
            f"Masks of {counted(report.finer_masks, 'image')} were made finer to fit another "
            "set's; --mask-size gives all of them one size."
        )
    if report.fewer_frames:
        print_note(
            f"{counted(report.fewer_frames, 'clip')}: the sets annotated different frames; "
            "those that all of them annotated are kept."
        )
    _print_next("check", report.folder)


def check_json(report: CheckReport) -> dict[str, object]:
    """Return the report of a check as one JSON object."""
    return {
        **report._asdict(),
        "folder": str(report.folder),
        "categories": [category._asdict() for category in report.categories],
        "concepts": [concept._asdict() for concept in report.concepts],
        "duplicates": [group._asdict() for group in report.duplicates],
        "defects": [defect._asdict() for defect in report.defects],
    }


def print_check(report: CheckReport) -> None:
    """Print the report of a check as tables, and last all defects."""
    splits = ", ".join(f"{split or 'no split'} {count}" for split, count in report.images.items())
    occurring = sum(concept.images > 0 for concept in report.concepts)
    images = counted(sum(report.images.values()), "image")
    print_table(
        f"{report.folder}: {images} ({splits}), {counted(occurring, 'concept')}",
        ("category", "concepts", "images", "labelled pixels", "of their pixels"),
        [
            (
                category.category,
                category.concepts,
                category.images,
                *_pixel_cells(category, report.concepts),
            )
            for category in report.categories
        ],
        right="bcde",
    )
    if not any(concept.drawn for concept in report.concepts):
        print_note(
            "Labels of whole images alone: units are compared with them image by image (AUC), for "
            "which the quantile does not count."
        )
    elif report.quantile_reason:
        print_note(f"Quantile of an ingest: {report.quantile:g} ({report.quantile_reason}).")
    _print_remarks(report, occurring)
    _print_unreachable(report)
    _print_duplicates(report)
    for defect in report.defects:
        row = f" (row {defect.row})" if defect.row else ""
        print_line(f"{defect.file}{row}: {defect.what}", "red")
    if report.defects:
        print_line(f"{counted(len(report.defects), 'defect')}.", "bold red")
    else:
        print_line("No defects: every table, image and mask can be read.", "bold green")
        print_line()
        folder = shlex.quote(str(report.folder))
        words = f"conceptgraph ingest --model MODEL --data {folder} --out NAME.cg"
        print_line(f"Next: {words}", "dim")


def _pixel_cells(category: CategoryCounts, concepts: Sequence[ConceptCounts]) -> tuple[str, str]:
    """Return a category's labelled pixels and their share; — without any mask."""
    if not any(one.drawn for one in concepts if one.category == category.category):
        return "—", "—"
    return f"{category.pixels:,}", f"{category.pixels / category.area:.1%}"


def _print_remarks(report: CheckReport, occurring: int) -> None:
    clips = {frames: count for frames, count in report.frames.items() if frames > 1}
    if clips:
        all_frames = sum(frames * count for frames, count in clips.items())
        lengths = ", ".join(f"{count} of {frames} frames" for frames, count in clips.items())
        stills = f"; {counted(report.frames[1], 'still')}" if 1 in report.frames else ""
        print_note(
            f"Clips: {lengths}{stills}. {report.annotated_frames:,} of {all_frames:,} frames of "
            "clips are annotated; labels count in these alone."
        )
    if len(report.mask_sizes) > 1:
        sizes = ", ".join(f"{size} ({count})" for size, count in report.mask_sizes.items())
        print_note(f"Masks of several sizes: {sizes}. An image with larger masks weighs more.")
    if report.bare_images:
        bare = counted(report.bare_images, "image")
        print_note(f"{bare} without any label: used for thresholds only.")
    if report.images_without:
        without = counted(report.images_without, "image")
        print_note(f"{without} with none of the concepts: they count as without.")
    for written, plain in report.renamed.items():
        print_note(f"The label {written!a} of label.csv is read as {plain!r}.")
    sources = (made_by(concept.source) for concept in report.concepts)
    made = Counter(source for source in sources if source != PEOPLE)
    if made:
        by = ", ".join(f"{source} ({counted(n, 'concept')})" for source, n in made.most_common())
        print_note(f"Labels that nobody drew, made by {by}.")
    verified = [f"{one.concept} ({verified_of(one.source)})" for one in report.concepts
                if verified_of(one.source)]  # fmt: skip
    if verified:
        more = ", …" if len(verified) > _FEW else ""
        print_note(f"Labels that people verified: {', '.join(verified[:_FEW])}{more}.")
    unused = len(report.concepts) - occurring
    if unused:
        print_note(f"{counted(unused, 'label')} of label.csv in no image.")


def _print_unreachable(report: CheckReport) -> None:
    concepts = sorted(report.unreachable, key=lambda concept: concept.attainable)
    if not concepts:
        return
    small = [concept for concept in concepts if _is_small(concept, report)]
    print_table(
        f"{counted(len(concepts), 'concept')} that no ordinary unit can reach (IoU "
        f"{report.min_iou:g}): {len(small)} too small, {len(concepts) - len(small)} too large",
        ("category", "concept", "images", "pixels", "attainable IoU", "too"),
        [
            (
                concept.category,
                concept.concept,
                concept.images,
                f"{concept.pixels:,}",
                f"{concept.attainable:.3f}",
                "small" if _is_small(concept, report) else "large",
            )
            for concept in _first(concepts)
        ],
        right="cde",
    )
    _print_rest(len(concepts), "--json lists all")
    print_note(
        f"Attainable IoU: of a mask that covers {report.quantile:.1%} of the pixels of the "
        "category's images and lies within the concept or around it. A larger --quantile reaches "
        "larger concepts, a smaller one smaller concepts."
    )


def _is_small(concept: ConceptCounts, report: CheckReport) -> bool:
    """Return whether a concept is smaller than a unit's mask."""
    (area,) = (row.area for row in report.categories if row.category == concept.category)
    return concept.pixels < report.quantile * area


def _print_duplicates(report: CheckReport) -> None:
    if not report.duplicates:
        print_note("No two images are nearly the same.")
        return
    across = sum(len(group.splits) > 1 for group in report.duplicates)
    print_table(
        f"{counted(len(report.duplicates), 'group')} of images that are nearly the same, "
        f"{across} across splits",
        ("images", "splits", "files"),
        [
            (
                ", ".join(group.images[:4]) + (", …" if len(group.images) > 4 else ""),
                ", ".join(group.splits),
                "equal" if group.identical else "differ",
            )
            for group in _first(report.duplicates)
        ],
    )
    _print_rest(len(report.duplicates), "--json lists all")


def _first(rows: Sequence[TableRow]) -> Sequence[TableRow]:
    """Return as many rows as a table shows."""
    return rows[:_ROWS]


def _print_rest(count: int, remark: str) -> None:
    """Print how many rows a table does not show."""
    if count > _ROWS:
        print_note(f"… and {count - _ROWS:,} more ({remark}).")


def _print_next(command: str, folder: Path) -> None:
    print_line()
    print_line(f"Next: conceptgraph data {command} {shlex.quote(str(folder))}", "dim")
