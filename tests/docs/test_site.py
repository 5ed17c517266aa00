"""The site: it builds without a broken link and loads nothing; the commands of pages are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted((ROOT / "docs").glob("*.md"))
RUN = {
    "add-a-concept-source.md", "add-a-network.md", "add-a-page.md", "add-a-question.md",
    "concept-data.md", "get-concepts.md", "report.md", "tutorial.md",
}  # fmt: skip
"""The pages of which a test of this folder runs the commands that need nothing more."""
LOADED = re.compile(
    r"""<(?:script|img|iframe)[^>]* src=["']?(?:https?:)?//|<link[^>]* href=["']?//"""
)


@pytest.mark.slow
def test_it_builds_without_a_broken_link_and_loads_nothing(tmp_path: Path) -> None:
    quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html")}
    assert {page.stem + ".html" for page in PAGES} <= set(built)
    text = re.sub(r"<[^>]+>", "", built["commands.html"])
    assert "conceptgraph why --image x.jpg --html why.html" in text
    assert "write_page" in built["api.html"]
    for name, page in built.items():
        assert not LOADED.search(page), name


def test_all_pages_are_in_its_navigation() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f": {page.name}\n" in configuration


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_run_or_say_what_they_need(page: Path) -> None:
    for block in re.findall(r"^```sh(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert page.name in RUN or block.startswith(' title="needs '), block
