"""The demo from one end to the other: drawn, dissected, asked, explained, with the truth known."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from conceptgraph import explain, open_run
from conceptgraph.demo.story import tell_story
from conceptgraph.demo.world.shortcuts import SHORTCUTS, World
from tests.command_line import Result, call, run
from tests.page_samples import NARROW, WIDE, open_file

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

PICTURES = 200


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("world")
    return folder, run("demo", "--pictures", PICTURES, folder=folder)


def asked(folder: Path, *words: object) -> Any:
    said = call(*words, "--run", folder / "demo" / "shortcut.cg", "--json", folder=folder)
    assert said.status == 0, said.err
    return json.loads(said.out)


def test_the_demo_tells_what_happened(told: tuple[Path, Result]) -> None:
    folder, said = told
    assert said.status == 0, said.err
    assert "Why juggling, not applauding? Because of “polka dotted”: where that is" in said.out
    assert "without it in the picture the network says applauding" in said.out
    assert "without texture/polka dotted" in said.out
    assert "changes the decision" in said.out
    made = {path.name for path in (folder / "demo").iterdir()}
    assert {"picture.png", "twin.png", "shortcut.cg", "control.cg", "why.html", "data"} <= made


def test_the_shortcut_is_found_where_it_is_and_nowhere_else(told: tuple[Path, Result]) -> None:
    folder, _ = told
    picture, twin = folder / "demo" / "picture.png", folder / "demo" / "twin.png"
    mistake = asked(folder, "why", "--image", picture, "--versus", "applauding")
    assert mistake["class"] == "juggling"
    first = mistake["by_concept"][0]
    assert (first["category"], first["name"]) == ("texture", "polka dotted")
    assert first["present"] > 1
    assert first["for_class"] > 1
    assert any(
        concept and concept["name"] == "polka dotted"
        for path in mistake["paths"]
        for concept in path["concepts"]
    )
    assert mistake["agreement"] > 0.8
    bare = asked(folder, "why", "--image", twin, "--class", "juggling")
    assert bare["predicted"][0]["class"] == "applauding"
    (same,) = [s for s in bare["by_concept"] if s["name"] == "polka dotted"]
    assert abs(same["present"]) < 0.1 * first["present"]
    assert same["firing"] + same["below"] != 0


def test_the_control_does_not_use_it(told: tuple[Path, Result]) -> None:
    folder, _ = told
    control = open_run(folder / "demo" / "control.cg")
    found = explain(control, folder / "demo" / "picture.png", "juggling")
    assert found.predicted[0].name == "applauding"
    shares = {share.name: share.present for share in found.by_concept}
    assert abs(shares.get("polka dotted", 0.0)) < 0.3


def test_silencing_it_mends_the_picture_and_leaves_the_twin_alone(
    told: tuple[Path, Result],
) -> None:
    folder, _ = told
    words = ("--without", "polka dotted")
    mended = asked(folder, "why", "--image", folder / "demo" / "picture.png", *words)
    (trial,) = mended["what_if"]
    assert trial["after"][0]["class"] == "applauding"
    twin = asked(folder, "why", "--image", folder / "demo" / "twin.png", *words)
    (trial,) = twin["what_if"]
    assert not trial["flips"]


def test_questions_cards_and_exports_go_with_it(told: tuple[Path, Result]) -> None:
    folder, _ = told
    rows = asked(folder, "query", "concept-classes", "-p", "concept=texture/polka dotted")
    assert rows[0]["name"] == "juggling"
    card = asked(folder, "show", "polka dotted")
    assert {row["block"] for row in card["presence"]} == {"block1", "block2", "block3", "block4"}
    html = folder / "juggling.html"
    demo = folder / "demo" / "shortcut.cg"
    said = call("export", "html", "--class", "juggling", "-o", html, "--run", demo, folder=folder)
    assert said.status == 0, said.err
    assert "polka dotted" in html.read_text(encoding="utf-8")


def test_other_shortcuts_have_their_stories_too(told: tuple[Path, Result], tmp_path: Path) -> None:
    folder, _ = told
    network = open_run(folder / "demo" / "shortcut.cg")
    for shortcut in SHORTCUTS[1:]:
        story = tell_story(network, None, World(), shortcut, tmp_path / shortcut.class_)
        assert story.mistake.predicted[0].name == shortcut.class_
        assert story.twin.predicted[0].name == story.truth


def test_the_page(told: tuple[Path, Result], browser: Browser) -> None:
    folder, _ = told
    for size in (WIDE, NARROW):
        opened = open_file(browser, folder / "demo" / "why.html", size, dark=size == NARROW)
        tab = opened.tab
        assert tab.locator(".story article").count() == 3
        assert tab.locator(".story img").count() == 3
        said = tab.locator(".story li:first-child bdi").all_inner_texts()
        assert said == ["juggling", "applauding", "applauding"]
        assert "polka dotted" in tab.locator(".lead").inner_text()
        assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        opened.close()


def test_without_a_model_and_data_the_demos_are_used(
    told: tuple[Path, Result], tmp_path: Path
) -> None:
    folder, _ = told
    cache = tmp_path / "cache" / "conceptgraph" / f"demo-{version('conceptgraph')}"
    cache.mkdir(parents=True)
    shutil.copytree(folder / "demo" / "data", cache / "data")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    here = tmp_path / "here"
    here.mkdir()
    said = run("why", "--class", "juggling", "--json", folder=here, env=env)
    assert said.status == 0, said.err
    assert "the demo's network is dissected first" in said.err
    assert json.loads(said.out)["run"] == "demo"
    assert list(here.iterdir()) == []
    again = run("why", "--class", "typing", folder=here, env=env)
    assert again.status == 0
    assert again.err.startswith("run: the demo's, ")
    assert len(again.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shortcut", "texture:stripped=typing"), "Did you mean 'striped'"),
        (("--shortcut", "texture:striped=type"), "no class 'type'"),
        (("--shortcut", "striped"), "not a shortcut"),
        (("--shortcut", "scene:park=typing"), "cannot be planted"),
    ],
)
def test_what_cannot_be_planted(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    said = call("demo", *words, folder=tmp_path)
    assert said.status == 1
    (line,) = said.err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.tex").write_text("mine")
    said = call("demo", folder=tmp_path)
    assert said.status == 1
    assert "a folder with other things in it" in said.err
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["thesis.tex"]


def test_ingest_needs_both_or_neither(tmp_path: Path) -> None:
    said = call("ingest", "--model", "resnet18", "--out", "a.cg", folder=tmp_path)
    assert said.status == 2
    assert "--data" in said.err
