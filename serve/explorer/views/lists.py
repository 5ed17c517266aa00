"""The lists of units, concepts and classes: filtered, sorted, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..paging import Filter, Paged, choice, paged
from ..rendering import Page
from .audits import ClassAnswers, answers_by_class
from .shown_unit import ShownUnit, shown_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....queries.questions.concepts import RunConceptRow
    from ....queries.questions.unit_labels import UnitLabelRow
    from ..library import ServedRun

STATES = ("all", "named", "significant", "without a name", "sparse", "dead")
UNIT_ORDERS = ("largest IoU", "block and index", "label")
CLASS_ORDERS = ("name", "most mistakes")
CONCEPT_ORDERS = ("most units", "name", "most images")


@dataclass(frozen=True)
class ListPage:
    """A list.

    Attributes:
        heading: of the page.
        path: of the page.
        text: that names must have.
        filters: of the list.
        rows: the part of the list that is shown.
    """

    heading: str
    path: str
    text: str
    filters: tuple[Filter, ...]
    rows: Paged[ShownUnit] | Paged[ConceptLine] | Paged[ClassLine]


class ClassLine(NamedTuple):
    """A class in the list, and what the newest audit says of it, if one does."""

    name: str
    audited: ClassAnswers | None


class ConceptLine(NamedTuple):
    """A concept in the list, its units with names, and some pictures of the best one."""

    row: RunConceptRow
    units: int
    best: ShownUnit | None


def units(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the list of units."""
    block = choice(asked, "block", ("any", *served.blocks))
    categories = sorted({row.category for row in served.units if row.named and row.category})
    category = choice(asked, "category", ("any", *categories))
    state, order = choice(asked, "show", STATES), choice(asked, "order", UNIT_ORDERS)
    words = asked.get("q", "").casefold().split()
    rows = [
        row
        for row in served.units
        if block in {"any", row.uid.partition("/")[0]}
        and (category == "any" or (row.named and row.category == category))
        and _is(row, state)
        and _has(words, row.uid, *((row.label, row.category) if row.named else ()))
    ]
    if order == "largest IoU":
        rows.sort(key=lambda row: (not row.named, -(row.iou or 0.0)))
    elif order == "label":
        rows.sort(key=lambda row: (not row.named, (row.label or "").casefold()))
    part = paged(rows, "/units", asked).each(lambda row: shown_unit(served, row.uid))
    filters = (
        Filter("block", "Block", ("any", *served.blocks), block),
        Filter("category", "Category", ("any", *categories), category),
        Filter("show", "Show", STATES, state),
        Filter("order", "Order", UNIT_ORDERS, order),
    )
    content = ListPage("Units", "/units", asked.get("q", ""), filters, part)
    return Page("units.html", "Units", content, "/units")


def concepts(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the list of concepts."""
    categories = sorted({row.category for row in served.concepts})
    category = choice(asked, "category", ("any", *categories))
    order = choice(asked, "order", CONCEPT_ORDERS)
    words = asked.get("q", "").casefold().split()
    counts = {uid: len(units) for uid, units in served.named_after.items()}
    rows = [
        row
        for row in served.concepts
        if category in {"any", row.category} and _has(words, row.name, row.category)
    ]
    if order == "most units":
        rows.sort(key=lambda row: (-counts.get(row.uid, 0), row.name.casefold()))
    elif order == "most images":
        rows.sort(key=lambda row: (-row.images, row.name.casefold()))
    else:
        rows.sort(key=lambda row: (row.name.casefold(), row.category))
    part = paged(rows, "/concepts", asked).each(
        lambda row: ConceptLine(row, counts.get(row.uid, 0), _best(served, row.uid))
    )
    filters = (
        Filter("category", "Category", ("any", *categories), category),
        Filter("order", "Order", CONCEPT_ORDERS, order),
    )
    content = ListPage("Concepts", "/concepts", asked.get("q", ""), filters, part)
    return Page("concepts.html", "Concepts", content, "/concepts")


def classes(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the list of classes."""
    words = asked.get("q", "").casefold().split()
    order = choice(asked, "order", CLASS_ORDERS)
    audited = answers_by_class(served)
    rows = [
        ClassLine(row.name, audited.get(row.name))
        for row in served.classes
        if _has(words, row.name)
    ]
    rows.sort(key=lambda row: row.name.casefold())
    if order == "most mistakes":
        rows.sort(key=lambda row: -(row.audited.wrong + row.audited.missed if row.audited else 0))
    part = paged(rows, "/classes", asked)
    filters = (Filter("order", "Order", CLASS_ORDERS, order),) if audited else ()
    content = ListPage("Classes", "/classes", asked.get("q", ""), filters, part)
    return Page("classes.html", "Classes", content, "/classes")


def _is(row: UnitLabelRow, state: str) -> bool:
    return {
        "all": True,
        "named": row.named,
        "significant": bool(row.significant),
        "without a name": not row.named,
        "sparse": row.status == "sparse",
        "dead": row.status == "dead",
    }[state]


def _has(words: Sequence[str], *texts: str | None) -> bool:
    if not words:
        return True
    text = " ".join(filter(None, texts)).casefold()
    return all(word in text for word in words)


def _best(served: ServedRun, uid: str) -> ShownUnit | None:
    rows = served.named_after.get(uid)
    return shown_unit(served, rows[0].uid) if rows else None
