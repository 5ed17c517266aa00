"""The page of a unit: what it detects, its pictures, what feeds it and what it feeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....errors import QueryError
from ....graph.uids import concept_uid
from ....queries.cards import unit_card
from ....queries.parameters import UnitUid
from ....queries.questions.unit_in_other_runs import UnitInOtherRuns
from ....queries.unnamed import card_note
from ..rendering import Crumb, Page, percent, url
from .shown_unit import Contribution, ShownUnit, contributions, shown_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graph.run.reader import Run
    from ....queries.cards import UnitCard
    from ....queries.questions.unit_concepts import DetectionRow
    from ..library import Library, ServedRun

_ROWS = 12
"""Of each table."""


class UnitPicture(NamedTuple):
    """One of the unit's top images.

    Attributes:
        rank: of the image, in addresses; None if there is no picture.
        image: its file.
        times: the unit's largest activation in it, as a multiple of the threshold.
    """

    rank: str | None
    image: str
    times: float | None


class Peaks(NamedTuple):
    """In how many images the unit fires, and how strongly.

    Attributes:
        images: in which it exceeds its threshold.
        of: all images of the run.
        bins: in words, from how many times its threshold on, and how many images there are.
    """

    images: int
    of: int
    bins: list[tuple[str, int]]


class OtherRun(NamedTuple):
    """The same unit in another run of the network.

    Attributes:
        key: of the run.
        label: its best concept there, whether or not that is its name.
        concept: uid of the concept.
        category: of the concept.
        iou: with the concept.
        named: whether it is its name.
    """

    key: str
    label: str | None
    concept: str | None
    category: str | None
    iou: float | None
    named: bool


@dataclass(frozen=True)
class UnitPage:
    """The page of a unit.

    Attributes:
        unit: as links show it.
        finding: what it detects, or why it has no name.
        motion: whether it sees motion, in words; "" of a run of images.
        formula: its formula of several concepts, if it has one.
        pictures: the images on which it is strongest.
        peaks: in how many images it fires; None for a run that is only in a database.
        concepts: those that it overlaps most.
        has_auc: whether any of them labels whole images.
        largest: the largest of their IoU and attainable IoU, for bars.
        fed_by: units of the block before, the strongest first.
        inhibited_by: likewise.
        feeds: units of the next block, or classes.
        other_runs: the unit in other runs.
        note: what somebody says about it.
        keeps_notes: whether notes can be kept.
        before: uid of the unit before it in its block; None for the first.
        after: likewise.
    """

    unit: ShownUnit
    finding: str
    motion: str
    formula: str | None
    pictures: tuple[UnitPicture, ...]
    peaks: Peaks | None
    concepts: tuple[DetectionRow, ...]
    has_auc: bool
    largest: float
    fed_by: list[Contribution]
    inhibited_by: list[Contribution]
    feeds: list[Contribution]
    other_runs: tuple[OtherRun, ...]
    note: str
    keeps_notes: bool
    before: str | None
    after: str | None


def unit(library: Library, served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page of the unit `uid`.

    Raises:
        QueryError: no such unit.
    """
    uid = asked.get("uid", "")
    if uid not in served.unit_of:
        raise QueryError(f"no unit {uid!r}", remedy="All units are on the page “Units”")
    card = unit_card(served.store, served.name, uid, top=_ROWS)
    block, _, index = uid.partition("/")
    before, after = f"{block}/{int(index) - 1}", f"{block}/{int(index) + 1}"
    largest = (max(row.iou, row.attainable_iou) for row in card.concepts)
    content = UnitPage(
        shown_unit(served, uid),
        _finding(served, card),
        card.motion,
        served.formulas.get(uid),
        _pictures(served, card),
        None if served.run is None else _peaks(served.run, card),
        card.concepts,
        any(row.auc is not None for row in card.concepts),
        max(largest, default=0.0) or 1.0,
        contributions(served, card.fed_by),
        contributions(served, card.inhibited_by, inhibiting=True),
        contributions(served, card.feeds),
        tuple(_other_runs(library, served, uid)),
        served.notes[uid]["note"] if uid in served.notes else "",
        served.run is not None,
        before if before in served.unit_of else None,
        after if after in served.unit_of else None,
    )
    crumbs = (
        Crumb("Units", url("/units", run=served.key)),
        Crumb(block, url("/units", run=served.key, block=block)),
    )
    return Page("unit.html", uid, content, "/units", crumbs)


def _finding(served: ServedRun, card: UnitCard) -> str:
    if not card.named:
        note = None if served.run is None else card_note(served.run, card)
        return note or f"{card.uid} has no name: none of its concepts holds as one."
    best = card.concepts[0]
    if best.precision is None:
        return f"Fires on {best.name}: IoU {best.iou:.3f}."
    on = f"{percent(best.precision)} of its activation area is on it"
    chance = "" if best.chance is None else f", {percent(best.chance)} by chance"
    return f"Fires on {best.name}: in images held out, {on}{chance}."


def _pictures(served: ServedRun, card: UnitCard) -> tuple[UnitPicture, ...]:
    ranks = list(served.thumbnails.get(card.uid, {}))
    threshold = card.threshold or 0.0
    return tuple(
        UnitPicture(
            ranks[place] if place < len(ranks) else None,
            row.image,
            row.activation / threshold if threshold > 0 else None,
        )
        for place, row in enumerate(card.images)
    )


def _peaks(run: Run, card: UnitCard) -> Peaks:
    rows = run.peaks[run.peaks["unit"] == card.uid].sort_values("times")
    images = dict(zip(rows["times"], rows["images"], strict=True))
    edges = sorted(set(run.peaks["times"])) if card.threshold else []
    last = rows["times"].max()
    bins = [(f"{edge:g} ×", int(images.get(edge, 0))) for edge in edges if edge <= last]
    return Peaks(int(rows["images"].sum()), run.manifest["data"]["images"], bins)


def _other_runs(library: Library, served: ServedRun, uid: str) -> list[OtherRun]:
    if library.is_neo4j:
        return [
            OtherRun(
                row.run,
                row.concept,
                None if row.concept is None else concept_uid(row.category or "", row.concept),
                row.category,
                row.iou,
                named=row.concept is not None,
            )
            for row in served.store.ask(UnitInOtherRuns(served.name, UnitUid(uid)))
        ]
    others = []
    for key, run in library.same_network(served):
        rows = run.units[run.units["uid"] == uid]
        if rows.empty:
            continue
        row, named = rows.iloc[0], bool(run.named[rows.index[0]])
        label, category = row["label"], row["category"]
        if not isinstance(label, str):
            others.append(OtherRun(key, None, None, None, None, named=False))
            continue
        uid_there = concept_uid(str(category), label)
        others.append(OtherRun(key, label, uid_there, str(category), float(row["iou"]), named))
    return others
