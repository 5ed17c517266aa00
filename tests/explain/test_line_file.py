"""Rows that are appended batch by batch: resumed, and never written by two processes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import RunError
from conceptgraph.explain.audit_rows import CountFile

if TYPE_CHECKING:
    from pathlib import Path

LINES = [[(1, 2)], [(3, 4)], [(5, 6)]]


def test_two_processes_do_not_append_the_same_rows(tmp_path: Path) -> None:
    first, second = CountFile(tmp_path / "a.jsonl"), CountFile(tmp_path / "a.jsonl")
    assert first.drop_partial_batch(1, 3) == 0
    first.append(LINES[:1])
    assert second.drop_partial_batch(1, 3) == 1
    first.append(LINES[1:2])
    with pytest.raises(RunError, match="another process writes these rows"):
        second.append(LINES[1:2])
    first.append(LINES[2:])
    assert list(second) == LINES


def test_lines_beyond_the_last_are_cut_off(tmp_path: Path) -> None:
    CountFile(tmp_path / "a.jsonl").append(LINES * 2)
    rows = CountFile(tmp_path / "a.jsonl")
    assert rows.drop_partial_batch(1, 3) == 3
    assert list(rows) == LINES
