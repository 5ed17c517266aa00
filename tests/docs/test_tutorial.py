"""The tutorial's commands and code, run as they stand on a drawn data set."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.command_line import run
from tests.drawn_data import CLASSES, draw_concept_data, write_untrained
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FEWER = {"check": ("--sample", "3", "--dissected", "16")}
"""Options for commands that would take a minute."""
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what the tutorial assumes: a checkpoint, class names, concept data, photos."""
    folder = tmp_path_factory.mktemp("user")
    data = draw_concept_data(folder / "broden1_224", 16, size=64)
    write_untrained(data)
    (data / "untrained.pth.tar").rename(folder / "net.pth.tar")
    (data / "classes.txt").rename(folder / "classes.txt")
    assert "juggling" in CLASSES
    photos = sorted((data / "images").rglob("*.jpg"))[:6]
    shutil.copy(photos[0], folder / "x.jpg")
    (folder / "photos").mkdir()
    for photo in photos:
        shutil.copy(photo, folder / "photos")
    rows = [f"{photo.name},{CLASSES[0]}" for photo in photos]
    (folder / "labels.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    return folder


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Return the tutorial's `conceptgraph` commands, comments left out."""
    lines = "\n".join(code_blocks("sh")).splitlines()
    return [line.split("#")[0].strip() for line in lines if line.startswith("conceptgraph ")]


def test_the_commands_of_a_first_session(user_folder: Path) -> None:
    session = commands()
    assert len(session) >= 6
    for command in session:
        program, *words = shlex.split(command)
        assert program == "conceptgraph"
        for name in {"broden.cg", "joined.cg"}.intersection(words):
            if not (user_folder / name).exists():
                shutil.copytree(user_folder / "net.cg", user_folder / name)
        words += FEWER.get(words[0], ())
        done = run(*words, folder=user_folder)
        assert done.status == 0, (command, done.err)
        assert done.out.strip(), command
    assert (user_folder / "paths.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_python_session(user_folder: Path) -> None:
    (code,) = code_blocks("python")
    shutil.rmtree(user_folder / "net.cg", ignore_errors=True)
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=user_folder, env=environ, check=True)
