"""docs/add-a-network.md: a factory in an empty folder, a family in a copy of the repository."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.command_line import call
from tests.docs.how_to import HowTo, follow
from tests.drawn_data import draw_concept_data

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PAGE = HowTo("add-a-network.md")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    PAGE.copy_repository(folder)
    return folder


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    draw_concept_data(tmp_path / "concepts", 16, size=64)
    (tmp_path / "little.py").write_text(PAGE.blocks("python")[0], encoding="utf-8")
    for line in PAGE.blocks("sh")[2].splitlines():
        done = call(*shlex.split(line)[1:], folder=tmp_path)
        assert done.status == 0, done.err
    assert "class 0" in done.out
    assert "block1" in done.out


def test_the_files_of_the_page() -> None:
    names = ["ingest/network/architecture.py", "tests/ingest/network/test_by_age.py"]
    assert [file.name for file in PAGE.files] == names


def test_a_family(copy: Path) -> None:
    lint, test = PAGE.commands(3)
    follow(lint, copy)
    assert "2 passed" in follow([*test, "-p", "no:cacheprovider", "-v"], copy)
