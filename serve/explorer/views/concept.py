"""The page of a concept: who detects it, where it leads, how well probes predict it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....queries.cards import concept_card
from ....queries.names import ALL_ROWS
from ....queries.questions.leaning_classes import LeaningClasses
from ....queries.unnamed import card_note
from ..rendering import Crumb, Page, url
from .shown_unit import ShownUnit, shown_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....queries.cards import ConceptCard
    from ....queries.concept_shares import ShareRow
    from ....queries.parameters import ConceptUid
    from ....queries.questions.concept_presence import PresenceRow
    from ....queries.questions.concepts import RunConceptRow
    from ....queries.questions.detectors import DetectorRow
    from ....queries.questions.leaning_classes import LeaningClassRow
    from ....queries.questions.units_by_auc import AucRow
    from ..library import ServedRun

_PICTURED = 12
"""Units of each block with pictures."""
_CLASSES = 12


class Detector(NamedTuple):
    """A unit that detects the concept."""

    unit: ShownUnit
    row: DetectorRow


class BlockDetectors(NamedTuple):
    """The units of a block that detect the concept, and how many more there are."""

    block: str
    units: tuple[Detector, ...]
    more: int


@dataclass(frozen=True)
class ConceptPage:
    """The page of a concept.

    Attributes:
        row: the concept.
        finding: which units detect it, in a sentence.
        blocks: with units that detect it, the last one first.
        units_by_auc: those that tell images with it, if it labels whole images.
        presence: the scores of its probes.
        leads_to: classes that the units named after it feed.
        evidence: classes for which it is most evidence, if evidence was computed.
        most_evidence: the largest of it, for bars.
        has_photographs: whether images of it can be shown.
    """

    row: RunConceptRow
    finding: str
    blocks: tuple[BlockDetectors, ...]
    units_by_auc: tuple[AucRow, ...]
    presence: tuple[PresenceRow, ...]
    leads_to: tuple[ShareRow, ...]
    evidence: list[LeaningClassRow]
    most_evidence: float
    has_photographs: bool


def concept(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page of the concept `uid`, which may be its name, too.

    Raises:
        QueryError: no such concept.
    """
    card = concept_card(served.store, served.name, asked.get("uid", ""), top=ALL_ROWS)
    row = next(row for row in served.concepts if row.uid == card.uid)
    uid: ConceptUid = row.uid
    evidence = served.store.ask(LeaningClasses(served.name, uid, _CLASSES))
    content = ConceptPage(
        row,
        _finding(served, card),
        tuple(_detectors(served, block, card) for block in reversed(served.blocks)),
        card.units_by_auc[:_PICTURED],
        card.presence,
        card.classes[:_CLASSES],
        evidence,
        max((each.mean for each in evidence), default=0.0) or 1.0,
        served.has_photographs,
    )
    crumbs = (
        Crumb("Concepts", url("/concepts", run=served.key)),
        Crumb(row.category, url("/concepts", run=served.key, category=row.category)),
    )
    return Page("concept.html", row.name, content, "/concepts", crumbs)


def _detectors(served: ServedRun, block: str, card: ConceptCard) -> BlockDetectors:
    rows = [row for row in card.units if row.uid.startswith(f"{block}/")]
    units = tuple(Detector(shown_unit(served, row.uid), row) for row in rows[:_PICTURED])
    return BlockDetectors(block, units, len(rows) - len(units))


def _finding(served: ServedRun, card: ConceptCard) -> str:
    if not card.units:
        note = None if served.run is None else card_note(served.run, card)
        return note or f"No unit detects {card.name}."
    blocks = [block for block in served.blocks if any(
        row.uid.startswith(f"{block}/") for row in card.units)]  # fmt: skip
    named = sum(row.best for row in card.units)
    best = card.units[0]
    count = f"{len(card.units)} units detect" if len(card.units) > 1 else "1 unit detects"
    text = f"{count} {card.name} in {_listed(blocks)}; {named} of them {_named(named)} after it."
    return f"{text} {best.uid} does best, with an IoU of {best.iou:.3f}."


def _named(count: int) -> str:
    return "is named" if count == 1 else "are named"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
