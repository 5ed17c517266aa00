"""What is installed, what is public, and what importing it costs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import pytest

import conceptgraph
from tests.repository import ROOT

# Python's own from 3.11 on; before, pytest brings the same under the name it had.
toml: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
PARTS = ("cli", "demo", "explain", "graph", "ingest", "pages", "queries", "serve")
DATA = {".html", ".css", ".js", ".cypher", ".safetensors", ".json"}


# Names


def test_the_public_names() -> None:
    names = conceptgraph.__all__
    assert names == sorted(names)
    assert 0 < len(names) <= 10
    assert dir(conceptgraph) == names
    for name in names:
        assert getattr(conceptgraph, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'explane'"):
        _ = conceptgraph.explane


def test_ingest_and_explain_are_functions_whatever_was_imported_before(tmp_path: Path) -> None:
    """They share their names with folders, which Python would put in their place."""
    code = (
        "import conceptgraph.ingest.pipeline, conceptgraph.explain.explain, inspect, conceptgraph\n"
        "from conceptgraph import explain, ingest\n"
        "assert inspect.isfunction(ingest) and inspect.isfunction(explain)\n"
        "assert conceptgraph.ingest is ingest and conceptgraph.explain is explain\n"
        "help(ingest), help(explain)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "model: 'str'" in done.stdout
    assert "image: 'Path | str'" in done.stdout


def test_the_version_has_one_source() -> None:
    project = pyproject()["project"]
    assert version("conceptgraph") == project["version"]
    assert metadata("conceptgraph")["Name"] == "conceptgraph"
    elsewhere = [
        path
        for part in ("conceptgraph", *PARTS)
        for path in (ROOT / part).rglob("*.py")
        if project["version"] in path.read_text("utf-8")
    ]
    assert elsewhere == []


def pyproject() -> dict[str, Any]:
    found: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return found


# Imports


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import conceptgraph", {"torch", "pandas", "networkx", "numpy"}),
        (
            "import conceptgraph.cli.app",
            {"torch", "pandas", "networkx", "pyarrow", "numpy", "starlette"},
        ),
        ("import conceptgraph.explain.question, conceptgraph.explain.user_region", {"torch"}),
        ("import conceptgraph.explain.explain", {"torch._dynamo", "sympy", "pandas"}),
        ("from conceptgraph import open_run, open_store", {"torch"}),
        ("import conceptgraph.queries.paths, conceptgraph.queries.cards", {"torch"}),
        (
            "; ".join(
                "import conceptgraph." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
                for part in ("graph", "queries")
                for path in (ROOT / part).rglob("*.py")
            ),
            {"torch", "torchvision"},
        ),
        (
            "import sys; from conceptgraph.cli.app import main; sys.argv = ['x', '--help']\n"
            "try: main()\nexcept SystemExit: pass",
            {"torch", "pandas", "networkx", "pyarrow"},
        ),
    ],
)
def test_what_is_not_imported(code: str, heavy: set[str], tmp_path: Path) -> None:
    script = f"{code}\nimport sys, json; print(); print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "conceptgraph" in loaded
    assert loaded & heavy == set()


# What is installed


def test_the_listed_packages_are_the_folders() -> None:
    listed = pyproject()["tool"]["setuptools"]
    folders = sorted(
        path.parent.relative_to(ROOT)
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.suffix in {".py", *DATA}
    )
    packages = ["conceptgraph", *(f"conceptgraph.{'.'.join(path.parts)}" for path in folders)]
    assert listed["packages"] == list(dict.fromkeys(packages))
    assert listed["package-dir"] == {f"conceptgraph.{part}": part for part in PARTS}
    links = {path.name: path for path in (ROOT / "conceptgraph").iterdir() if path.is_symlink()}
    assert sorted(links) == list(PARTS)
    for part in PARTS:
        assert links[part].readlink() == Path("..", part)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("conceptgraph", *PARTS, "tests"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    words = ["wheel", ".", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", "out"]
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=folder, check=True)
    (built,) = (folder / "out").glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_all_of_the_package_and_no_more(wheel: zipfile.ZipFile) -> None:
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {
        f"conceptgraph/{path.relative_to(ROOT)}"
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.suffix in {".py", *DATA}
    }
    own = {f"conceptgraph/{path.name}" for path in (ROOT / "conceptgraph").glob("*.py")}
    assert found == sources | own | {"conceptgraph/py.typed"}
    assert {Path(name).suffix for name in found} >= DATA


def test_the_wheel_names_itself_and_its_command(wheel: zipfile.ZipFile) -> None:
    texts = {
        Path(name).name: wheel.read(name).decode()
        for name in wheel.namelist()
        if ".dist-info/" in name
    }
    assert f"\nVersion: {pyproject()['project']['version']}\n" in texts["METADATA"]
    assert "conceptgraph = conceptgraph.cli.__main__:main" in texts["entry_points.txt"]
    assert "MIT License" in texts["LICENSE"]
