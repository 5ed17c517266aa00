"""The commands that talk to Neo4j, against real servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conceptgraph.graph.run.reader import open_run
from tests.command_line import CommandResult, run
from tests.drawn_data import draw_concept_data, write_untrained
from tests.made_runs import add_words, random_run, small_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neo4j_server import Neo4jServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small_run(tmp_path / "a.cg")
    return tmp_path


def access(server: Neo4jServer) -> dict[str, str]:
    user, password = server.auth or ("", "")
    return {"NEO4J_URI": server.uri, "NEO4J_USERNAME": user, "NEO4J_PASSWORD": password}


def ask(server: Neo4jServer, folder: Path, *words: str) -> CommandResult:
    done = run(*words, folder=folder, env=access(server))
    assert done.status == 0, done.err
    return done


def test_a_run_goes_in_answers_and_comes_out(neo4j_server: Neo4jServer, folder: Path) -> None:
    loaded = ask(neo4j_server, folder, "load", "--run", "a.cg")
    assert "in Neo4j" in loaded.err
    assert ask(neo4j_server, folder, "load", "--run", "a.cg").err == loaded.err
    (row,) = json.loads(ask(neo4j_server, folder, "runs", "--json").out)
    assert (row["uid"], row["status"]) == ("a", "complete")
    question = ("query", "fed-by", "-p", "target=juggling", "--json")
    online = json.loads(ask(neo4j_server, folder, *question).out)
    offline = json.loads(run(*question, folder=folder).out)
    assert online == offline
    assert online
    text = "MATCH (c:Class) WHERE c.uid STARTS WITH $run RETURN c.name AS name ORDER BY name"
    free = ask(neo4j_server, folder, "query", "--cypher", text, "--json")
    assert json.loads(free.out) == [{"name": "juggling"}, {"name": "road"}]
    assert json.loads(run("query", "--cypher", text, "--json", folder=folder).out) == [
        {"name": "juggling"},
        {"name": "road"},
    ]
    ask(neo4j_server, folder, "unload", "./a.cg/")
    assert json.loads(ask(neo4j_server, folder, "runs", "--json").out) == []


def test_a_run_goes_in_twice_with_words_and_with_masks(
    neo4j_server: Neo4jServer, folder: Path
) -> None:
    add_words(open_run(folder / "a.cg"))
    loaded = ask(neo4j_server, folder, "load", "--run", "a.cg", "--labels", "words")
    assert "a.words: " in loaded.err
    units = ("query", "units", "--json", "--run", "a.cg", "--labels")
    by_words = json.loads(ask(neo4j_server, folder, *units, "words").out)
    assert by_words == json.loads(run(*units, "words", folder=folder).out)
    ask(neo4j_server, folder, "load", "--run", "a.cg")
    assert json.loads(ask(neo4j_server, folder, *units, "words").out) == by_words
    by_masks = json.loads(ask(neo4j_server, folder, *units, "masks").out)
    assert by_masks == json.loads(run(*units, "masks", folder=folder).out)
    assert by_masks != by_words
    text = (
        "MATCH (u:Unit)-[d:DETECTS]->(k:Word) WHERE u.run = $run "
        "RETURN DISTINCT d.source AS source, k.category AS category"
    )
    free = ("query", "--cypher", text, "--json", "--run", "a.cg", "--labels", "words")
    rows = [{"source": "CLIP", "category": "word"}]
    assert json.loads(ask(neo4j_server, folder, *free).out) == rows
    assert json.loads(run(*free, folder=folder).out) == rows
    links = (
        "MATCH (a:Unit {run: 'a'})-[:SAME_UNIT]-(b:Unit {run: 'a.words'}) RETURN count(*) AS units"
    )
    found = ask(neo4j_server, folder, "query", "--cypher", links, "--json", "--run", "a.cg")
    assert json.loads(found.out) == [{"units": 6}]


def test_what_was_left_out_of_the_graph_is_said(tmp_path: Path) -> None:
    random_run(tmp_path / "a.cg", {"block3": 70, "block4": 80})
    asked = ("query", "class-difference", "-p", "class=road", "-p", "other=juggling", "--json")
    done = run(*asked, folder=tmp_path)
    assert "keeps the 32 strongest contributions per target and sign" in done.err
    assert "may be one that was not kept" in done.err
    assert json.loads(done.out)
    assert "kept" not in run("query", "blocks", folder=tmp_path).err


def test_an_ingest_can_load_at_once(neo4j_5: Neo4jServer, tmp_path: Path) -> None:
    neo4j_5.clear()
    data = draw_concept_data(tmp_path / "data", 8, size=64)
    weights, classes = write_untrained(data)
    source = ("--model", "resnet18", "--weights", str(weights), "--classes", str(classes))
    options = ("--image-size", "64", "--quantile", "0.05", "--out", "net.cg")
    words = ("ingest", *source, "--data", str(data), *options)
    nobody = run(*words, "--neo4j", "bolt://127.0.0.1:1", folder=tmp_path)
    assert "no Neo4j answers" in nobody.err
    assert not (tmp_path / "net.cg").exists()  # reported before the long work
    done = ask(neo4j_5, tmp_path, *words, "--neo4j", neo4j_5.uri)
    assert "in Neo4j" in done.err
    assert ask(neo4j_5, tmp_path, "load", "--run", "net.cg").err in done.err
    question = ("query", "blocks", "--json")
    online = ask(neo4j_5, tmp_path, *question).out
    assert online == run(*question, "--run", "net.cg", folder=tmp_path).out


def test_writing_by_free_cypher_is_refused(neo4j_5: Neo4jServer, folder: Path) -> None:
    neo4j_5.clear()
    ask(neo4j_5, folder, "load", "--run", "a.cg")
    words = ("query", "--cypher", "MATCH (n) DETACH DELETE n")
    for env in (access(neo4j_5), {}):
        done = run(*words, folder=folder, env=env)
        assert done.status == 1
        assert done.err.splitlines()[-1].startswith("conceptgraph: error: ")
    (row,) = json.loads(ask(neo4j_5, folder, "runs", "--json").out)
    assert row["status"] == "complete"


def test_any_value_can_be_printed(neo4j_server: Neo4jServer, folder: Path) -> None:
    ask(neo4j_server, folder, "load", "--run", "a.cg")
    text = (
        "RETURN date('2026-01-02') AS day, duration('P1D') AS long, point({x: 1, y: 2}) AS place, "
        "[0.0 / 0.0, 1.5] AS numbers, {name: 'ö', at: time('10:00Z')} AS map, null AS nothing"
    )
    printed = ask(neo4j_server, folder, "query", "--cypher", text, "--json").out
    assert json.loads(printed) == [
        {
            "day": "2026-01-02",
            "long": "P1D",
            "place": [1, 2],
            "numbers": [None, 1.5],
            "map": {"name": "ö", "at": "10:00:00.000000000+00:00"},
            "nothing": None,
        }
    ]
    table = ask(neo4j_server, folder, "query", "--cypher", text).out
    assert '{"at": "10:00' in table or '"name": "ö"' in table


def test_a_run_of_several_is_named_by_the_environment(neo4j_5: Neo4jServer, folder: Path) -> None:
    neo4j_5.clear()
    small_run(folder / "b.cg")
    for name in ("a.cg", "b.cg"):
        ask(neo4j_5, folder, "load", "--run", name)
    env = access(neo4j_5)
    done = run("query", "blocks", folder=folder, env=env)
    assert done.status == 1
    assert "which run is meant; found a, b. Name one with --run" in done.err
    env["CONCEPTGRAPH_RUN"] = "elsewhere/b.cg"
    assert run("query", "blocks", folder=folder, env=env).status == 0


def test_one_unit_in_two_runs(neo4j_5: Neo4jServer, tmp_path: Path) -> None:
    neo4j_5.clear()
    for name, concept in (("b", "scene/park"), ("a", "object/ball")):
        last = random_run(tmp_path / f"{name}.cg", {"block4": 9}, concepts=[concept], network="n")
        ask(neo4j_5, tmp_path, "load", "--run", f"{name}.cg")
    unit = last.units["uid"][last.interpretable].iloc[0]
    question = ("query", "unit-in-other-runs", "-p", f"unit={unit}", "--run", "b.cg", "--json")
    online = json.loads(ask(neo4j_5, tmp_path, *question).out)
    assert [(row["run"], row["concept"]) for row in online] == [("a", "ball")]
    assert json.loads(run(*question, "--beside", "a.cg", folder=tmp_path).out) == online
    assert json.loads(run(*question, folder=tmp_path).out) == []
    refused = run(*question, "--beside", "a.cg", folder=tmp_path, env=access(neo4j_5))
    assert refused.status == 2
    assert "load this one first" in refused.err
    twice = run(*question, "--beside", "b.cg", folder=tmp_path)
    assert twice.status == 1
    assert "two runs of one name; found 'b'" in twice.err


def test_free_cypher_names_incomplete_runs(neo4j_5: Neo4jServer, folder: Path) -> None:
    neo4j_5.clear()
    ask(neo4j_5, folder, "load", "--run", "a.cg")
    words = ("query", "--cypher", "MATCH (u:Unit) RETURN count(*) AS units", "--json")
    assert ask(neo4j_5, folder, *words).err == ""
    with neo4j_5.driver() as driver:
        driver.execute_query("MATCH (run:Run) SET run.status = 'loading'")
    assert "a is incomplete (status: loading)" in ask(neo4j_5, folder, *words).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("runs",), "no Neo4j server is named"),
        (("runs", "--neo4j", "bolt://127.0.0.1:1"), "no Neo4j answers"),
        (("runs", "--neo4j", "nonsense"), "nonsense"),
        (("unload", "b"), "no run 'b'"),
        (("query", "fed-by", "-p", "target=rod", "--run", "a"), "Did you mean"),
    ],
)
def test_errors_are_one_line(
    neo4j_5: Neo4jServer, folder: Path, words: tuple[str, ...], message: str
) -> None:
    neo4j_5.clear()
    ask(neo4j_5, folder, "load", "--run", "a.cg")
    env = access(neo4j_5)
    if words[0] == "runs":
        del env["NEO4J_URI"]
    done = run(*words, folder=folder, env=env)
    assert done.status == 1
    (line,) = done.err.splitlines()
    assert message in line
    assert env["NEO4J_PASSWORD"] not in line
