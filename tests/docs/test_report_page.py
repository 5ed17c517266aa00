"""The commands and the code of docs/report.md, run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.command_line import call
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.user_folder import UserFolder

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(user_folder: UserFolder, tmp_path: Path) -> Path:
    """Return a folder with the two runs of the page."""
    for name in ("broden.cg", "joined.cg"):
        shutil.copytree(user_folder.folder / "net.cg", tmp_path / name)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_commands_of_the_page(folder: Path) -> None:
    (commands,) = blocks("sh")
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        assert program == "conceptgraph"
        done = call(*words, folder=folder)
        assert done.status == 0, done.err
    assert (folder / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_the_code_of_the_page(folder: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "report.html").exists()
