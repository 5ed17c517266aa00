"""docs/add-a-page.md, followed in a copy of the repository."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.made_runs import small_run
from tests.page_samples import draw_thumbnails
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "add-a-page.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:pages|tests)/[\w./-]+)`:\n\n```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COPIED = ("conceptgraph", "pages", "tests")
LINKED = ("cli", "demo", "explain", "graph", "ingest", "queries", "pyproject.toml")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository, and add and change files as the page says."""
    folder = tmp_path_factory.mktemp("repository")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for name, language, content in FILE.findall(PAGE):
        file = folder / name
        if language == "diff":
            file.write_text(changed(file.read_text("utf-8"), content), encoding="utf-8")
        else:
            assert not file.exists()
            file.write_text(content, encoding="utf-8")
    return folder


def changed(text: str, diff: str) -> str:
    """Apply the hunks of a diff without line numbers; each must fit in one place."""
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        before, after = ("".join(ln[1:] for ln in lines if ln[0] in f" {sign}") for sign in "-+")
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def run(words: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_files_of_the_page() -> None:
    assert [name for name, _, _ in FILE.findall(PAGE)] == [
        "pages/concept_page.py",
        "pages/templates/concept.html",
        "pages/write.py",
        "tests/pages/test_concept_page.py",
    ]


def test_the_files_pass_lint(copy: Path) -> None:
    files = [name for name, _, _ in FILE.findall(PAGE) if name.endswith(".py")]
    run(["-m", "ruff", "check", *files], copy)
    run(["-m", "ruff", "format", "--check", *files], copy)


def test_the_test_of_the_page_passes(copy: Path) -> None:
    (command,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert "2 passed" in run(["-m", *shlex.split(command), "-p", "no:cacheprovider", "-v"], copy)


def test_a_notebook_writes_the_page(copy: Path) -> None:
    draw_thumbnails(small_run(copy / "net.cg"))
    (code,) = re.findall(
        r"^```python\n(from conceptgraph import.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    run(["-c", code], copy)
    assert "Units that detect" in (copy / "ball.html").read_text(encoding="utf-8")


def test_sections_name_what_exists() -> None:
    section = PAGE.partition("## A section of a page")[2]
    for name in re.findall(r"`(pages/[\w./]+|tests/[\w./]+)`", section):
        assert (ROOT / name).is_file(), name
