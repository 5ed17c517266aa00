"""Tables: image and tag in a row, or a column for each tag.

    image,label[,category][,answer]     photo.jpg,striped,texture,yes
    image,striped,dotted,…              photo.jpg,1,0,

In the first form an answer is yes, no or unknown, and yes if omitted; several labels in a cell are
separated by `;` or `|`. Without a header the columns are in this order. A row with neither label
nor answer names an image without a tag. In the second an empty cell is unknown. Columns may have
other usual names (`filename`; `tag`, `class`; `present`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....errors import DataError
from ...concept_data.csv_tables import CsvRow, CsvTable, read_csv, read_text
from ...concept_data.images import has_image_suffix
from ...concept_data.labels import plain_name
from ..annotations.fields import read_image_name, read_name
from ..annotations.items import AnnotationItem, ItemError
from .answers import CATEGORY, Answer, Answers, is_answer, read_answer, read_category

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_IMAGES = ("image", "filename", "file", "path", "imagename", "imagepath", "imagefile", "filepath",
           "img", "imageid", "photo")  # fmt: skip
_LABELS = ("label", "labels", "tag", "tags", "concept", "class", "name", "labelname", "classname")
_ANSWERS = ("answer", "present", "value", "yesno", "ispresent", "verified", "confidence")
_HEADER = ("image", "label", "category", "answer")


def read_table(path: Path, category: str | None) -> Answers:
    """Read a table of tags.

    Args:
        path: of the file.
        category: of all concepts; that of its row, or `tag`, if None.

    Raises:
        DataError: a file that is no table, or without the columns.
    """
    bad_rows: list[tuple[int, DataError]] = []
    table = _with_header(path, bad_rows)
    answers = Answers()
    for line, error in bad_rows:
        item = AnnotationItem(path, f"row {line}")
        answers.drop(item, item.error("wrong number of cells", found=error))
    by_name = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(table.columns)}
    image = _column(by_name, _IMAGES)
    label = _column(by_name, _LABELS)
    if image is None or not table.rows:
        raise DataError(
            "no tags" if image else "row 1: no column of images",
            file=path,
            found=",".join(table.columns) or "an empty file",
            expected="image,label[,category][,answer], or a column for each tag",
        )
    if label is None:
        _read_columns(table, image, category or CATEGORY, answers)
    else:
        columns = (image, label, by_name.get("category"), _column(by_name, _ANSWERS))
        if others := _columns_of_answers(table, columns):
            answers.notes.append(
                f"Labels are in the column {label}; not read: {', '.join(others)}."
            )
        for row in table.rows:
            item = AnnotationItem(path, f"row {row.line}")
            try:
                _read_row(item, row, columns, category, answers)
            except ItemError as error:
                answers.drop(item, error, row.cells[image])
    return answers


def _with_header(path: Path, bad_rows: list[tuple[int, DataError]]) -> CsvTable:
    """Read a table; one whose first cell is the name of an image file has no header."""
    first = read_text(path).lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    table = read_csv(path, [], delimiter=delimiter, bad_rows=bad_rows)
    columns = table.columns
    if not columns or not has_image_suffix(columns[0].strip()):
        return table
    header = list(_HEADER[: len(columns)])
    if len(columns) == 3 and is_answer(columns[2]):
        header[2] = "answer"
    if len(columns) > len(_HEADER) or len(columns) < 2:
        raise DataError("row 1: no header", file=path, found=first[:80], expected=",".join(_HEADER))
    rows = [dict(zip(header, columns, strict=True))]
    rows += [dict(zip(header, row.cells.values(), strict=True)) for row in table.rows]
    lines = [1, *(row.line for row in table.rows)]
    return CsvTable(path, tuple(header), tuple(map(CsvRow, lines, rows)))


def _columns_of_answers(table: CsvTable, read: Collection[str | None]) -> list[str]:
    """Return columns that are not read although all that they have is answers."""
    return [
        name
        for name in table.columns
        if name not in read
        and any(row.cells[name].strip() for row in table.rows)
        and all(is_answer(row.cells[name]) for row in table.rows)
    ]


def _column(by_name: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((by_name[name] for name in names if name in by_name), None)


def _read_row(
    item: AnnotationItem,
    row: CsvRow,
    columns: tuple[str, str, str | None, str | None],
    category: str | None,
    answers: Answers,
) -> None:
    """Read a row with an image, its labels, and one answer to all of them."""
    image, label, in_category, answer = columns
    name = read_image_name(item, row.cells[image])
    of = read_category(item, category or (in_category and row.cells[in_category]) or CATEGORY)
    is_present = read_answer(item, row.cells[answer]) if answer else True
    if not row.cells[label].strip() and not (answer and row.cells[answer].strip()):
        answers.images.setdefault(name)
        return
    for text in re.split(r"[;|]", row.cells[label]):
        concept = plain_name(read_name(item, "no label", text))
        if not concept:
            raise item.error("no label", found=repr(text))
        if is_present is None:
            answers.add_unknown(name, of, concept)
        else:
            answers.add(Answer(name, of, concept, is_present, item.source))


def _read_columns(table: CsvTable, image: str, category: str, answers: Answers) -> None:
    """Read a table with a column of answers for each tag."""
    tags = [name for name in table.columns if name != image and plain_name(name)]
    tags = [name for name in tags if any(is_answer(row.cells[name]) for row in table.rows[:100])]
    if not tags:
        raise DataError(
            "row 1: no column of labels",
            file=table.path,
            found=",".join(table.columns),
            expected="label, or a column of yes and no for each tag",
        )
    for row in table.rows:
        item = AnnotationItem(table.path, f"row {row.line}")
        for tag in tags:
            try:
                _read_cell(item, row.cells[image], tag, row.cells[tag], category, answers)
            except ItemError as error:  # noqa: PERF203 - the other cells count
                answers.drop(item, error, row.cells[image])


def _read_cell(
    item: AnnotationItem, image: str, tag: str, cell: str, category: str, answers: Answers
) -> None:
    name = read_image_name(item, image)
    answers.images.setdefault(name)
    is_present = read_answer(item, cell) if cell.strip() else None
    if is_present is None:
        answers.add_unknown(name if cell.strip() else "", category, tag)
    else:
        answers.add(Answer(name, category, tag, is_present, item.source))
