"""Cards: all that a run's graph says about one unit, one concept or one class.

A card is put together from small questions, so any store that answers these gives the same card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..graph.stores.store import no_such_run
from .concepts import (
    ClassesOfConcept,
    ConceptPresence,
    ConceptsOfClass,
    DetectorRow,
    Detectors,
    PresenceRow,
    ReachRow,
)
from .contributions import ContributionRow, FedBy, Feeds, InhibitedBy
from .names import EVERY, ClassNames, ConceptNames, UnitNames, find_class, find_concept, no_unit
from .units import DetectionRow, Unit, UnitConcepts

if TYPE_CHECKING:
    from ..graph.stores.store import Store


class ImageRow(NamedTuple):
    """An image on which a unit is strong; the thumbnail's path is relative to the run."""

    image: str
    activation: float
    thumbnail: str


@dataclass(frozen=True)
class UnitCard:
    """A unit: what it is, what feeds it, what holds it back, what it feeds, its images."""

    run: str
    uid: str
    name: str
    status: str
    threshold: float | None
    interpretable: bool
    concepts: tuple[DetectionRow, ...]
    fed_by: tuple[ContributionRow, ...]
    inhibited_by: tuple[ContributionRow, ...]
    feeds: tuple[ContributionRow, ...]
    images: tuple[ImageRow, ...]

    def to_json(self) -> dict[str, object]:
        """The card as one JSON object, its rows as objects."""
        return _json(self)


@dataclass(frozen=True)
class ConceptCard:
    """A concept: how well it can be read, the units that detect it, the classes they feed.

    `center_bias` is the IoU of a box in the middle of every image; None where it was not measured.
    """

    run: str
    uid: str
    name: str
    category: str
    center_bias: float | None
    presence: tuple[PresenceRow, ...]
    units: tuple[DetectorRow, ...]
    classes: tuple[ReachRow, ...]

    def to_json(self) -> dict[str, object]:
        """The card as one JSON object, its rows as objects."""
        return _json(self)


@dataclass(frozen=True)
class ClassCard:
    """A class: the units and concepts that feed it, and the units that speak against it."""

    run: str
    uid: str
    name: str
    concepts: tuple[ReachRow, ...]
    fed_by: tuple[ContributionRow, ...]
    inhibited_by: tuple[ContributionRow, ...]

    def to_json(self) -> dict[str, object]:
        """The card as one JSON object, its rows as objects."""
        return _json(self)


def unit_card(store: Store, run: str, uid: str, *, top: int = 10) -> UnitCard:
    """The card of a unit ("block4/290"), at most `top` rows in each part.

    Raises:
        StoreError: no such run.
        QueryError: no such unit.
    """
    _check_run(store, run)
    facts = store.ask(Unit(run, uid))
    if not facts:
        raise no_unit(run, uid, store.ask(UnitNames(run, top=EVERY)))
    unit = facts[0]
    images = zip(unit.images, unit.activations, unit.thumbnails, strict=True)
    return UnitCard(
        run,
        uid,
        unit.name,
        unit.status,
        unit.threshold,
        unit.interpretable,
        concepts=tuple(store.ask(UnitConcepts(run, uid, top))),
        fed_by=tuple(store.ask(FedBy(run, uid, top))),
        inhibited_by=tuple(store.ask(InhibitedBy(run, uid, top))),
        feeds=tuple(store.ask(Feeds(run, uid, top))),
        images=tuple(ImageRow(*image) for image in images)[:top],
    )


def concept_card(store: Store, run: str, concept: str, *, top: int = 10) -> ConceptCard:
    """The card of a concept, by "category/name" or, where only one is called so, its name.

    Raises:
        StoreError: no such run.
        QueryError: no such concept, or a name in several categories.
    """
    _check_run(store, run)
    found = find_concept(store.ask(ConceptNames(run)), concept)
    return ConceptCard(
        run,
        found.uid,
        found.name,
        found.category,
        found.center_bias,
        presence=tuple(store.ask(ConceptPresence(run, found.uid))),
        units=tuple(store.ask(Detectors(run, found.uid, top))),
        classes=tuple(store.ask(ClassesOfConcept(run, found.uid, top))),
    )


def class_card(store: Store, run: str, class_name: str, *, top: int = 10) -> ClassCard:
    """The card of a class, by its name or, where several share it, its uid.

    Raises:
        StoreError: no such run.
        QueryError: no such class, or a name that several share.
    """
    _check_run(store, run)
    found = find_class(store.ask(ClassNames(run)), class_name)
    return ClassCard(
        run,
        found.uid,
        found.name,
        concepts=tuple(store.ask(ConceptsOfClass(run, found.uid, top))),
        fed_by=tuple(store.ask(FedBy(run, found.uid, top))),
        inhibited_by=tuple(store.ask(InhibitedBy(run, found.uid, top))),
    )


def _check_run(store: Store, run: str) -> None:
    loaded = [each.uid for each in store.runs()]
    if run not in loaded:
        raise no_such_run(run, loaded)


def _json(card: UnitCard | ConceptCard | ClassCard) -> dict[str, object]:
    """A card's fields; a tuple of rows becomes a list of objects."""
    return {
        name: [row._asdict() for row in value] if isinstance(value, tuple) else value
        for name, value in vars(card).items()
    }
