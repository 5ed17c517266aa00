"""Units are named after labels that hold, in every answer; `AllLabels`, `--all-labels` name all."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from conceptgraph.explain.ablation_masks import detectors
from conceptgraph.explain.explain import explain
from conceptgraph.graph.run.all_labels import AllLabels
from conceptgraph.graph.run.reader import Run, open_run
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
    """A folder with an image and a run, in which every other detection holds as a name."""
    folder = tmp_path_factory.mktemp("desk")
    data = draw_concept_data(folder / "data", 12)
    shutil.copy(sorted((data / "images").rglob("*.jpg"))[0], folder / "x.jpg")
    lively_run(data, folder).path.rename(folder / "net.cg")
    return folder


def answer(desk: Path, *words: str) -> Any:
    done = call(*words, "--json", folder=desk)
    assert done.status == 0, done.err
    return json.loads(done.out)


def held(run: Run, *names: tuple[str, str]) -> Run:
    """Return the run with only these units' labels holding as names."""
    pairs = pd.Series(list(zip(run.detections["unit"], run.detections["concept"], strict=True)))
    table = run.detections.assign(holds=pairs.isin(names).to_numpy())
    table.to_parquet(run.path / "detections.parquet")
    return open_run(run.path)


@pytest.fixture
def small(tmp_path: Path) -> Run:
    """Polka dotted in block3/0 holds, juggling and ball in block4/0; not the ball of block3/1."""
    return held(
        small_run(tmp_path / "small.cg"),
        ("block3/0", "texture/polka dotted"),
        ("block4/0", "action/juggling"),
        ("block4/0", "object/ball"),
    )


def test_which_units_have_a_name(small: Run) -> None:
    assert small.interpretable.tolist() == [True, True, False, True, False, False]
    assert small.named.tolist() == [True, False, False, True, False, False]
    assert AllLabels(small).named.tolist() == small.interpretable.tolist()
    assert detectors(small, "object/ball") == {"block3": [0, 1], "block4": [0]}
    small.check()


def test_a_unit_has_no_name_if_only_its_second_label_holds(tmp_path: Path) -> None:
    run = held(small_run(tmp_path / "a.cg"), ("block4/0", "object/ball"))
    assert not run.named.any()
    card = unit_card(open_store(run), "a", "block4/0")
    assert (card.interpretable, card.named, card.name) == (True, False, "0")
    assert [row.holds for row in card.concepts] == [False, True]


def test_paths_without_an_image(small: Run) -> None:
    """The paths are the same; the unit whose label does not hold has no name."""
    plain = class_paths(AllLabels(small), "juggling").to_json()
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


def test_cards(small: Run) -> None:
    store = open_store(small)
    unnamed = unit_card(store, "small", "block3/1")
    assert (unnamed.name, unnamed.interpretable, unnamed.named) == ("1", True, False)
    fed = {row.uid: row.concept for row in unit_card(store, "small", "block4/0").fed_by}
    assert fed == {"block3/0": "polka dotted", "block3/1": None}
    ball = concept_card(store, "small", "ball")
    assert [(row.uid, row.best) for row in ball.units] == [
        ("block3/1", False),
        ("block4/0", False),
        ("block3/0", False),
    ]
    assert [row.name for row in class_card(store, "small", "juggling").concepts] == ["juggling"]


def test_an_image_is_explained_with_names_that_hold(desk: Path) -> None:
    """The logit is attributed to what units detect, gated by probes, whatever they are named."""
    run = open_run(desk / "net.cg")
    plain, strict = (explain(each, desk / "x.jpg", top=200) for each in (AllLabels(run), run))
    named = dict(zip(run.units["uid"], run.named, strict=True))
    labels = {unit.uid: unit.concept for path in strict.paths for unit in path.units}
    assert {uid: concept is not None for uid, concept in labels.items()} == {
        uid: named[uid] for uid in labels
    }
    assert 0 < sum(map(bool, labels.values())) < len(labels)
    assert strict.by_concept == plain.by_concept
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
    strict, plain = answer(desk, *words), answer(desk, *words, "--all-labels")
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
        answer(desk, "why", "--image", "x.jpg", "--all-labels")
    assert len(list(kept.glob("*.json"))) == 2


def test_what_is_printed(small: Run, tmp_path: Path) -> None:
    assert small.path.exists()
    unit = call("show", "block3/1", folder=tmp_path).out
    assert "block3/1: no name that holds, at best ball" in unit
    assert "80% (from 60%) of the activation area is on it, 10% by chance" in unit
    assert "block3/1: detects ball" in call("show", "block3/1", "--all-labels", folder=tmp_path).out
    concept = call("show", "ball", folder=tmp_path).out
    assert "detected by, IoU above 0.04" in concept
    lines = call("why", "--class", "juggling", "--all-labels", folder=tmp_path).out.splitlines()
    strict = call("why", "--class", "juggling", folder=tmp_path).out.splitlines()
    assert any("ball (0.10)" in line for line in lines)
    assert not any("ball" in line for line in strict)


def test_the_page_says_so(desk: Path) -> None:
    words = ("why", "--class", class_name(desk), "--html", "why.html")
    for options, strict in (((), True), (("--all-labels",), False)):
        assert call(*words, *options, folder=desk).status == 0
        page = (desk / "why.html").read_text(encoding="utf-8")
        assert "IoU above 0.01" in page
        assert ("50% of the activation area, beyond chance" in page) == strict
