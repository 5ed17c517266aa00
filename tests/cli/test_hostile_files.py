"""Files that users hand to commands, damaged: refused in one line, or answered.

`python -m tests.hostile_files` tries thousands of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile_files import make_desk, try_files
from tests.hostile_runs import Tally

if TYPE_CHECKING:
    from pathlib import Path


def test_hostile_files(tmp_path: Path) -> None:
    tally = Tally()
    try_files(make_desk(tmp_path / "desk"), range(25), 0, tally)
    assert not tally.failures
    assert sum(tally.refused.values()) > 8
