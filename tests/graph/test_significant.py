"""Only significant labels name units, whatever is asked: `SignificantLabels`, `--significant`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from conceptgraph.errors import QueryError
from conceptgraph.explain.ablation_masks import detectors
from conceptgraph.explain.explain import explain
from conceptgraph.graph.run.files import LATER
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
    """A folder with an image and a run, in which every other detection is said to be by chance."""
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
    """Beyond chance: polka dotted in block3/0, juggling and ball in block4/0; no other ball."""
    return SignificantLabels(small_run(tmp_path / "small.cg"))


def earlier(run: Run) -> Run:
    """The run as if it came from before labels were compared with chance."""
    for name, columns in LATER.items():
        file = run.path / f"{name}.parquet"
        pd.read_parquet(file).drop(columns=list(columns)).to_parquet(file)
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


def test_a_unit_named_by_chance_has_no_name_though_another_label_is_beyond_it(
    tmp_path: Path,
) -> None:
    run = small_run(tmp_path / "a.cg")
    file = run.path / "detections.parquet"
    table = pd.read_parquet(file)
    table["significant"] = (table["unit"] == "block4/0") & (table["rank"] == 1)
    table.to_parquet(file)
    found = SignificantLabels(open_run(run.path))
    assert not found.interpretable.any()
    assert found.interpretable_detections.empty
    assert [row.uid for row in unit_card(open_store(found), "a", "block4/0").concepts] == [
        "object/ball"
    ]


def test_paths_without_an_image(small: SignificantLabels, tmp_path: Path) -> None:
    """The same paths; the unit whose label is within chance loses its name."""
    every = class_paths(open_run(tmp_path / "small.cg"), "juggling").to_json()
    found = class_paths(small, "juggling").to_json()
    names = [[c and c["name"] for c in path["concepts"]] for path in _paths(found)]
    before = [[c and c["name"] for c in path["concepts"]] for path in _paths(every)]
    assert [path["units"] for path in _paths(found)] == [path["units"] for path in _paths(every)]
    assert ["ball", "juggling"] in before
    assert [None, "juggling"] in names
    assert names == [[None if n == "ball" else n for n in path] for path in before]


def _paths(found: dict[str, Any]) -> list[dict[str, Any]]:
    paths: list[dict[str, Any]] = found["paths"]
    return paths


def test_cards(small: SignificantLabels) -> None:
    store = open_store(small)
    chance = unit_card(store, "small", "block3/1")
    assert (chance.name, chance.interpretable, chance.concepts) == ("1", False, ())
    fed = {row.uid: row.concept for row in unit_card(store, "small", "block4/0").fed_by}
    assert fed == {"block3/0": "polka dotted", "block3/1": None}
    ball = concept_card(store, "small", "ball")
    assert [(row.uid, row.best, row.significant) for row in ball.units] == [
        ("block4/0", False, True)
    ]
    assert [row.name for row in class_card(store, "small", "juggling").concepts] == ["juggling"]


def test_an_image_is_explained_by_what_is_beyond_chance(desk: Path) -> None:
    """What the other units add is kept, under no concept."""
    run = open_run(desk / "net.cg")
    beyond = SignificantLabels(run)
    every, found = (explain(each, desk / "x.jpg", top=200) for each in (run, beyond))
    units = dict(zip(run.units["uid"], run.significant, strict=True))
    labels = {unit.uid: unit.concept for path in found.paths for unit in path.units}
    assert {uid: concept is not None for uid, concept in labels.items()} == {
        uid: units[uid] for uid in labels
    }
    assert 0 < sum(map(bool, labels.values())) < len(labels)
    firm = beyond.interpretable_detections
    concepts = set(firm["concept"][firm["unit"].str.startswith("block3/")])
    assert {f"{each.category}/{each.name}" for each in found.by_concept[:-1]} == concepts
    sums = [
        sum(share.present + share.firing + share.below for share in each.by_concept)
        for each in (every, found)
    ]
    assert sums[0] == pytest.approx(sums[1], abs=1e-6)
    assert found.by_concept[-1].firing != every.by_concept[-1].firing
    assert found.accounting == every.accounting


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
    every, found = answer(desk, *words), answer(desk, *words, "--significant")
    assert list(found) == list(every)
    assert found != every
    for name, value in every.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and found[name]:
            assert list(found[name][0]) == list(value[0])


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
    found = call("show", "block3/1", "--significant", folder=tmp_path).out
    assert "block3/1: no concept with an IoU above 0.04 and beyond chance" in found
    found = call("show", "ball", "--significant", folder=tmp_path).out
    assert "detected by, IoU above 0.04 and beyond chance" in found
    assert "block3/1" not in found
    lines = call("why", "--class", "juggling", folder=tmp_path).out.splitlines()
    strict = call("why", "--class", "juggling", "--significant", folder=tmp_path).out.splitlines()
    assert any("ball (0.10)" in line for line in lines)
    assert not any("ball" in line for line in strict)


def test_the_page_says_so(desk: Path) -> None:
    words = ("why", "--class", class_name(desk), "--html", "why.html")
    for more, said in (((), False), (("--significant",), True)):
        assert call(*words, *more, folder=desk).status == 0
        page = (desk / "why.html").read_text(encoding="utf-8")
        assert "named by an IoU above 0.01" in page
        assert ("above 0.01 and beyond chance" in page) == said


def test_a_run_that_was_not_compared_with_chance(tmp_path: Path) -> None:
    run = earlier(small_run(tmp_path / "a.cg"))
    with pytest.raises(QueryError, match="run a was not compared with chance"):
        SignificantLabels(run)
    for words in (("why", "--class", "juggling"), ("show", "ball")):
        done = call(*words, "--run", "a.cg", "--significant", folder=tmp_path)
        assert done.status == 1
        (line,) = done.err.splitlines()
        assert "a was not compared with chance. Ingest it again, without null_samples=0" in line
        assert call(*words, "--run", "a.cg", folder=tmp_path).status == 0


def test_where_no_label_is_beyond_chance(tmp_path: Path) -> None:
    """That is an answer, not a run that was not asked."""
    run = small_run(tmp_path / "a.cg")
    file = run.path / "detections.parquet"
    pd.read_parquet(file).assign(significant=False).to_parquet(file)
    found = SignificantLabels(open_run(run.path))
    assert not found.interpretable.any()
    card = unit_card(open_store(found), "a", "block4/0")
    assert (card.interpretable, card.concepts) == (False, ())
    assert found.is_tested
