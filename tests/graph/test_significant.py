"""Only significant labels name units, in every answer: `SignificantLabels`, `--significant`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation_masks import detectors
from conceptgraph.explain.explain import explain
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.graph.run.significant import SignificantLabels
from conceptgraph.graph.stores.memory import open_store
from conceptgraph.queries.cards import class_card, concept_card, unit_card
from conceptgraph.queries.paths import class_paths
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run
from tests.made_runs import small_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image and a run, in which every other detection is significant."""
    folder = tmp_path_factory.mktemp("desk")
    data = draw_concept_data(folder / "data", 12)
    shutil.copy(sorted((data / "images").rglob("*.jpg"))[0], folder / "x.jpg")
    file = lively_run(data, folder).path.rename(folder / "net.cg") / "detections.parquet"
    table = pd.read_parquet(file)
    table["significant"] = [number % 2 == 0 for number in range(len(table))]
    table.to_parquet(file)
    return folder


def answer(desk: Path, *words: str) -> Any:
    done = call(*words, "--json", folder=desk)
    assert done.status == 0, done.err
    return json.loads(done.out)


@pytest.fixture
def small(tmp_path: Path) -> SignificantLabels:
    """Significant are polka dotted in block3/0, juggling and ball in block4/0; no other ball."""
    return SignificantLabels(small_run(tmp_path / "small.cg"))


def without_null_samples(run: Run) -> Run:
    """Return the run as an ingest with `null_samples=0` would have written it."""
    file = run.path / "detections.parquet"
    table = pd.read_parquet(file).assign(p=np.nan, enrichment=np.nan, significant=False)
    table.to_parquet(file)
    return open_run(run.path)


def test_which_labels_are_left(small: SignificantLabels) -> None:
    assert small.interpretable.tolist() == [True, False, False, True, False, False]
    pairs = zip(
        small.interpretable_detections["unit"],
        small.interpretable_detections["concept"],
        strict=True,
    )
    assert set(pairs) == {
        ("block3/0", "texture/polka dotted"),
        ("block4/0", "action/juggling"),
        ("block4/0", "object/ball"),
    }
    assert detectors(small, "object/ball") == {"block4": [0]}
    small.check()


def test_a_unit_has_no_name_if_only_its_second_label_is_significant(
    tmp_path: Path,
) -> None:
    run = small_run(tmp_path / "a.cg")
    file = run.path / "detections.parquet"
    table = pd.read_parquet(file)
    table["significant"] = (table["unit"] == "block4/0") & (table["rank"] == 1)
    table.to_parquet(file)
    strict = SignificantLabels(open_run(run.path))
    assert not strict.interpretable.any()
    assert strict.interpretable_detections.empty
    assert [row.uid for row in unit_card(open_store(strict), "a", "block4/0").concepts] == [
        "object/ball"
    ]


def test_paths_without_an_image(small: SignificantLabels, tmp_path: Path) -> None:
    """The paths are the same; the unit whose label is not significant loses its name."""
    plain = class_paths(open_run(tmp_path / "small.cg"), "juggling").to_json()
    strict = class_paths(small, "juggling").to_json()
    names = [[c and c["name"] for c in path["concepts"]] for path in _paths(strict)]
    before = [[c and c["name"] for c in path["concepts"]] for path in _paths(plain)]
    assert [path["units"] for path in _paths(strict)] == [path["units"] for path in _paths(plain)]
    assert ["ball", "juggling"] in before
    assert [None, "juggling"] in names
    assert names == [[None if n == "ball" else n for n in path] for path in before]


def _paths(explanation: dict[str, Any]) -> list[dict[str, Any]]:
    paths: list[dict[str, Any]] = explanation["paths"]
    return paths


def test_cards(small: SignificantLabels) -> None:
    store = open_store(small)
    unnamed = unit_card(store, "small", "block3/1")
    assert (unnamed.name, unnamed.interpretable, unnamed.concepts) == ("1", False, ())
    fed = {row.uid: row.concept for row in unit_card(store, "small", "block4/0").fed_by}
    assert fed == {"block3/0": "polka dotted", "block3/1": None}
    ball = concept_card(store, "small", "ball")
    assert [(row.uid, row.best, row.significant) for row in ball.units] == [
        ("block4/0", False, True)
    ]
    assert [row.name for row in class_card(store, "small", "juggling").concepts] == ["juggling"]


def test_an_image_is_explained_by_significant_labels(desk: Path) -> None:
    """What the other units add stays, under no concept."""
    run = open_run(desk / "net.cg")
    significant = SignificantLabels(run)
    plain, strict = (explain(each, desk / "x.jpg", top=200) for each in (run, significant))
    units = dict(zip(run.units["uid"], run.significant, strict=True))
    labels = {unit.uid: unit.concept for path in strict.paths for unit in path.units}
    assert {uid: concept is not None for uid, concept in labels.items()} == {
        uid: units[uid] for uid in labels
    }
    assert 0 < sum(map(bool, labels.values())) < len(labels)
    detections = significant.interpretable_detections
    concepts = set(detections["concept"][detections["unit"].str.startswith("block3/")])
    assert {f"{each.category}/{each.name}" for each in strict.by_concept[:-1]} == concepts
    sums = [
        sum(share.present + share.firing + share.below for share in each.by_concept)
        for each in (plain, strict)
    ]
    assert sums[0] == pytest.approx(sums[1], abs=1e-6)
    assert strict.by_concept[-1].firing != plain.by_concept[-1].firing
    assert strict.accounting == plain.accounting


@pytest.mark.parametrize(
    "words",
    [
        ("why", "--class", "class 1"),
        ("why", "--image", "x.jpg"),
        ("show", "block4/0"),
        ("show", "--class", "class 1"),
    ],
)
def test_json_has_the_same_keys(desk: Path, words: tuple[str, ...]) -> None:
    words = tuple(word.replace("class 1", class_name(desk)) for word in words)
    plain, strict = answer(desk, *words), answer(desk, *words, "--significant")
    assert list(strict) == list(plain)
    assert strict != plain
    for name, value in plain.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and strict[name]:
            assert list(strict[name][0]) == list(value[0])


def class_name(desk: Path) -> str:
    return str(open_run(desk / "net.cg").classes["name"].iloc[1])


def test_both_explanations_are_kept(desk: Path) -> None:
    kept = desk / "net.cg" / "explanations"
    shutil.rmtree(kept, ignore_errors=True)
    for _ in range(2):
        answer(desk, "why", "--image", "x.jpg")
        answer(desk, "why", "--image", "x.jpg", "--significant")
    assert len(list(kept.glob("*.json"))) == 2


def test_what_is_printed(tmp_path: Path) -> None:
    small_run(tmp_path / "a.cg")
    assert "block3/1: detects ball" in call("show", "block3/1", folder=tmp_path).out
    unit = call("show", "block3/1", "--significant", folder=tmp_path).out
    assert "block3/1: no concept with significant IoU above 0.04" in unit
    concept = call("show", "ball", "--significant", folder=tmp_path).out
    assert "detected by, significant IoU above 0.04" in concept
    assert "block3/1" not in concept
    lines = call("why", "--class", "juggling", folder=tmp_path).out.splitlines()
    strict = call("why", "--class", "juggling", "--significant", folder=tmp_path).out.splitlines()
    assert any("ball (0.10)" in line for line in lines)
    assert not any("ball" in line for line in strict)


def test_the_page_says_so(desk: Path) -> None:
    words = ("why", "--class", class_name(desk), "--html", "why.html")
    for options, is_strict in (((), False), (("--significant",), True)):
        assert call(*words, *options, folder=desk).status == 0
        page = (desk / "why.html").read_text(encoding="utf-8")
        assert "IoU above 0.01" in page
        assert ("significant IoU above 0.01" in page) == is_strict


def test_a_run_that_was_not_tested_for_significance(tmp_path: Path) -> None:
    run = without_null_samples(small_run(tmp_path / "a.cg"))
    with pytest.raises(QueryError, match="the labels of run a were not tested for significance"):
        SignificantLabels(run)
    for words in (("why", "--class", "juggling"), ("show", "ball")):
        done = call(*words, "--run", "a.cg", "--significant", folder=tmp_path)
        assert done.status == 1
        (line,) = done.err.splitlines()
        assert (
            "run a were not tested for significance. Ingest again, with null_samples above 0"
            in line
        )
        assert call(*words, "--run", "a.cg", folder=tmp_path).status == 0


def test_a_run_without_a_significant_label(tmp_path: Path) -> None:
    """It was tested, unlike a run without null samples."""
    run = small_run(tmp_path / "a.cg")
    file = run.path / "detections.parquet"
    pd.read_parquet(file).assign(significant=False).to_parquet(file)
    strict = SignificantLabels(open_run(run.path))
    assert not strict.interpretable.any()
    card = unit_card(open_store(strict), "a", "block4/0")
    assert (card.interpretable, card.concepts) == (False, ())
    assert strict.is_tested
