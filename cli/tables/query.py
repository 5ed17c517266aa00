"""The catalogue of questions and the rows of an answer, as tables and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...queries.rows import json_value
from ..terminal import print_json, print_line, print_note, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...queries.catalogue import CatalogueEntry


def print_catalogue(*, as_json: bool) -> None:
    """Print all questions with their parameters."""
    from ...queries.catalogue import SECTIONS, entry

    if as_json:
        print_json([_entry_json(entry(name)) for names in SECTIONS.values() for name in names])
        return
    for section, names in SECTIONS.items():
        print_table(
            section,
            ("question", "what it answers", "parameters"),
            [
                (question.name, question.title, _parameters(question))
                for question in map(entry, names)
            ],
        )
    print_note(
        "To ask one: conceptgraph query NAME -p parameter=value; parameters in [ ] have defaults."
    )


def _parameters(question: CatalogueEntry) -> str:
    return " ".join(p.name if p.default is None else f"[{p.name}]" for p in question.parameters)


def _entry_json(question: CatalogueEntry) -> dict[str, object]:
    parameters = [parameter._asdict() for parameter in question.parameters]
    return {**question._asdict(), "parameters": parameters}


def print_question_text(name: str) -> None:
    """Print the Cypher of a question."""
    from ...queries.catalogue import entry
    from ...queries.question import cypher_text

    print_line(cypher_text(entry(name).name).cypher.rstrip())


def print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool
) -> None:
    """Print the rows of an answer."""
    rows = [[json_value(value) for value in row] for row in rows]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    numeric = "".join(
        chr(ord("a") + number)
        for number in range(len(columns))
        if rows and all(isinstance(row[number], int | float) for row in rows)
    )
    print_table(title, columns, [[_cell(value) for value in row] for row in rows], right=numeric)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_cell(entry) for entry in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
