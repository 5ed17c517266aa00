"""A run whose files are damaged or forged: what commands read of it is refused, or answered.

`python -m tests.hostile_runs` tries thousands of them.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.command_line import call
from tests.hostile_runs import NETWORK, Tally, make_world, try_mutants

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


def test_hostile_runs(run: Path) -> None:
    tally = Tally()
    try_mutants(run, range(30), 0, commands=2, tally=tally)
    assert not tally.failures
    assert sum(tally.refused.values()) > 10
    assert sum(tally.answered.values()) > 10


def test_tables_are_exported_together(run: Path, tmp_path: Path) -> None:
    words = ("export", "csv", "-o", "tables", "--run")
    bad = tmp_path / "bad.cg"
    shutil.copytree(run, bad)
    (bad / "classes.parquet").unlink()
    assert call(*words, bad, folder=tmp_path).status == 1
    assert not (tmp_path / "tables").exists()
    (tmp_path / "tables" / "relationships.csv").mkdir(parents=True)
    assert call(*words, run, folder=tmp_path).status == 1
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["relationships.csv"]
    (tmp_path / "tables" / "relationships.csv").rmdir()
    assert call(*words, run, folder=tmp_path).status == 0
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert names == {"nodes.csv", "relationships.csv"}


@pytest.mark.parametrize(("cam", "html"), [("cam.png", "no/x.html"), ("no/cam.png", "x.html")])
def test_a_page_and_its_map_are_written_together(
    run: Path, tmp_path: Path, cam: str, html: str
) -> None:
    image = run.parent / "x.jpg"
    words = ("why", "--image", image, "--run", run, "--cam", cam, "--html", html, *NETWORK)
    done = call(*words, folder=tmp_path)
    assert done.status == 1
    assert "no/" in done.err
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_that_are_none(run: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cg"
    shutil.copytree(run, bad)
    picture = next((bad / "explanations").glob("*.png")).read_bytes()
    for file in (bad / "thumbnails").rglob("*.jpg"):
        file.write_bytes(picture)
    done = call("report", "-o", "x.html", "--run", bad, folder=tmp_path)
    assert done.status == 1
    assert "not a thumbnail of a run" in done.err
    assert not (tmp_path / "x.html").exists()
