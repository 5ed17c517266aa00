"""What `neo4j-admin` imports equals what is loaded, to the last bit, on real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conceptgraph.errors import StoreError
from conceptgraph.graph.elements import Node
from conceptgraph.graph.exports.neo4j_admin import write_import
from conceptgraph.graph.records import Records, records
from conceptgraph.graph.stores.neo4j_store import Neo4jStore
from tests.command_line import run
from tests.hand_made_answers import EXPECTED
from tests.hand_made_graph import hand_made, hand_made_beside
from tests.made_runs import random_run, small_run
from tests.neo4j_contents import database_content, expected_content

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neo4j_server import Neo4jServer

pytestmark = pytest.mark.slow

ODD = ('say "road"', "a,b;c|d", "two\nlines", "tab\there", "back\\slash\\", "'}) //", " ", "🤹")


def test_what_is_imported_answers_as_what_is_loaded(
    neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    graph = hand_made()
    write_import(graph, tmp_path)
    neo4j_server.import_files(tmp_path, "neo4j", "--overwrite-destination")
    assert database_content(neo4j_server) == expected_content(graph)
    with neo4j_server.driver() as driver:
        for text in (tmp_path / "constraints.cypher").read_text().split(";\n")[:-1]:
            driver.execute_query(text)
        names = driver.execute_query("SHOW INDEXES YIELD name, state WHERE name STARTS WITH 'con'")
    assert {row["state"] for row in names.records} == {"ONLINE"}
    with Neo4jStore.connect(neo4j_server.uri, "neo4j", neo4j_server.password) as store:
        for other in hand_made_beside():  # runs of the imported run's network
            store.load(other)
        for question, rows in EXPECTED:
            assert store.cypher(*question.cypher()).rows == rows, question
        for other in hand_made_beside():
            store.unload(other.run)
        store.load(graph)
        assert database_content(neo4j_server) == expected_content(graph)
        store.unload(graph.run)
    assert database_content(neo4j_server) == ([], [])


def test_odd_names_and_every_edge(neo4j_5: Neo4jServer, tmp_path: Path) -> None:
    widths = {"block2": 5, "block3": 30, "block4": 20}
    concepts = tuple(f"object/{name}" for name in ODD)
    random = random_run(tmp_path / "r 😀.cg", widths, classes=ODD, concepts=concepts)
    graph = records(random, dense=True)
    progress: list[int] = []
    (tmp_path / "files").mkdir()
    write_import(graph, tmp_path / "files", progress.append)
    assert sum(progress) == len(graph)
    neo4j_5.import_files(tmp_path / "files", "neo4j", "--overwrite-destination")
    assert database_content(neo4j_5) == expected_content(graph)


def test_a_name_that_cannot_be_written(tmp_path: Path) -> None:
    unit = Node(("Unit",), "a/block4/0", {"images": ["a\x1fb.jpg"]})
    with pytest.raises(StoreError, match="U\\+001F"):
        write_import(Records((Node(("Run",), "a", {}), unit), ()), tmp_path)


def test_the_command(neo4j_5: Neo4jServer, tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg")
    done = run("export", "neo4j-csv", "-o", "files", folder=tmp_path)
    assert done.status == 0, done.err
    assert "import.sh" in done.out
    neo4j_5.import_files(tmp_path / "files", "neo4j", "--overwrite-destination")
    env = {"NEO4J_URI": neo4j_5.uri, "NEO4J_USERNAME": "neo4j", "NEO4J_PASSWORD": neo4j_5.password}
    (row,) = json.loads(run("runs", "--json", folder=tmp_path, env=env).out)
    assert (row["uid"], row["status"]) == ("a", "complete")
    again = run("export", "neo4j-csv", "-o", "files", folder=tmp_path)
    assert again.status == 1
    assert "files: already exists" in again.err
