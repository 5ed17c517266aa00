"""docs/add-a-page.md, followed in a copy of the repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.how_to import HowTo, follow
from tests.made_runs import small_run
from tests.page_samples import draw_thumbnails
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PAGE = HowTo("add-a-page.md")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    PAGE.copy_repository(folder)
    return folder


def test_the_files_of_the_page() -> None:
    assert [file.name for file in PAGE.files] == [
        "pages/concept_page.py",
        "pages/templates/concept.html",
        "pages/write.py",
        "tests/pages/test_concept_page.py",
    ]


def test_the_files_pass_lint(copy: Path) -> None:
    names = [file.name for file in PAGE.files if file.name.endswith(".py")]
    follow(["ruff", "check", *names], copy)
    follow(["ruff", "format", "--check", *names], copy)


def test_the_test_of_the_page_passes(copy: Path) -> None:
    (words,) = PAGE.commands(0)
    assert "2 passed" in follow([*words, "-p", "no:cacheprovider", "-v"], copy)


def test_a_notebook_writes_the_page(copy: Path) -> None:
    draw_thumbnails(small_run(copy / "net.cg"))
    (code,) = (code for code in PAGE.blocks("python") if code.startswith("from conceptgraph"))
    follow(["python", "-c", code], copy)
    assert "Units that detect" in (copy / "ball.html").read_text(encoding="utf-8")


def test_sections_name_what_exists() -> None:
    section = PAGE.text.partition("## A section of a page")[2]
    for name in re.findall(r"`(pages/[\w./]+|tests/[\w./]+)`", section):
        assert (ROOT / name).is_file(), name
