"""What was built, checked or merged, at a glance."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, TypeVar

from ..terminal import note, out, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...ingest.concept_data.checking.check import CheckReport, ConceptSummary
    from ...ingest.concept_data.writing.merge import MergeReport
    from ...ingest.sources.annotations.report import BuildReport

Item = TypeVar("Item")

_ROWS = 15  # of a table that may be long


def build_json(report: BuildReport) -> dict[str, object]:
    """The report as one JSON object."""
    return {
        **report._asdict(),
        "folder": str(report.folder),
        "workers": [each._asdict() for each in report.workers],
        "concepts": [each._asdict() for each in report.concepts],
    }


def print_build(report: BuildReport) -> None:
    """The report as tables."""
    shared = report.shared_images > 0
    columns = ("category", "concept", "images", "drawn", "kept", "share kept", "mean IoU")
    shown = _first(sorted(report.concepts, key=lambda each: -each.images))
    rows = [
        (
            each.category,
            each.concept,
            each.images,
            each.regions,
            each.kept,
            f"{each.kept / each.regions:.0%}",
            "—" if each.mean_iou is None else f"{each.mean_iou:.2f}",
        )
        for each in shown
    ]
    width = len(columns) if shared else 6
    print_table(
        f"{report.folder}: {_many(report.images, 'image')}, "
        f"{_many(len(report.concepts), 'concept')}",
        columns[:width],
        [row[:width] for row in rows],
        right="cdefg",
    )
    _tell_rest(len(report.concepts), "by number of images; all are in label.csv")
    if shared:
        note(
            f"{_many(len(report.workers), 'worker')}; {report.shared_images} images have several. "
            "Mean IoU: of pairs of them who drew the concept in one image "
            f"(each image in {report.folder / 'agreement.csv'})."
        )
        _tell_workers(report)
    else:
        note("One worker an image: there is no agreement to ask for, every region counts.")
    if report.dropped:
        reasons = [(count, reason) for reason, count in report.dropped.items()]
        print_table("Dropped", ("regions", "why"), _first(reasons), right="a")
        note(f"Each of them is in {report.folder / 'dropped.csv'}.")
    else:
        note("No region was dropped.")
    if report.empty_images:
        note(
            f"{_many(report.empty_images, 'image')} without a region that is kept "
            "(written only with --empty-images)."
        )
    _next("check", report.folder)


def _tell_workers(report: BuildReport) -> None:
    """Who is least agreed with, the careless perhaps."""
    shares = sorted((each.kept / each.regions, each.worker) for each in report.workers)
    least = ", ".join(f"{worker or 'without a name'} {share:.0%}" for share, worker in shares[:3])
    table = report.folder / "workers.csv"
    note(f"Share of a worker's regions that is kept, the lowest: {least} (all in {table}).")


def merge_json(report: MergeReport) -> dict[str, object]:
    """The report as one JSON object."""
    sets = [
        {"folder": str(folder), "images": images, "concepts": concepts}
        for folder, images, concepts in report.sets
    ]
    return {**report._asdict(), "folder": str(report.folder), "sets": sets}


def print_merge(report: MergeReport) -> None:
    """The report as a table."""
    joined = sum(report.concepts.values())
    rows = [*report.sets, (report.folder, report.images, joined)]
    print_table("Merged", ("set", "images", "concepts"), rows, right="bc")
    by_category = ", ".join(f"{name} {count}" for name, count in report.concepts.items())
    note(
        f"Concepts by category: {by_category}. In several sets: {report.shared_concepts} of the "
        f"concepts, {report.shared_images} of the images (each is one row now)."
    )
    if report.repeated_rows:
        note(f"{_many(report.repeated_rows, 'row')} showed an image that their set had already.")
    if report.renamed:
        note(
            f"{_many(report.renamed, 'image')} share a name with another: the start of their "
            "sha256 stands behind it."
        )
    if report.finer_masks:
        note(
            f"Masks of {_many(report.finer_masks, 'image')} were made finer to fit another set's; "
            "--mask-size gives all one size."
        )
    _next("check", report.folder)


def check_json(report: CheckReport) -> dict[str, object]:
    """The report as one JSON object."""
    return {
        **report._asdict(),
        "folder": str(report.folder),
        "categories": [each._asdict() for each in report.categories],
        "concepts": [each._asdict() for each in report.concepts],
        "duplicates": [each._asdict() for each in report.duplicates],
        "defects": [each._asdict() for each in report.defects],
    }


def print_check(report: CheckReport) -> None:
    """The report as tables; defects last, all of them."""
    splits = ", ".join(f"{split or 'no split'} {count}" for split, count in report.images.items())
    seen = sum(each.images > 0 for each in report.concepts)
    images = _many(sum(report.images.values()), "image")
    print_table(
        f"{report.folder}: {images} ({splits}), {_many(seen, 'concept')}",
        ("category", "concepts", "images", "labelled pixels", "of their pixels"),
        [
            (
                each.category,
                each.concepts,
                each.images,
                f"{each.pixels:,}",
                _share(each.pixels, each.area),
            )
            for each in report.categories
        ],
        right="bcde",
    )
    _remarks(report, seen)
    _print_unreachable(report)
    _print_duplicates(report)
    for defect in report.defects:
        row = f" (row {defect.row})" if defect.row else ""
        say(f"{defect.file}{row}: {defect.what}", "red")
    if report.defects:
        say(f"{_many(len(report.defects), 'defect')}.", "bold red")
    else:
        say("No defects: every table, image and mask can be read.", "bold green")


def _remarks(report: CheckReport, seen: int) -> None:
    if len(report.mask_sizes) > 1:
        sizes = ", ".join(f"{size} ({count})" for size, count in report.mask_sizes.items())
        note(f"Masks of several sizes: {sizes}. An image with larger masks weighs more.")
    if report.bare_images:
        note(f"{_many(report.bare_images, 'image')} without any label: they set thresholds only.")
    unused = len(report.concepts) - seen
    if unused:
        note(f"{_many(unused, 'label')} of label.csv in no image.")


def _print_unreachable(report: CheckReport) -> None:
    found = sorted(report.unreachable, key=lambda each: each.attainable)
    if not found:
        return
    small = [each for each in found if _is_small(each, report)]
    title = (
        f"{_many(len(found), 'concept')} that no ordinary unit can reach (IoU {report.min_iou:g}): "
        f"{len(small)} too small, {len(found) - len(small)} too large"
    )
    print_table(
        title,
        ("category", "concept", "images", "pixels", "attainable IoU", "too"),
        [
            (
                each.category,
                each.concept,
                each.images,
                f"{each.pixels:,}",
                f"{each.attainable:.3f}",
                "small" if _is_small(each, report) else "large",
            )
            for each in _first(found)
        ],
        right="cde",
    )
    _tell_rest(len(found), "--json lists all")
    note(
        f"Attainable: by a mask of {report.quantile:.1%} of the pixels of the category's images, "
        "lying in the concept or around it. A larger --quantile reaches larger concepts, "
        "more images smaller ones."
    )


def _is_small(concept: ConceptSummary, report: CheckReport) -> bool:
    """Whether it is smaller than a unit's mask."""
    category = next(each for each in report.categories if each.category == concept.category)
    return concept.pixels < report.quantile * category.area


def _print_duplicates(report: CheckReport) -> None:
    if not report.duplicates:
        note("No two images are nearly the same.")
        return
    across = sum(len(each.splits) > 1 for each in report.duplicates)
    print_table(
        f"{_many(len(report.duplicates), 'group')} of images that are nearly the same, "
        f"{across} across splits",
        ("images", "splits", "files"),
        [
            (
                ", ".join(each.images[:4]) + (", …" if len(each.images) > 4 else ""),
                ", ".join(each.splits),
                "equal" if each.identical else "differ",
            )
            for each in _first(report.duplicates)
        ],
    )
    _tell_rest(len(report.duplicates), "--json lists all")


def _first(rows: Sequence[Item]) -> Sequence[Item]:
    """As many as a table shows."""
    return rows[:_ROWS]


def _tell_rest(count: int, where: str) -> None:
    if count > _ROWS:
        note(f"… and {count - _ROWS:,} more ({where}).")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "—"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _next(command: str, folder: Path) -> None:
    out.print()
    say(f"Next: conceptgraph data {command} {shlex.quote(str(folder))}", "dim")
