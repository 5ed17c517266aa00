"""The page of a class: the concepts that carry it, its units and paths; beside another class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from ....pages.class_content import ClassConceptGraph, class_concept_graph
from ....pages.flow_values import flow_values
from ....queries.cards import class_card
from ....queries.names import find_class
from ....queries.parameters import BlockName
from ....queries.questions.class_paths import ClassPaths
from ....queries.questions.concept_hierarchy import ConceptHierarchy
from ....queries.questions.evidence_difference import EvidenceDifference
from ....queries.questions.tell_apart import TellApart
from ....queries.unnamed import card_note
from ..rendering import Crumb, Page, url
from .audits import confusions_of
from .shown_unit import Contribution, ShownUnit, contributions, shown_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graph.run.audits import SavedConfusion
    from ....queries.concept_shares import ShareRow
    from ....queries.parameters import ClassUid
    from ....queries.questions.concept_hierarchy import HierarchyRow
    from ....queries.questions.evidence_difference import EvidenceDifferenceRow
    from ....queries.questions.tell_apart import TellApartRow
    from ..library import ServedRun

_ROWS, _PATHS = 12, 8


class ClassPath(NamedTuple):
    """A path of two units to the class, and the product of their shares."""

    score: float
    units: tuple[ShownUnit, ...]


class ApartUnit(NamedTuple):
    """A unit that is evidence for the class and against the other one."""

    unit: ShownUnit
    row: TellApartRow


@dataclass(frozen=True)
class Beside:
    """The class beside another one.

    Attributes:
        other: the other class.
        block: in which evidence is compared; None where there is none.
        evidence: concepts whose evidence differs most.
        largest: of the differences, for bars.
        units: that tell the two apart, for the class.
        other_units: likewise, for the other one.
    """

    other: str
    block: str | None
    evidence: list[EvidenceDifferenceRow]
    largest: float
    units: list[ApartUnit]
    other_units: list[ApartUnit]


@dataclass(frozen=True)
class ClassPage:
    """The page of a class.

    Attributes:
        name: of the class.
        uid: of the class.
        carried: the concepts that carry it, over images, as a graph; empty without evidence.
        flows: what draws the graph; None likewise.
        hierarchy: the same as rows.
        concepts: those whose units feed it, by their shares.
        most: the largest share, for bars.
        no_answer: why no concept feeds it, if so.
        fed_by: units, the strongest first.
        inhibited_by: likewise.
        paths: the strongest concept paths.
        confusions: of the run's audits with it, and each audit's key.
        beside: another class, if one was chosen.
        classes: the names of all, to choose one from.
        command: how commands that are proposed name the run.
    """

    name: str
    uid: str
    carried: ClassConceptGraph
    flows: dict[str, object] | None
    hierarchy: list[HierarchyRow]
    concepts: tuple[ShareRow, ...]
    most: float
    no_answer: str | None
    fed_by: list[Contribution]
    inhibited_by: list[Contribution]
    paths: list[ClassPath]
    confusions: list[tuple[str, SavedConfusion]]
    beside: Beside | None
    classes: list[str]
    command: str


def one_class(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page of the class `uid`, which may be its name, too; beside `versus`, if given.

    Raises:
        QueryError: no such class.
    """
    card = class_card(served.store, served.name, asked.get("uid", ""), top=_ROWS)
    row = find_class(served.classes, card.uid)
    store, name = served.store, served.name
    carried = class_concept_graph(served.evidence, row.name, served.noun)
    paths = [
        ClassPath(
            path.score, tuple(shown_unit(served, unit, 2) for unit in (path.first, path.second))
        )
        for path in store.ask(ClassPaths(name, row.uid, top=_PATHS))
    ]
    content = ClassPage(
        row.name,
        row.uid,
        carried,
        _flows(served, carried),
        store.ask(ConceptHierarchy(name, row.uid, top=_ROWS)),
        card.concepts,
        max((each.share for each in card.concepts), default=0.0) or 1.0,
        None if served.run is None else card_note(served.run, card),
        contributions(served, card.fed_by),
        contributions(served, card.inhibited_by, inhibiting=True),
        paths,
        confusions_of(served, row.name),
        _beside(served, row.uid, asked.get("versus", "")),
        [each.name for each in served.classes],
        served.command,
    )
    crumbs = (Crumb("Classes", url("/classes", run=served.key)),)
    return Page("class.html", row.name, content, "/classes", crumbs)


def _flows(served: ServedRun, carried: ClassConceptGraph) -> dict[str, object] | None:
    """Return what draws the concept graph, with the address of its concepts."""
    if carried.flows is None:
        return None
    values = flow_values(carried.flows)
    data = cast("dict[str, object]", values["data"])
    return {**values, "data": {**data, "link": url("/concept", run=served.key, uid="")}}


def _beside(served: ServedRun, uid: ClassUid, versus: str) -> Beside | None:
    if not versus:
        return None
    other = find_class(served.classes, versus)
    block = served.blocks[-2:][0]
    rows = served.store.ask(
        EvidenceDifference(served.name, uid, other.uid, BlockName(block), _ROWS)
    )
    return Beside(
        other.name,
        block if rows else None,
        rows,
        max((abs(row.difference) for row in rows), default=0.0) or 1.0,
        _apart(served, uid, other.uid),
        _apart(served, other.uid, uid),
    )


def _apart(served: ServedRun, uid: ClassUid, other: ClassUid) -> list[ApartUnit]:
    rows = served.store.ask(TellApart(served.name, uid, other, 6))
    return [ApartUnit(shown_unit(served, row.unit, 2), row) for row in rows]
