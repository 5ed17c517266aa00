"""Commands on a hostile machine: what they write is whole or not there.

`python -m tests.hostile_machine` tries all commands and all disturbances.
"""

from __future__ import annotations

import pytest

from tests.hostile_machine import Machine, make_machine, try_machine

TRIALS = [
    ("full_disk", "data tags --overwrite", 0),
    ("small_files", "export csv", 0),
    ("killed", "data merge", 0),
    ("stopped", "why --class", 0),
    ("few_handles", "export neo4j-csv", 0),
    ("two_at_once", "evidence", 0),
    ("replaced_run", "export html", 0),
    ("unwritable_output", "export csv", 0),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    world = make_machine(tmp_path_factory.mktemp("world"), images=12)
    return Machine(world, tmp_path_factory.mktemp("log"))


@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial[0]} {trial[1]}")
def test_hostile_machine(machine: Machine, trial: tuple[str, str, int]) -> None:
    assert try_machine(machine, [trial], 0) == {trial: []}
