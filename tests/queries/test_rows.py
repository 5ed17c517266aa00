"""Rows of an answer: a tuple that is shown as a table."""

from __future__ import annotations

import copy
import pickle
from typing import NamedTuple

from conceptgraph.queries.labels import ConceptLabel, UnitLabel
from conceptgraph.queries.rows import MOST, Rows


class Row(NamedTuple):
    name: str
    value: float
    probe: float | None = None
    never: float | None = None


ROWS = Rows([Row("<b>ball</b>", 0.123456), Row("polka dotted", -2.0, 0.5)])


def test_rows_are_a_tuple() -> None:
    assert tuple(ROWS) == ROWS
    assert hash(ROWS) == hash(tuple(ROWS))
    assert ROWS[0].name == "<b>ball</b>"
    assert isinstance(ROWS[:1], Rows)
    assert ROWS[::-1] == (ROWS[1], ROWS[0])
    for again in (copy.deepcopy(ROWS), pickle.loads(pickle.dumps(ROWS))):
        assert again == ROWS
        assert isinstance(again, Rows)


def test_rows_are_shown_as_a_table() -> None:
    lines = repr(ROWS).splitlines()
    assert lines[0].split() == ["name", "value", "probe"]  # no column without a value
    assert lines[1].split() == ["<b>ball</b>", "0.123"]
    assert lines[2].split() == ["polka", "dotted", "-2", "0.5"]
    html = ROWS._repr_html_()
    assert "&lt;b&gt;ball" in html
    assert "<b>" not in html
    assert "None" not in html
    assert "nan" not in html.lower()


def test_rows_as_a_frame_keep_all_columns_and_values() -> None:
    frame = ROWS.frame()
    assert list(frame) == ["name", "value", "probe", "never"]
    assert list(frame["value"]) == [0.123456, -2.0]


def test_no_rows_and_many() -> None:
    assert repr(Rows[Row]()) == "no rows"
    assert Rows[Row]()._repr_html_() == "<p>no rows</p>"
    many = Rows(Row(str(i), i) for i in range(MOST * 3))
    assert len(repr(many).splitlines()) <= MOST + 4
    assert many._repr_html_().count("<tr") <= MOST + 4


def test_units_state_their_cells() -> None:
    units = Rows([
        UnitLabel("block4/1", "block4", 1, ConceptLabel("ball", "object", 0.25)),
        UnitLabel("block4/2", "block4", 2, None),
    ])  # fmt: skip
    lines = [line.split() for line in repr(units).splitlines()]
    assert lines == [
        ["unit", "concept", "category", "iou"],
        ["block4/1", "ball", "object", "0.25"],
        ["block4/2"],
    ]
