"""docs/add-a-question.md, followed in a copy of the repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.docs.how_to import HowTo, follow
from tests.made_runs import small_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neo4j_server import Neo4jServer

pytestmark = pytest.mark.slow

PAGE = HowTo("add-a-question.md")
ANSWERS = "tests/hand_made_answers.py"
ROWS = [{"unit": "block4/1", "concept": None, "share": 0.25, "rival_share": 2 / 6}]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the files of the page, and a run."""
    folder = tmp_path_factory.mktemp("repository")
    PAGE.copy_repository(folder)
    (answer,) = (file.content for file in PAGE.files if file.name == ANSWERS)
    text = (folder / ANSWERS).read_text("utf-8")  # the list is the first that ends a line
    (folder / ANSWERS).write_text(text.replace("\n]\n", f"\n{answer}]\n", 1), encoding="utf-8")
    small_run(folder / "net.cg")
    return folder


def access(server: Neo4jServer) -> dict[str, str]:
    return {"NEO4J_USERNAME": server.user, "NEO4J_PASSWORD": server.password}


def test_the_files_of_the_page() -> None:
    assert [file.name for file in PAGE.files] == [
        "queries/questions/shared_units.py",
        "queries/cypher/shared-units.cypher",
        "queries/cypher/shared-units-graph.cypher",
        ANSWERS,
    ]


def test_the_question_is_listed_tested_and_answered(copy: Path) -> None:
    *preparations, ask = PAGE.commands(0)
    for words in preparations:
        follow(words, copy)
    assert "shared-units-graph.cypher" in (copy / "docs" / "queries.md").read_text("utf-8")
    assert json.loads(follow([*ask, "--json"], copy)) == ROWS
    entries = json.loads(follow(["conceptgraph", "query", "--json"], copy))
    (entry,) = (entry for entry in entries if entry["name"] == "shared-units")
    assert [parameter["type"] for parameter in entry["parameters"]] == ["str", "str", "int"]


def test_the_question_in_neo4j(copy: Path, neo4j_5: Neo4jServer) -> None:
    neo4j_5.clear()
    load, ask, print_text = (
        [word.replace("bolt://localhost:7687", neo4j_5.uri) for word in words]
        for words in PAGE.commands(1)
    )
    follow(load, copy, access(neo4j_5))
    assert json.loads(follow([*ask, "--json"], copy, access(neo4j_5))) == ROWS
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
    words = ["python", "-c", code, neo4j_5.uri, neo4j_5.user, neo4j_5.password]
    assert follow(words, copy) == "1\n"
