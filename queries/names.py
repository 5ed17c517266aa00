"""Resolving what a user names: a class, concept, unit, block, image or explanation of a run.

What does not exist is a QueryError that suggests the nearest names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ..errors import QueryError, nearest
from ..graph.stores.store import no_such_run
from .parameters import (
    BlockName,
    ClassUid,
    ConceptUid,
    ExplanationUid,
    ImageUid,
    TargetUid,
    UnitUid,
)
from .questions.blocks import Blocks
from .questions.classes import Classes
from .questions.concepts import Concepts
from .questions.image_explanations import ImageExplanations
from .questions.saved_images import SavedImages
from .questions.unit import Unit
from .questions.units import Units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..graph.stores.store import Store
    from .questions.units import UnitRow

ALL_ROWS = 10**9
"""A `top` that leaves no row out."""


class _NamedRow(Protocol):
    @property
    def uid(self) -> str: ...
    @property
    def name(self) -> str: ...


NamedRow = TypeVar("NamedRow", bound=_NamedRow)


def check_run(store: Store, run: str) -> None:
    """Raise StoreError if a run is not in a store."""
    loaded = [row.uid for row in store.runs()]
    if run not in loaded:
        raise no_such_run(run, loaded)


def find_class(classes: Iterable[NamedRow], wanted: str) -> NamedRow:
    """Find the class of this name, or of this uid; QueryError if there is none, or several."""
    return _find("class", "classes", list(classes), wanted)


def find_concept(concepts: Iterable[NamedRow], wanted: str) -> NamedRow:
    """Find the concept of this name, or of this uid; QueryError if there is none, or several."""
    return _find("concept", "concepts", list(concepts), wanted)


def no_unit(run: str, uid: str, units: Iterable[UnitRow]) -> QueryError:
    """Return the error for a unit that a run does not have."""
    remedy = nearest(uid, (unit.uid for unit in units))
    return QueryError(f"no unit {uid!r} in run {run}", remedy=remedy)


def _find(kind: str, plural: str, rows: list[NamedRow], wanted: str) -> NamedRow:
    """Find a row by its uid, else by its name: a uid distinguishes rows of one name."""
    for row in rows:
        if row.uid == wanted:
            return row
    matches = [row for row in rows if row.name == wanted]
    if len(matches) > 1:
        uids = ", ".join(repr(row.uid) for row in matches)
        what = f"{len(matches)} {plural} are called {wanted!r}"
        raise QueryError(what, remedy=f"Say which: {uids}")
    if not matches:
        names = dict.fromkeys(row.name for row in rows)
        raise QueryError(f"no {kind} {wanted!r}", remedy=nearest(wanted, names))
    return matches[0]


def _class(store: Store, run: str, typed: str) -> ClassUid:
    return find_class(store.ask(Classes(run)), typed).uid


def _concept(store: Store, run: str, typed: str) -> ConceptUid:
    return find_concept(store.ask(Concepts(run)), typed).uid


def _unit(store: Store, run: str, typed: str) -> UnitUid:
    uid = UnitUid(typed)
    if not store.ask(Unit(run, uid)):
        raise no_unit(run, uid, store.ask(Units(run, top=ALL_ROWS)))
    return uid


def _target(store: Store, run: str, typed: str) -> TargetUid:
    """Resolve what begins with a block as a unit, all else as a class."""
    if typed.partition("/")[0] in [row.block for row in store.ask(Blocks(run))]:
        return _unit(store, run, typed)
    return _class(store, run, typed)


def _block(store: Store, run: str, typed: str) -> BlockName:
    blocks = [row.block for row in store.ask(Blocks(run))]
    if typed not in blocks:
        raise QueryError(f"no {typed!r} in run {run}", expected=", ".join(blocks))
    return BlockName(typed)


def _image(store: Store, run: str, typed: str) -> ImageUid:
    images = store.ask(SavedImages(run))
    uids = [row.uid for row in images if typed in (row.uid, row.path)]
    if not uids:
        remedy = nearest(typed, [row.path for row in images]) if images else "None is saved yet"
        raise QueryError(f"no explanation of image {typed!r}", remedy=remedy)
    if len(uids) > 1:
        choices = ", ".join(map(repr, uids))
        what = f"{len(uids)} images are called {typed!r}"
        raise QueryError(what, remedy=f"Say which: {choices}")
    return uids[0]


def _explanation(store: Store, run: str, typed: str) -> ExplanationUid:
    images = store.ask(SavedImages(run))
    uids = [row.uid for i in images for row in store.ask(ImageExplanations(run, i.uid))]
    if typed not in uids:
        remedy = nearest(typed, uids) if uids else "None is saved yet"
        raise QueryError(f"no explanation {typed!r}", remedy=remedy)
    return ExplanationUid(typed)


RESOLVERS: Mapping[object, Callable[[Store, str, str], str]] = {
    ClassUid: _class,
    ConceptUid: _concept,
    UnitUid: _unit,
    TargetUid: _target,
    BlockName: _block,
    ImageUid: _image,
    ExplanationUid: _explanation,
}
"""For each type of a parameter: the function that finds, in a run, what a user typed."""
