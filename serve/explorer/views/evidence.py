"""The evidence of classes as a table to filter and sort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....graph.evidence_graph import ELSEWHERE
from ....graph.uids import concept_uid
from ..library import EVIDENCE_ORDERS
from ..paging import Filter, Paged, choice, paged
from ..rendering import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ..library import ServedRun


ROWS = ("concepts", "concepts and elsewhere")
"""What the table has rows of."""


class EvidenceLine(NamedTuple):
    """What places of a concept in a block add to a class's logit, over its images.

    Attributes:
        class_name: the class.
        block: whose probes find the concept.
        category: of the concept.
        name: of the concept; "elsewhere" for the places where none of the category is found.
        concept: its uid; None for elsewhere.
        mean: in units of the logit.
        low: of the mean's 95 % interval.
        high: likewise.
        images: that have it.
        share: of the class's images, those that have it.
        coverage: mean share of the image that it covers.
    """

    class_name: str
    block: str
    category: str
    name: str
    concept: str | None
    mean: float
    low: float
    high: float
    images: int
    share: float
    coverage: float


@dataclass(frozen=True)
class EvidencePage:
    """The evidence of classes.

    Attributes:
        heading: of the rows, in the plural.
        path: of the page.
        text: that the concept's name must have.
        class_name: the class chosen; "" for all.
        classes: to choose from.
        filters: of the table.
        rows: the part that is shown; None where the run has no evidence.
        largest: |mean| of the rows, for bars.
        versus: what logits are compared with, in words.
        command: how to compute it.
    """

    heading: str
    path: str
    text: str
    class_name: str
    classes: list[str]
    filters: tuple[Filter, ...]
    rows: Paged[EvidenceLine] | None
    largest: float
    versus: str
    command: str


def evidence(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the table of evidence."""
    saved = served.evidence
    classes = [row.name for row in served.classes]
    class_name = asked.get("class", "") if asked.get("class") in classes else ""
    table = None if saved is None else saved.evidence
    blocks = ("any", *reversed(served.blocks))
    categories = ("any", *sorted({row.category for row in served.concepts}))
    orders = tuple(EVIDENCE_ORDERS)
    filters = (
        Filter("block", "Block", blocks, choice(asked, "block", blocks)),
        Filter("category", "Category", categories, choice(asked, "category", categories)),
        Filter("order", "Order", orders, choice(asked, "order", orders)),
        Filter("rows", "Rows", ROWS, choice(asked, "rows", ROWS)),
    )
    text = asked.get("q", "")
    part = None
    if table is not None:
        order = served.evidence_order(filters[2].value)
        places = order[_chosen(table, class_name, filters, text)[order]]
        part = paged(range(len(places)), "/evidence", asked).each(
            lambda number: _line(table, int(places[number]))
        )
    content = EvidencePage(
        "rows", "/evidence", text, class_name, classes, filters, part,
        max((abs(row.mean) for row in part.rows), default=0.0) if part else 1.0,
        "the mean of all classes" if saved is None or saved.versus is None else saved.versus,
        f"conceptgraph evidence{served.command}",
    )  # fmt: skip
    return Page("evidence.html", "Evidence", content, "/evidence")


def _chosen(
    table: pd.DataFrame, class_name: str, filters: tuple[Filter, ...], text: str
) -> NDArray[np.bool_]:
    """Return which rows of a table are asked for, (rows,)."""
    chosen = np.ones(len(table), np.bool_)
    wanted = {"class": class_name or "any", **{each.name: each.value for each in filters[:2]}}
    for name, value in wanted.items():
        if value != "any":
            chosen &= (table[name] == value).to_numpy()
    if filters[3].value == ROWS[0] and ELSEWHERE not in text.casefold():
        chosen &= table["name"].notna().to_numpy()
    for word in text.casefold().split():
        names = table["name"].fillna(ELSEWHERE).str.casefold()
        chosen &= names.str.contains(word, regex=False).to_numpy()
    return chosen


def _line(table: pd.DataFrame, number: int) -> EvidenceLine:
    row = table.iloc[number]
    is_concept = isinstance(row["name"], str)
    return EvidenceLine(
        str(row["class"]),
        str(row["block"]),
        str(row["category"]),
        str(row["name"]) if is_concept else ELSEWHERE,
        concept_uid(str(row["category"]), str(row["name"])) if is_concept else None,
        float(row["mean"]),
        float(row["low"]),
        float(row["high"]),
        int(row["images"]),
        float(row["share"]),
        float(row["coverage"]),
    )
