"""The README's commands and code, run as they stand on a drawn data set."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.drawn_data import CLASSES, draw_concept_data, write_untrained
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README assumes: a checkpoint, class names, concept data, photos."""
    folder = tmp_path_factory.mktemp("desk")
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


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    lines = "\n".join(blocks("sh")).splitlines()
    return [line.split("#")[0].strip() for line in lines if line.startswith("conceptgraph ")]


def run(words: list[str], desk: Path) -> str:
    done = subprocess.run(
        words,
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_first_session(desk: Path) -> None:
    texts = commands()
    assert len(texts) >= 6
    for text in texts:
        program, *words = shlex.split(text)
        assert program == "conceptgraph"
        for name in {"broden.cg", "joined.cg"}.intersection(words):
            if not (desk / name).exists():
                shutil.copytree(desk / "net.cg", desk / name)
        assert run([sys.executable, "-m", "conceptgraph.cli.app", *words], desk).strip(), text
    assert (desk / "paths.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (desk / "x.cam.png").stat().st_size > 0


def test_the_python_session(desk: Path) -> None:
    (code,) = blocks("python")
    shutil.rmtree(desk / "net.cg", ignore_errors=True)
    run([sys.executable, "-c", code], desk)


def test_links_lead_to_files() -> None:
    root = ROOT
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target


def test_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for text in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE):
        assert f"\n{text}:" in makefile
