"""docs/add-a-question.md, followed in a copy of the repository."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.made_runs import small_run
from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neo4j_server import Neo4jServer

PAGE = (ROOT / "docs" / "add-a-question.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:queries|tests)/[\w./-]+)`:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
COPIED = ("queries", "tests", "docs", "docker")
LINKED = ("cli", "demo", "explain", "graph", "ingest", "pages", "pyproject.toml")
ROWS = [{"unit": "block4/1", "concept": None, "share": 0.25, "rival_share": 2 / 6}]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the files of the page, and a run."""
    folder = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "conceptgraph", folder / "conceptgraph", symlinks=True)
    for name, content in FILE.findall(PAGE):
        if name == "tests/hand_made_answers.py":
            _append_answer(folder / name, content)
        else:
            assert not (folder / name).exists()
            (folder / name).write_text(content, encoding="utf-8")
    small_run(folder / "net.cg")
    return folder


def _append_answer(file: Path, answer: str) -> None:
    """Append to the list `ANSWERS`, the first that ends at the beginning of a line."""
    text = file.read_text("utf-8").replace("\n]\n", f"\n{answer}]\n", 1)
    file.write_text(text, encoding="utf-8")


def commands(number: int, uri: str = "") -> list[list[str]]:
    """Return the commands of a block of the page, with the server's address in its place."""
    block = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[number]
    block = block.replace("bolt://localhost:7687", uri)
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def follow(words: list[str], copy: Path, server: Neo4jServer | None = None) -> str:
    """Run a command in the copy, with this Python; return what it prints."""
    program, *arguments = words
    modules = {"conceptgraph": "conceptgraph.cli.app", "pytest": "pytest", "ruff": "ruff"}
    start = [] if program == "python" else ["-m", modules[program]]
    access = {}
    if server is not None:
        access = {"NEO4J_USERNAME": server.user, "NEO4J_PASSWORD": server.password}
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **access},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_files_of_the_page() -> None:
    assert [name for name, _ in FILE.findall(PAGE)] == [
        "queries/questions/shared_units.py",
        "queries/cypher/shared-units.cypher",
        "queries/cypher/shared-units-graph.cypher",
        "tests/hand_made_answers.py",
    ]


def test_the_question_is_listed_tested_and_answered(copy: Path) -> None:
    *preparations, ask = commands(0)
    for words in preparations:
        follow(words, copy)
    assert "shared-units-graph.cypher" in (copy / "docs" / "queries.md").read_text("utf-8")
    assert json.loads(follow([*ask, "--json"], copy)) == ROWS
    entries = json.loads(follow(["conceptgraph", "query", "--json"], copy))
    (entry,) = (entry for entry in entries if entry["name"] == "shared-units")
    assert [parameter["type"] for parameter in entry["parameters"]] == ["str", "str", "int"]


def test_the_question_in_neo4j(copy: Path, neo4j_5: Neo4jServer) -> None:
    neo4j_5.clear()
    load, ask, print_text = commands(1, neo4j_5.uri)
    follow(load, copy, neo4j_5)
    assert json.loads(follow([*ask, "--json"], copy, neo4j_5)) == ROWS
    assert follow(print_text, copy).startswith("// Units that feed two classes")


def test_the_picture_in_neo4j(copy: Path, neo4j_5: Neo4jServer) -> None:
    code = (
        "import sys\n"
        "from conceptgraph.graph.stores.neo4j_store import Neo4jStore\n"
        "from conceptgraph.queries.question import picture_text\n"
        "from tests.hand_made_answers import EXPECTED\n"
        "from tests.hand_made_graph import hand_made\n"
        "question, _ = EXPECTED[-1]\n"
        "with Neo4jStore.connect(*sys.argv[1:]) as store:\n"
        "    store.load(hand_made())\n"
        "    _, parameters = question.cypher()\n"
        "    print(len(store.cypher(picture_text(question.name).cypher, parameters).rows))\n"
    )
    neo4j_5.clear()
    access = [neo4j_5.uri, neo4j_5.user, neo4j_5.password]
    assert follow(["python", "-c", code, *access], copy) == "1\n"
