"""docs/add-a-concept-source.md, run block by block: its modules, its code, its commands."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from conceptgraph.ingest import sources
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.sources.annotations import formats
from conceptgraph.ingest.sources.annotations.formats import format_names
from tests.command_line import call
from tests.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

PAGE = (ROOT / "docs" / "add-a-concept-source.md").read_text(encoding="utf-8")
PACKAGES = {"ingest/sources/annotations/formats": formats, "ingest/sources": sources}


def blocks(heading: str) -> list[tuple[str, str, str]]:
    """Return each code block of a section: the file it is saved as, if any, language, text."""
    (section,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    block = r"(?:`([\w/]+\.py)`:\n\n)?^```(\w*)\n(.*?)^```"
    return re.findall(block, section, re.DOTALL | re.MULTILINE)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """Return folders for the page's modules, which Python takes for parts of the packages."""
    before = set(sys.modules)
    folders = {}
    for name, package in PACKAGES.items():
        folders[name] = tmp_path / "modules" / name.replace("/", ".")
        folders[name].mkdir(parents=True)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folders[name])])
    yield folders
    for name in set(sys.modules) - before:
        if name.endswith((".circles", ".arrays")):
            _forget(name)


def _forget(name: str) -> None:
    package, _, module = name.rpartition(".")
    parent: ModuleType = sys.modules[package]
    delattr(parent, module)
    del sys.modules[name]


def run_section(heading: str, desk: Path, packages: dict[str, Path]) -> str:
    """Run every block; the next block without a language must be what the code printed."""
    output = ""
    for path, language, text in blocks(heading):
        if path:
            folder, _, name = path.rpartition("/")
            (packages[folder] / name).write_text(text, encoding="utf-8")
        elif language == "python":
            printed = StringIO()
            with redirect_stdout(printed):
                exec(compile(text, heading, "exec"), {})
            output = printed.getvalue()
        elif language == "sh":
            for line in text.splitlines():
                done = call(*shlex.split(line)[1:], folder=desk)
                assert done.status == 0, done.err
        else:
            assert text == output
    return output


@pytest.mark.parametrize(
    ("heading", "data_set", "images"),
    [("An annotation format", "circles", 2), ("A source", "materials", 2)],
)
def test_the_page(
    heading: str,
    data_set: str,
    images: int,
    tmp_path: Path,
    packages: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    assert run_section(heading, desk, packages)
    report = check(desk / data_set)
    assert report.defects == ()
    assert sum(report.images.values()) == images
    assert ("circles" in format_names()) == (heading == "An annotation format")


def test_a_format_of_the_page_names_file_and_row(
    tmp_path: Path, packages: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_section("An annotation format", tmp_path, packages)
    words = ("data", "build", "circles.tsv", "--images", "photos", "--out", "again")
    assert (
        "annotations without a category. Name one with --category"
        in call(*words, folder=tmp_path).err
    )
    table = (tmp_path / "circles.tsv").read_text(encoding="utf-8")
    (tmp_path / "circles.tsv").write_text(table.replace("radius", "r"), encoding="utf-8")
    done = call(*words, "--category", "object", folder=tmp_path)
    assert "circles.tsv: row 1: header" in done.err
    assert not (tmp_path / "again").exists()
    for damaged, message in [
        (table.replace("\t10\n", "\n"), 'cells,found 4; expected 5,"circles.tsv, row 2"'),
        (
            table.replace("\t8\n", "\twide\n"),
            "radius,found 'wide'; expected a number of pixels,\"circles.tsv, row 3\"",
        ),
        (
            table.replace("\t15\n", "\t-1\n"),
            'circle without an area,found radius -1,"circles.tsv, row 4"',
        ),
    ]:
        (tmp_path / "circles.tsv").write_text(damaged, encoding="utf-8")
        done = call(*words, "--category", "object", "--overwrite", folder=tmp_path)
        assert done.status == 0, done.err
        assert message in (tmp_path / "again" / "dropped.csv").read_text(encoding="utf-8")


def test_what_the_page_names_exists() -> None:
    for path in re.findall(r"`((?:ingest|cli|tests|docs)/[\w/.-]+)`", PAGE):
        if not path.endswith(("circles.py", "arrays.py")):
            assert (ROOT / path).exists(), path
    for target in re.findall(r"\]\(([^)#:]+)[)#]", PAGE):
        assert (ROOT / "docs" / target).exists(), target
