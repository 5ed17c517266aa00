"""The report of `data annotate`, as tables and JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ...pages.wording import counted
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from ...ingest.sources.machine.report import MachineReport

_ROWS = 25
_NAMES = 15


def machine_json(report: MachineReport, contact: Path) -> dict[str, object]:
    """Return the report as one JSON object, with the path of the contact sheet."""
    return {
        **report._asdict(),
        "folder": str(report.folder),
        "contact": str(contact),
        "concepts": [concept._asdict() for concept in report.concepts],
        "agreement": [concept._asdict() for concept in report.agreement],
    }


def print_machine(report: MachineReport, contact: Path) -> None:
    """Print the report as tables."""
    images, concepts = counted(report.images, "image"), counted(len(report.concepts), "concept")
    ordered = sorted(report.concepts, key=lambda concept: -concept.images)
    print_table(
        f"{report.folder}: {images}, {concepts}",
        ("category", "concept", "by", "images", "of their pixels", "score"),
        [
            (
                concept.category,
                concept.concept,
                concept.model,
                concept.images,
                f"{concept.share:.1%}",
                f"{concept.score:.2f}",
            )
            for concept in ordered[:_ROWS]
        ],
        right="def",
    )
    _print_rest(len(ordered))
    print_note(
        f"Score: the mean over a concept's pixels. Each label is in "
        f"{report.folder / 'machine_labels.csv'}."
    )
    if report.truth_images:
        _print_agreement(report)
    else:
        verify = f"conceptgraph data verify {shlex.quote(str(report.folder))}"
        print_note(
            f"Nobody checked these labels: look at {contact}, measure with --truth, or ask people: "
            f"{verify}"
        )
    for note in report.notes:
        print_note(note)
    if report.nowhere:
        names = ", ".join(report.nowhere[:_NAMES])
        more = f", … ({len(report.nowhere) - _NAMES} more; --json lists all)"
        print_note(f"In no photograph: {names}{more if len(report.nowhere) > _NAMES else ''}.")
    if report.dropped:
        dropped = counted(report.dropped, "photograph")
        print_note(f"{dropped} cannot be read: {report.folder / 'dropped.csv'}.")
    print_line()
    folder = shlex.quote(str(report.folder))
    print_line(f"Next, people say which labels are right: conceptgraph data verify {folder}", "dim")
    print_line(f"Next: conceptgraph data check {folder}", "dim")


def _print_agreement(report: MachineReport) -> None:
    rows = sorted(report.agreement, key=lambda row: -(row.iou or 0.0))
    print_table(
        f"agreement with the truth, in {counted(report.truth_images, 'image')}",
        ("concept", "by", "images", "IoU", "AUC", "precision", "recall", "threshold"),
        [
            (
                row.concept,
                row.model,
                row.images,
                *(
                    "—" if value is None else f"{value:.2f}"
                    for value in (row.iou, row.auc, row.precision, row.recall, row.threshold)
                ),
            )
            for row in rows[:_ROWS]
        ],
        right="cdefgh",
    )
    _print_rest(len(rows))
    print_note(
        "IoU, precision and recall: of all pixels of images in which the truth has a mask of the "
        "category. AUC: of two pixels, one with the concept and one without, how often the former "
        "scores higher. All of them are in "
        f"{report.folder / 'agreement_with_truth.csv'}."
    )
    if any(row.threshold is not None for row in rows):
        print_note(
            "Thresholds of words: with the largest IoU on every other image; measured on the rest."
        )


def _print_rest(count: int) -> None:
    if count > _ROWS:
        print_note(f"… and {count - _ROWS:,} more (--json lists all).")
