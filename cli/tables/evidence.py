"""The evidence of classes as tables: which concepts carry them, and through which concepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graph.evidence_graph import ELSEWHERE
from ...pages.wording import counted
from ...queries.class_evidence import (
    class_concepts,
    distinct_concepts,
    distinct_text,
    share_word,
    unnamed_places,
)
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graph.run.class_evidence import SavedEvidence
    from ...graph.run.reader import Run
    from ...queries.class_evidence import CarryingConcepts, ConceptEvidence, MeanFlow

_OF_MANY, _OF_ONE = 3, 8
"""Concepts and paths to show of a class, if several or one are asked for."""
_UNREADABLE = 20


def print_class_evidence(
    run: Run, saved: SavedEvidence, classes: Sequence[str], block: str | None, top: int | None
) -> None:
    """Print the evidence of classes: tables for one, three lines each for several."""
    concepts = [class_concepts(saved, name) for name in classes]
    if len(concepts) == 1:
        apart = distinct_text(distinct_concepts(saved, classes[0]))
        _print_one(run, concepts[0], apart, block, top or _OF_ONE)
    else:
        concepts.sort(key=lambda one: (-one.images, one.class_name))
        for one in concepts:
            _print_summary(run, one, block, top or _OF_MANY)
        print_note("Tables of one class, with intervals: --class NAME")
    _print_notes(run, saved)


def print_unreadable(unreadable: Sequence[tuple[str, str]]) -> None:
    """Print the images that could not be read."""
    for file, reason in unreadable[:_UNREADABLE]:
        print_note(f"not read: {file}: {reason.partition(f'{file}: ')[2] or reason}")
    if len(unreadable) > _UNREADABLE:
        print_note(f"not read: {len(unreadable) - _UNREADABLE} more")


def _print_one(run: Run, one: CarryingConcepts, apart: str, block: str | None, top: int) -> None:
    print_line(_finding(run, one, block), "bold")
    if apart:
        print_line(f"what sets it apart from the other classes: {apart}")
    print_line()
    rows = one.shown(block)
    if not rows:
        return
    first, named = rows[0], [row for row in rows if row.name is not None]
    print_table(
        f"where it sees each {first.category} ({first.block}), "
        f"mean of {counted(one.images, run.noun)}",
        (first.category, "evidence", "95 %", "of the picture", f"of the {run.noun}s"),
        [
            *(_cells(row, one.images) for row in named[:top]),
            *_others(named[top:]),
            *(_cells(row, one.images) for row in rows if row.name is None),
        ],
        right="bcde",
    )
    if paths := one.paths(first.category)[:top]:
        print_table(
            f"concept paths, {paths[0].source_block} → {paths[0].target_block} → class",
            ("", "evidence", f"{run.noun}s"),
            [(f"{path_text(p)} → {one.class_name}", f"{p.mean:+.2f}", p.images) for p in paths],
            right="bc",
        )


def _finding(run: Run, one: CarryingConcepts, block: str | None) -> str:
    """Return in one sentence what carries the class."""
    images = f"{one.class_name} ({counted(one.images, run.noun)})"
    if not one.images:
        return f"{one.class_name}: the network takes none of the {run.noun}s for it"
    if not one.shown(block):
        return f"{images}: {unnamed_places(block or 'the run')}"
    carriers = [row for row in one.shown(block) if row.name is not None and row.mean > 0][:2]
    if not carriers:
        return f"{images}: nothing that a concept of the data names is evidence for it"
    names = " and ".join(f"{row.name} ({_amount(row)})" for row in carriers)
    share = share_word(sum(row.mean for row in carriers), (row.mean for row in one.shown(block)))
    return f"{images}: {share} because of what it sees as {names}"


def _amount(row: ConceptEvidence) -> str:
    return f"{row.mean:+.2f}, on {row.coverage:.0%} of the picture"


def _cells(row: ConceptEvidence, images: int) -> tuple[str, ...]:
    interval = f"{row.low:+.2f} to {row.high:+.2f}" if images > 1 else "–"
    shares = f"{row.coverage:.0%}", f"{row.share:.0%}"
    return (row.name or ELSEWHERE, f"{row.mean:+.2f}", interval, *shares)


def _others(rows: Sequence[ConceptEvidence]) -> list[tuple[str, ...]]:
    if not rows:
        return []
    return [(f"{len(rows)} more", f"{sum(row.mean for row in rows):+.2f}", "", "", "")]


def _print_summary(run: Run, one: CarryingConcepts, block: str | None, top: int) -> None:
    print_line(f"{one.class_name}: {counted(one.images, run.noun)}", "bold")
    rows = [row for row in one.shown(block) if row.name is not None][:top]
    nothing = "no concept of the data is found in them"
    if one.images and not one.shown(block):
        nothing = unnamed_places(block or "the run")
    print_line("  " + (" · ".join(_concept_text(row, one.images) for row in rows) or nothing))
    category = rows[0].category if rows else None
    if paths := one.paths(category)[:top]:
        texts = (f"{path_text(path)} {path.mean:+.2f}" for path in paths)
        print_line("  paths: " + " · ".join(texts))
    print_line()


def _concept_text(row: ConceptEvidence, images: int) -> str:
    """Return "car +1.04 (0.99 to 1.09; on 9 % of the picture, in 100 % of the images)"."""
    interval = f"{row.low:+.2f} to {row.high:+.2f}; " if images > 1 else ""
    where = f"on {row.coverage:.0%} of the picture, in {row.share:.0%} of the images"
    return f"{row.name} {row.mean:+.2f} ({interval}{where})"


def path_text(flow: MeanFlow) -> str:
    """Return "car → road"; "elsewhere" where none of the category is found."""
    return f"{flow.source_name or ELSEWHERE} → {flow.target_name or ELSEWHERE}"


def _print_notes(run: Run, saved: SavedEvidence) -> None:
    other = "the mean of all logits" if saved.versus is None else f"the logit of {saved.versus}"
    print_note(
        f"Evidence: what the places of a concept add to the class's logit less {other}; "
        f"its mean, with a 95 % interval, over the {run.noun}s that the network takes for the "
        "class. In each block and category the concepts, “elsewhere” (where none of them is "
        "found) and bias terms add up to the mean."
    )
