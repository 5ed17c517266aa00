"""Rows of an answer as a page shows them, with a link for each named thing, and as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ...queries.rows import json_value
from .rendering import digits, url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .library import ServedRun

Rows: TypeAlias = "Sequence[tuple[object, ...]]"
SHOWN = 200
"""Rows that a page shows; all are in the CSV and JSON."""
_LONGEST = 300


class Cell(NamedTuple):
    """A value: its text, the page it leads to, whether it is a number."""

    text: str
    url: str | None
    is_number: bool


class AnswerTable(NamedTuple):
    """The first rows of an answer, and how many there are."""

    columns: tuple[str, ...]
    rows: list[list[Cell]]
    total: int


def answer_table(served: ServedRun, columns: Sequence[str], rows: Rows) -> AnswerTable:
    """Return rows as a page shows them."""
    shown = [[_cell(served, value) for value in row] for row in rows[:SHOWN]]
    return AnswerTable(tuple(columns), shown, len(rows))


def as_json(columns: Sequence[str], rows: Rows) -> str:
    """Return rows as a JSON list of objects."""
    objects = [dict(zip(columns, map(json_value, row), strict=True)) for row in rows]
    return json.dumps(objects, ensure_ascii=False, indent=1)


def as_csv(columns: Sequence[str], rows: Rows) -> str:
    """Return rows as CSV; lists and objects as JSON."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(columns)
    for row in rows:
        values = map(json_value, row)
        writer.writerow(
            [json.dumps(v, ensure_ascii=False) if isinstance(v, dict | list) else v for v in values]
        )
    return stream.getvalue()


def _cell(served: ServedRun, value: object) -> Cell:
    value = json_value(value)
    if value is None:
        return Cell("", None, is_number=False)
    if isinstance(value, bool):
        return Cell("yes" if value else "no", None, is_number=False)
    if isinstance(value, int | float):
        text = digits(value, 4) if isinstance(value, float) else f"{value:,}"
        return Cell(text, None, is_number=True)
    if isinstance(value, str):
        return Cell(value, _address(served, value), is_number=False)
    text = json.dumps(value, ensure_ascii=False)
    return Cell(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…", None, is_number=False)


def _address(served: ServedRun, text: str) -> str | None:
    """Return the page of what a text is the uid of, with or without the run in front."""
    uid = text.removeprefix(f"{served.name}/")
    if uid in served.unit_of:
        return url("/unit", run=served.key, uid=uid)
    if uid in served.class_uids:
        return url("/class", run=served.key, uid=uid)
    if text in served.concept_uids:
        return url("/concept", run=served.key, uid=text)
    return None
