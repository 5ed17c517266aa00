"""A run labelled with words: its tables, its graph beside that of masks, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from conceptgraph.cli.terminal import concept_text
from conceptgraph.errors import RunError
from conceptgraph.graph.records import records
from conceptgraph.graph.run.all_labels import AllLabels
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.run.word_labels import WORDS, WordLabels, word_run, write_word_labels
from conceptgraph.graph.schema import RELATIONSHIPS
from conceptgraph.graph.stores.memory import open_store
from conceptgraph.graph.uids import split_concept
from conceptgraph.queries.cards import concept_card, unit_card
from conceptgraph.queries.parameters import ConceptUid, UnitUid
from conceptgraph.queries.paths import class_paths
from conceptgraph.queries.questions.concepts import Concepts
from conceptgraph.queries.questions.detectors import Detectors
from conceptgraph.queries.questions.unit_in_other_runs import UnitInOtherRuns
from conceptgraph.queries.unnamed import card_note, class_paths_note
from tests.made_runs import CONCEPTS, add_words, random_run, small_run
from tests.neo4j_contents import connect, database_content, expected_content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run
    from tests.neo4j_server import Neo4jServer


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = small_run(tmp_path / "net.cg")
    rows = [
        ("block3/0", "block3", "ball", 0.9, 0.8, 1e-4, True, 12, 10, 6, "ball", True, True),
        ("block3/1", "block3", "river", 0.7, 0.6, 0.01, True, 10, 10, 5, "ball", False, False),
        ("block3/2", "block3", None, None, None, None, False, 0, 0, 0, "ball", False, False),
        ("block4/0", "block4", "a/b: c", 0.8, 0.7, 1e-3, True, 10, 10, 4, "ball", True, True),
        ("block4/1", "block4", "ball", 0.8, 0.7, 1e-3, True, 8, 10, 0, "ball", True, True),
        ("block4/2", "block4", "ball", 0.9, 0.8, 1e-3, True, 10, 10, 9, "ball", True, True),
    ]
    labels = pd.DataFrame(rows, columns=list(WORDS))
    write_word_labels(made, WordLabels(labels, "CLIP RN50", 200, 4))
    return made


def test_words_are_labels(run: Run) -> None:
    by_words = word_run(run)
    assert by_words.name == "net.words"
    assert by_words.units["label"].fillna("none").tolist() == [
        "ball",
        "none",
        "none",
        "a/b: c",
        "ball",
        "ball",
    ]
    # block4/1 has no image in common with its word, block4/2 is sparse
    named = [True, False, False, True, False, False]
    assert by_words.named.tolist() == by_words.interpretable.tolist() == named
    assert by_words.interpretable_detections["unit"].tolist() == ["block3/0", "block4/0"]
    row = by_words.detections.set_index("unit").loc["block3/0"]
    assert (row["activation"], row["truth"], row["intersection"]) == (12, 10, 6)
    assert row["attainable_iou"] == pytest.approx(10 / 12)
    assert row["enrichment"] == pytest.approx(6 / (12 * 10 / 100))
    assert np.isnan(row["precision"])


def test_all_labels_have_the_best_words(run: Run) -> None:
    by_words = AllLabels(word_run(run, unsure=True))
    units = by_words.units.set_index("uid")
    assert units["label"].isna().tolist() == units["category"].isna().tolist()
    assert units["label"].fillna("none").tolist() == [
        "ball",
        "river",
        "none",
        "a/b: c",
        "ball",
        "ball",
    ]
    assert set(units["category"].dropna()) == {"word"}
    assert units["iou"].tolist() == pytest.approx([6 / 16, 5 / 15, 0, 4 / 16, 0, 9 / 11])
    named = [True, True, False, True, False, False]
    assert by_words.named.tolist() == by_words.interpretable.tolist() == named
    assert by_words.detections["rank"].tolist() == [0] * 5


def test_the_rest_is_that_of_the_run(run: Run) -> None:
    by_words = word_run(run)
    assert list(by_words.concepts["uid"]) == [*CONCEPTS, "word/a/b: c", "word/ball", "word/river"]
    assert by_words.iou("block3").equals(run.iou("block3"))
    np.testing.assert_array_equal(by_words.probes("block3"), run.probes("block3"))
    assert by_words.presence.equals(run.presence)
    by_words.check()
    assert by_words.manifest == run.manifest  # by which a run is trusted
    assert by_words.categories == (*run.categories, "word")
    assert open_run(run.path).units.equals(run.units)


def test_the_graph_of_masks_knows_nothing_of_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    plain = small_run(tmp_path / "other" / "net.cg")
    assert records(run).nodes == records(plain).nodes
    assert list(records(run).edges) == list(records(plain).edges)


def test_words_enter_the_graph_with_their_source(run: Run) -> None:
    graph = records(word_run(run))
    nodes = {node.uid: node for node in graph.nodes}
    assert nodes["word/ball"].labels == ("Concept", "Word")
    assert nodes["net.words/block3/0"].properties["label"] == "ball"
    assert nodes["net.words"].properties["label_settings"] == "words by CLIP RN50"
    detects = {edge.source: edge for edge in graph.edges if edge.type == "DETECTS"}
    assert sorted(detects) == [
        f"net.words/block{b}/{u}" for b, u in ((3, 0), (4, 0), (4, 1), (4, 2))
    ]
    edge = detects["net.words/block3/0"]
    assert edge.target == "word/ball"
    assert edge.properties["source"] == "CLIP RN50"
    assert edge.properties["auc"] == 0.9
    assert "precision" not in edge.properties
    assert edge.properties.keys() <= RELATIONSHIPS["DETECTS"].properties.keys()
    has = {edge.target: edge for edge in graph.edges if edge.type == "HAS_CONCEPT"}
    assert has["word/river"].properties == {"images": 0, "pixels": 0, "source": "CLIP RN50"}
    assert "source" not in has["object/ball"].properties


def test_questions_find_units_by_words_and_by_masks(run: Run) -> None:
    store = open_store(word_run(run), run)
    word, mask = ConceptUid("word/ball"), ConceptUid("object/ball")
    assert [row.uid for row in store.ask(Detectors("net.words", word))] == ["block3/0"]
    assert store.ask(Detectors("net.words", mask)) == []
    assert [row.uid for row in store.ask(Detectors("net", mask))] == [
        "block3/1",
        "block4/0",
        "block3/0",
    ]
    assert store.ask(Detectors("net", word)) == []
    sources = {str(row.uid): row.source for row in store.ask(Concepts("net.words"))}
    assert (sources["word/ball"], sources["object/ball"]) == ("CLIP RN50", None)
    (row,) = store.ask(UnitInOtherRuns("net", UnitUid("block3/0")))
    assert (row.run, row.concept, row.category) == ("net.words", "ball", "word")


def test_paths_name_units_by_words(run: Run) -> None:
    by_words = word_run(run)
    paths = class_paths(by_words, "juggling")
    assert paths.run == "net.words"
    named = {
        unit.uid: unit.concept and unit.concept[:2] for path in paths.paths for unit in path.units
    }
    assert named == {
        "block3/0": ("ball", "word"),
        "block3/1": None,
        "block4/0": ("a/b: c", "word"),
        "block4/1": None,
    }
    assert class_paths_note(by_words, paths) is None
    aucs = {u.uid: u.concept.auc for path in paths.paths for u in path.units if u.concept}
    assert aucs == {"block3/0": 0.9, "block4/0": 0.8}
    (word,) = {u.concept for path in paths.paths for u in path.units if u.uid == "block4/0"}
    assert concept_text(word) == "a/b: c (AUC 0.80)"
    answer = paths.to_json()
    assert {"name": "ball", "category": "word", "iou": 6 / 16, "auc": 0.9} in _concepts(answer)
    of_masks = class_paths(run, "juggling")
    (ball,) = {u.concept for path in of_masks.paths for u in path.units if u.uid == "block3/1"}
    assert concept_text(ball) == "ball (0.10)"
    assert all(len(concept) == 3 for concept in _concepts(of_masks.to_json()) if concept)


def _concepts(answer: dict[str, Any]) -> list[dict[str, object]]:
    return [concept for path in answer["paths"] for concept in path["concepts"]]


def test_a_unit_without_a_word_says_why(run: Run) -> None:
    by_words = word_run(run)
    store = open_store(by_words)
    card = unit_card(store, "net.words", "block3/1")
    assert card_note(by_words, card) == (
        "block3/1 has no name: no word is its own for sure (AUC above 0.75, and significant, in "
        "images that had no part in the word's choice)."
    )
    dead = card_note(by_words, unit_card(store, "net.words", "block3/2"))
    assert dead is not None
    assert "never active" in dead
    mask = card_note(by_words, concept_card(store, "net.words", "object/juggling"))
    assert mask is not None
    assert "ask without --labels words" in mask
    river = card_note(by_words, concept_card(store, "net.words", "word/river"))
    assert river is not None
    assert river.startswith("No unit has the word river (AUC above 0.75")
    assert card_note(by_words, concept_card(store, "net.words", "word/ball")) is None


def without_words(run: Run) -> None:
    (run.path / "words.json").unlink()


def with_words_of_its_own(run: Run) -> None:
    for name, column in (("concepts", "uid"), ("detections", "concept"), ("presence", "concept")):
        file = run.path / f"{name}.parquet"
        table = pd.read_parquet(file).replace({column: {"object/ball": "word/ball"}})
        if "category" in table:
            table["category"] = table["category"].mask(table[column] == "word/ball", "word")
        table.to_parquet(file)
    manifest = json.loads((run.path / "manifest.json").read_text())
    manifest["data"]["categories"].append("word")
    (run.path / "manifest.json").write_text(json.dumps(manifest))


def facts(text: str) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        (run.path / "words.json").write_text(text)

    return damage


def with_images(number: str, model: str = "CLIP") -> str:
    return f'{{"model": "{model}", "images": {number}, "words": 4}}'


WRONG = "words.parquet: not a word, with its scores, for each unit. Make them again with"


def of_unit(uid: str) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        labels = pd.read_parquet(run.path / "words.parquet")
        labels.assign(unit=uid).to_parquet(run.path / "words.parquet")

    return damage


def some_units(run: Run) -> None:
    labels = pd.read_parquet(run.path / "words.parquet")
    labels.iloc[1:].to_parquet(run.path / "words.parquet")


def column(name: str, values: object, row: int | None = None) -> Callable[[Run], None]:
    """Give a column, or its cell in one row, another value."""

    def damage(run: Run) -> None:
        labels = pd.read_parquet(run.path / "words.parquet")
        old = labels[name].tolist()
        cells: Any = [values if row in (None, at) else cell for at, cell in enumerate(old)]
        labels.assign(**{name: cells}).to_parquet(run.path / "words.parquet")

    return damage


def both(*damages: Callable[[Run], None]) -> Callable[[Run], None]:
    def damage_all(run: Run) -> None:
        for damage in damages:
            damage(run)

    return damage_all


def without_the_column(run: Run) -> None:
    labels = pd.read_parquet(run.path / "words.parquet")
    labels.drop(columns="near").to_parquet(run.path / "words.parquet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_words, "words.json: no words. Make them with `conceptgraph label"),
        (with_words_of_its_own, "concepts of category 'word' itself"),
        (facts("{"), "words.json: not the words of units"),
        *(
            (facts(content), "words.json: not the words of units")
            for content in (
                json.dumps({"model": "CLIP"}),
                "[" * 100_000,
                '{"a":' * 100_000,
                with_images("Infinity"),
                with_images("1e400"),
                with_images("NaN"),
                with_images("1" * 400),
                with_images("-1"),
                with_images("1.5"),
                with_images("true"),
                with_images('"200"'),
                with_images("200", model=r"\ud800"),
            )
        ),
        (facts(with_images("0")), WRONG),
        (facts(with_images("19")), WRONG),
        (some_units, WRONG),
        (column("holds", None, 0), "words.parquet: "),
        (column("repeats", None), "words.parquet: "),
        (column("strong", None, 0), "words.parquet: "),
        (column("near", -1, 0), "words.parquet: "),
        (column("intersection", -1, 0), "words.parquet: "),
        (column("intersection", 11, 0), WRONG),
        (column("strong", 101, 0), WRONG),
        (column("word", 5), "words.parquet: column word of another type; found int64"),
        (column("wpmi_word", 1.5), "words.parquet: column wpmi_word of another type"),
        (column("word", "", 0), "words.parquet: "),
        (column("auc", None, 0), WRONG),
        (column("auc_low", None, 0), WRONG),
        (column("auc", 1.5, 0), "words.parquet: "),
        (column("holds", True, 2), WRONG),
        (both(*(column(name, 0, 0) for name in ("strong", "near", "intersection"))), WRONG),
        (column("block", "block9", 0), "words.parquet: "),
        (column("block", "block4", 0), WRONG),
        (of_unit("block9/9"), "words.parquet: column unit; found 'block9/9'; expected a unit of"),
        (of_unit("block3/0"), "unit 'block3/0' is duplicated"),
        (without_the_column, "words.parquet: no column near; found unit, block"),
        (lambda run: (run.path / "words.parquet").unlink(), "words.parquet: cannot be read"),
        (lambda run: (run.path / "words.parquet").write_text("no"), "words.parquet: not the table"),
    ],
)
def test_what_is_refused(run: Run, damage: Callable[[Run], object], message: str) -> None:
    damage(run)
    with pytest.raises(RunError) as error:
        word_run(open_run(run.path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_in_which_no_unit_has_a_word(tmp_path: Path) -> None:
    run = small_run(tmp_path / "net.cg")
    rows = [
        (uid, uid[:6], *[None] * 4, False, 0, 0, 0, "x", False, False) for uid in run.units["uid"]
    ]
    write_word_labels(run, WordLabels(pd.DataFrame(rows, columns=list(WORDS)), "", 100, 1))
    by_words = word_run(run)
    assert not by_words.interpretable.any()
    assert records(by_words).nodes
    note = class_paths_note(by_words, class_paths(by_words, "juggling"))
    assert note is not None
    assert "none has a word for sure" in note


@pytest.mark.slow
def test_a_server_holds_both(tmp_path: Path, neo4j_server: Neo4jServer) -> None:
    run = random_run(tmp_path / "net.cg", {"block3": 9, "block4": 8}, seed=4)
    add_words(run, tuple(split_concept(uid)[1] for uid in CONCEPTS))
    graphs = records(run), records(word_run(run))
    with connect(neo4j_server) as store:
        for graph in graphs:
            store.load(graph)
        assert database_content(neo4j_server) == expected_content(*graphs)
        store.unload("net.words")
        assert database_content(neo4j_server) == expected_content(graphs[0])
