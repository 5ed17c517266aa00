"""Saved explanations: in the run, in every store, and in the answers of the catalogue."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from conceptgraph.errors import RunError
from conceptgraph.graph.exports.neo4j_admin import write_import
from conceptgraph.graph.records import records
from conceptgraph.graph.run.explanations import save_explanation, saved_explanations
from conceptgraph.graph.stores.memory import MemoryStore, open_store
from conceptgraph.graph.stores.neo4j_store import Neo4jStore
from conceptgraph.graph.stores.offline_cypher import CypherGraph
from conceptgraph.queries.catalogue import make
from tests.made_runs import small_run
from tests.neo4j_contents import database_content, expected_content

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run
    from tests.neo4j_server import Neo4jServer

QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("saved-images", {}),
    ("image-explanations", {"image": "photo 1.jpg"}),
    ("unit-explanations", {"unit": "block4/0"}),
)


def answer(class_name: str = "road", versus: str | None = None) -> dict[str, Any]:
    paths = [
        {"rank": 1, "contribution": 2.0, "measured": 1.5, "units": ["block3/0", "block4/0"]},
        {"rank": 2, "contribution": -0.5, "measured": -0.75, "units": ["block3/1", "block4/0"]},
    ]
    accounting = {"paths": 1.5, "other_paths": 1.5, "biases": 1.0, "total": 4.0}
    return {
        "class": class_name, "versus": versus, "method": "exact", "logit": 4.0,
        "probability": 0.75, "coverage": 0.5, "paths": paths, "accounting": accounting,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "photo 1.jpg").write_bytes(b"one")
    (tmp_path / "photo 2.jpg").write_bytes(b"two")
    return small_run(tmp_path / "a.cg")


def save_three(run: Run, tmp_path: Path) -> None:
    for name, versus in (("photo 1.jpg", None), ("photo 1.jpg", "juggling"), ("photo 2.jpg", None)):
        explanation = {**answer(versus=versus), "image": name}
        save_explanation(run, tmp_path / name, {"versus": versus}, explanation)


def test_the_same_question_about_the_same_image_is_one_explanation(
    run: Run, tmp_path: Path
) -> None:
    def save(image: str, **question: object) -> Path:
        return save_explanation(run, tmp_path / image, question, answer())

    first = save("photo 1.jpg", class_name="road", top=3)
    shutil.copy(tmp_path / "photo 1.jpg", tmp_path / "copy.jpg")
    assert save("copy.jpg", top=3, class_name="road") == first
    assert save("photo 1.jpg", class_name="road", top=4) != first
    assert save("photo 2.jpg", class_name="road", top=3) != first
    explanations = saved_explanations(run)
    assert len(explanations) == 3
    assert first.stem in {explanation.key for explanation in explanations}
    assert {file.suffix for file in first.parent.iterdir()} == {".json"}


def test_they_are_found_offline(run: Run, tmp_path: Path) -> None:
    save_three(run, tmp_path)
    store = open_store(run)
    images, explanations, of_unit = rows_by_path(store, tmp_path)
    assert [(row[1], row[2]) for row in images] == [
        (str(tmp_path / "photo 1.jpg"), 2), (str(tmp_path / "photo 2.jpg"), 1),
    ]  # fmt: skip
    assert sorted(map(str, (row[2] for row in explanations))) == ["None", "juggling"]
    assert {row[-1] for row in explanations} == {0.5}
    assert len(of_unit) == 6
    store.unload("a")
    assert not store.graph


def rows_by_path(store: MemoryStore | Neo4jStore, folder: Path) -> list[list[tuple[Any, ...]]]:
    answers = []
    for name, given in QUESTIONS:
        typed = {key: str(folder / v) if key == "image" else v for key, v in given.items()}
        question: Any = make(store, "a", name, typed)
        answers.append([tuple(row) for row in store.ask(question)])
    return answers


def test_they_follow_a_run_that_is_in_neo4j_already(
    neo4j_server: Neo4jServer, run: Run, tmp_path: Path
) -> None:
    with Neo4jStore.connect(neo4j_server.uri, "neo4j", neo4j_server.password) as store:
        store.load(records(run))
        before = database_content(neo4j_server)
        save_three(run, tmp_path)
        with_explanations = records(run)
        progress: list[int] = []
        store.load(with_explanations, progress.append)
        assert sum(progress) == len(with_explanations)
        assert database_content(neo4j_server) == expected_content(with_explanations)
        assert rows_by_path(store, tmp_path) == rows_by_path(open_store(run), tmp_path)
        store.load(with_explanations)
        assert database_content(neo4j_server) == expected_content(with_explanations)
        second_run = small_run(tmp_path / "b.cg")
        save_three(second_run, tmp_path)
        second = records(second_run)
        store.load(second)
        assert database_content(neo4j_server) == expected_content(with_explanations, second)
        store.unload("b")
        assert database_content(neo4j_server) == expected_content(with_explanations)
        shutil.rmtree(run.path / "explanations")
        store.unload("a")
        store.load(records(run))
        assert database_content(neo4j_server) == before


def test_they_are_in_free_cypher_and_in_the_import_files(run: Run, tmp_path: Path) -> None:
    save_three(run, tmp_path)
    text = "MATCH (i:Image)-[:EXPLAINED_BY]->(e:Explanation)-[:OF]->(c:Class) RETURN count(e) AS n"
    assert CypherGraph([records(run)]).ask(text).rows == [(3,)]
    (tmp_path / "files").mkdir()
    write_import(records(run), tmp_path / "files")
    assert len((tmp_path / "files" / "Image.csv").read_text().splitlines()) == 3
    assert len((tmp_path / "files" / "STEP-Unit.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize(
    "damaged", ["", "[]", '{"schema": 9}', json.dumps({"schema": 1, "answer": {"paths": [{}]}})]
)
def test_a_damaged_file_is_named(run: Run, damaged: str) -> None:
    (run.path / "explanations").mkdir()
    (run.path / "explanations" / "abc.json").write_text(damaged)
    with pytest.raises(RunError, match=r"abc\.json: not an explanation.*Delete it"):
        records(run)
