"""Cards: all that a run's graph says about one unit, one concept or one class.

A card consists of the answers to small questions, so every store gives the same card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .names import ALL_ROWS, check_run, find_class, find_concept, no_unit
from .parameters import UnitUid
from .questions.class_concepts import ClassConcepts
from .questions.classes import Classes
from .questions.concept_classes import ConceptClasses
from .questions.concept_presence import ConceptPresence, PresenceRow
from .questions.concepts import Concepts
from .questions.detectors import DetectorRow, Detectors
from .questions.fed_by import FedBy
from .questions.feeds import Feeds
from .questions.inhibited_by import InhibitedBy
from .questions.unit import Unit
from .questions.unit_concepts import DetectionRow, UnitConcepts
from .questions.units import Units
from .questions.units_by_auc import AucRow, UnitsByAuc

if TYPE_CHECKING:
    from ..graph.stores.store import Store
    from .concept_shares import ShareRow
    from .contributions import ContributionRow


STATIC, DYNAMIC = 0.8, 0.5
"""From the one on, correlations with reversed and frozen clips are called static; below the other,
dynamic. A rule of thumb; the figures are always shown."""


class ImageRow(NamedTuple):
    """An image on which a unit is strong; the thumbnail's path is relative to the run."""

    image: str
    activation: float
    thumbnail: str


@dataclass(frozen=True)
class UnitCard:
    """A unit: what it detects, what feeds it, what inhibits it, what it feeds, its images.

    `reversed` and `frozen` are as in the question `unit`.
    """

    run: str
    uid: str
    name: str
    status: str
    threshold: float | None
    interpretable: bool
    named: bool
    reversed: float | None
    frozen: float | None
    concepts: tuple[DetectionRow, ...]
    fed_by: tuple[ContributionRow, ...]
    inhibited_by: tuple[ContributionRow, ...]
    feeds: tuple[ContributionRow, ...]
    images: tuple[ImageRow, ...]

    @property
    def motion(self) -> str:
        """Whether it sees motion, in words; "" if it was not measured on clips."""
        if self.reversed is None:
            return ""
        found = {"the reversed clip": self.reversed, "the clip frozen": self.frozen}
        known = {name: value for name, value in found.items() if value is not None}
        kind = "partly dynamic"
        if min(known.values()) >= STATIC:
            kind = "static"
        elif min(known.values()) < DYNAMIC:
            kind = "dynamic"
        values = ", ".join(f"{value:.2f} with those of {name}" for name, value in known.items())
        return f"{kind}: its maps correlate {values}"

    def to_json(self) -> dict[str, object]:
        """Return the card as one JSON object, its rows as objects."""
        return _json(self)


@dataclass(frozen=True)
class ConceptCard:
    """A concept: its presence probes, the units that detect it, the classes that they feed.

    `units_by_auc` are those that tell images with it, if it labels whole images.
    `center_bias` is the IoU of the center-bias baseline; None if it was not measured.
    """

    run: str
    uid: str
    name: str
    category: str
    center_bias: float | None
    presence: tuple[PresenceRow, ...]
    units: tuple[DetectorRow, ...]
    units_by_auc: tuple[AucRow, ...]
    classes: tuple[ShareRow, ...]

    def to_json(self) -> dict[str, object]:
        """Return the card as one JSON object, its rows as objects."""
        return _json(self)


@dataclass(frozen=True)
class ClassCard:
    """A class: the concepts and units that feed it, and the units that inhibit it."""

    run: str
    uid: str
    name: str
    concepts: tuple[ShareRow, ...]
    fed_by: tuple[ContributionRow, ...]
    inhibited_by: tuple[ContributionRow, ...]

    def to_json(self) -> dict[str, object]:
        """Return the card as one JSON object, its rows as objects."""
        return _json(self)


def unit_card(store: Store, run: str, uid: str, *, top: int = 10) -> UnitCard:
    """Return the card of a unit ("block4/290"), with at most `top` rows in each part.

    Raises:
        StoreError: no such run.
        QueryError: no such unit.
    """
    check_run(store, run)
    unit_uid = UnitUid(uid)
    details = store.ask(Unit(run, unit_uid))
    if not details:
        raise no_unit(run, uid, store.ask(Units(run, top=ALL_ROWS)))
    unit = details[0]
    images = zip(unit.images, unit.activations, unit.thumbnails, strict=True)
    return UnitCard(
        run,
        uid,
        unit.name,
        unit.status,
        unit.threshold,
        unit.interpretable,
        unit.named,
        unit.reversed,
        unit.frozen,
        concepts=tuple(store.ask(UnitConcepts(run, unit_uid, top))),
        fed_by=tuple(store.ask(FedBy(run, unit_uid, top))),
        inhibited_by=tuple(store.ask(InhibitedBy(run, unit_uid, top))),
        feeds=tuple(store.ask(Feeds(run, unit_uid, top))),
        images=tuple(ImageRow(*image) for image in images)[:top],
    )


def concept_card(store: Store, run: str, concept: str, *, top: int = 10) -> ConceptCard:
    """Return the card of a concept, by its uid, or by its name if only one concept has this name.

    Raises:
        StoreError: no such run.
        QueryError: no such concept, or a name in several categories.
    """
    check_run(store, run)
    match = find_concept(store.ask(Concepts(run)), concept)
    return ConceptCard(
        run,
        match.uid,
        match.name,
        match.category,
        match.center_bias,
        presence=tuple(store.ask(ConceptPresence(run, match.uid))),
        units=tuple(store.ask(Detectors(run, match.uid, top))),
        units_by_auc=tuple(store.ask(UnitsByAuc(run, match.uid, top))),
        classes=tuple(store.ask(ConceptClasses(run, match.uid, top))),
    )


def class_card(store: Store, run: str, class_name: str, *, top: int = 10) -> ClassCard:
    """Return the card of a class, by its name, or by its uid if several share a name.

    Raises:
        StoreError: no such run.
        QueryError: no such class, or a name that several share.
    """
    check_run(store, run)
    match = find_class(store.ask(Classes(run)), class_name)
    return ClassCard(
        run,
        match.uid,
        match.name,
        concepts=tuple(store.ask(ClassConcepts(run, match.uid, top))),
        fed_by=tuple(store.ask(FedBy(run, match.uid, top))),
        inhibited_by=tuple(store.ask(InhibitedBy(run, match.uid, top))),
    )


def _json(card: UnitCard | ConceptCard | ClassCard) -> dict[str, object]:
    """Return a card's fields; a tuple of rows becomes a list of objects."""
    return {
        name: [row._asdict() for row in value] if isinstance(value, tuple) else value
        for name, value in vars(card).items()
    }
