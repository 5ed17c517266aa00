"""The first page of a run: what it has in numbers and pictures, and where to go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....graph.run.check import read_check
from ....queries.questions.blocks import Blocks
from ....queries.questions.categories_by_block import CategoriesByBlock
from ..rendering import Page
from .audits import newest_finding
from .shown_unit import ShownUnit, shown_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graph.run.check import CheckLine
    from ....queries.questions.blocks import BlockRow
    from ....queries.questions.categories_by_block import CategoryRow
    from ..library import ServedRun

_GALLERY = 6
"""Units of each block with pictures."""
_CLASSES, _CONCEPTS = 24, 24
"""Links that are shown of each."""


class BlockPart(NamedTuple):
    """A block: its counts, units by category, and its best units, one a concept."""

    row: BlockRow
    categories: tuple[CategoryRow, ...]
    units: tuple[ShownUnit, ...]


class ConceptLink(NamedTuple):
    """A concept and how many units are named after it."""

    uid: str
    name: str
    category: str
    units: int


@dataclass(frozen=True)
class HomePage:
    """The first page of a run.

    Attributes:
        name: of the run.
        finding: its units with a name, in a sentence.
        facts: what was dissected, with what.
        blocks: the last one first.
        most: the largest number of named units of a block, for bars.
        concepts: those that most units are named after.
        all_concepts: how many there are in the data.
        audit: the finding of the newest audit; None without one.
        leads: the first classes, and what carries each, in words.
        classes: the first of them.
        all_classes: how many there are.
        has_evidence: whether the evidence of classes was computed; None if that is not known.
        check: lines of `conceptgraph check`.
        checked: whether it was run.
        command: for the commands that are proposed, how to name the run.
    """

    name: str
    finding: str
    facts: tuple[tuple[str, object], ...]
    blocks: tuple[BlockPart, ...]
    most: int
    concepts: tuple[ConceptLink, ...]
    all_concepts: int
    audit: str | None
    leads: list[tuple[str, str]]
    classes: tuple[str, ...]
    all_classes: int
    has_evidence: bool | None
    check: tuple[CheckLine, ...]
    checked: bool
    command: str


def home(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the first page."""
    rows = served.store.ask(Blocks(served.name))
    categories = served.store.ask(CategoriesByBlock(served.name))
    blocks = tuple(
        BlockPart(
            row,
            tuple(each for each in categories if each.block == row.block),
            _gallery(served, row.block),
        )
        for row in sorted(rows, key=lambda row: -int(row.block.removeprefix("block")))
    )
    named = {str(row.uid): row for row in served.concepts}
    concepts = sorted(
        (ConceptLink(uid, named[uid].name, named[uid].category, len(units))
         for uid, units in served.named_after.items()),
        key=lambda link: (-link.units, link.uid),
    )  # fmt: skip
    check = None if served.run is None else read_check(served.run)
    content = HomePage(
        served.name,
        _finding(served, len(concepts)),
        _facts(served),
        blocks,
        max((row.named for row in rows), default=0) or 1,
        tuple(concepts[:_CONCEPTS]),
        len(served.concepts),
        newest_finding(served),
        served.class_leads,
        tuple(row.name for row in served.classes[:_CLASSES]),
        len(served.classes),
        None if served.run is None else served.evidence is not None,
        () if check is None else check.lines,
        check is not None,
        served.command,
    )
    return Page("home.html", "Overview", content, "/")


def _gallery(served: ServedRun, block: str) -> tuple[ShownUnit, ...]:
    """Return the best unit of each concept that units of a block are named after."""
    best = [
        next((unit for unit in units if unit.uid.startswith(f"{block}/")), None)
        for units in served.named_after.values()
    ]
    first = sorted((unit for unit in best if unit), key=lambda unit: -(unit.iou or 0.0))
    return tuple(shown_unit(served, unit.uid) for unit in first[:_GALLERY])


def _finding(served: ServedRun, concepts: int) -> str:
    named = sum(row.named for row in served.units)
    if not named:
        return f"None of the {len(served.units):,} units is named after a concept."
    return f"{named:,} of {len(served.units):,} units are named after {concepts:,} concepts."


def _facts(served: ServedRun) -> tuple[tuple[str, object], ...]:
    if served.run is None:
        loaded = next(row for row in served.store.runs() if row.uid == served.name)
        return (("network", loaded.model), ("ingested", loaded.created[:10]))
    manifest = served.run.manifest
    return (
        ("network", manifest["model"]["name"]),
        (f"{served.noun}s", f"{manifest['data']['images']:,}"),
        ("concepts", f"{len(served.concepts):,}"),
        ("classes", f"{len(served.classes):,}"),
        ("units", f"{len(served.units):,}"),
        ("quantile", f"{served.run.quantile:g}"),
        ("least IoU", f"{served.run.min_iou:g}"),
        ("ingested", manifest["created"][:10]),
    )
