"""The demo end to end: pictures drawn, networks dissected, a mistake explained, the cause known."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from conceptgraph import explain, open_run
from conceptgraph.demo.mistake import explain_mistake
from conceptgraph.demo.world.shortcuts import SHORTCUTS, World
from tests.command_line import CommandResult, call
from tests.command_line import run as run_command
from tests.page_samples import NARROW, WIDE, open_file

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PICTURES = 200


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CommandResult]:
    """Run the demo; return the folder it was run in, and its output."""
    folder = tmp_path_factory.mktemp("world")
    return folder, run_command("demo", "--pictures", PICTURES, folder=folder)


def json_of(folder: Path, *words: object) -> Any:
    """Run a command on the network with the shortcuts and return its JSON."""
    result = call(*words, "--run", folder / "demo" / "shortcut.cg", "--json", folder=folder)
    assert result.status == 0, result.err
    return json.loads(result.out)


def test_the_demo_states_the_cause_of_the_mistake(demo: tuple[Path, CommandResult]) -> None:
    folder, result = demo
    assert result.status == 0, result.err
    assert "Why juggling, not applauding? Because of “polka dotted”: where it is" in result.out
    assert "without it in the picture the network predicts applauding" in result.out
    assert "ablation: texture/polka dotted" in result.out
    assert "the decision changes to applauding" in result.out
    files = {path.name for path in (folder / "demo").iterdir()}
    assert {"picture.png", "twin.png", "shortcut.cg", "control.cg", "why.html", "data"} <= files


def test_the_cue_explains_the_mistake_but_not_the_twin(demo: tuple[Path, CommandResult]) -> None:
    folder, _ = demo
    picture, twin = folder / "demo" / "picture.png", folder / "demo" / "twin.png"
    mistake = json_of(folder, "why", "--image", picture, "--versus", "applauding")
    assert mistake["class"] == "juggling"
    cue = mistake["by_concept"][0]
    assert (cue["category"], cue["name"]) == ("texture", "polka dotted")
    assert cue["present"] > 1
    assert cue["for_class"] > 1
    assert any(
        concept and concept["name"] == "polka dotted"
        for path in mistake["paths"]
        for concept in path["concepts"]
    )
    assert mistake["agreement"] > 0.8
    without_cue = json_of(folder, "why", "--image", twin, "--class", "juggling")
    assert without_cue["predicted"][0]["class"] == "applauding"
    (absent,) = [c for c in without_cue["by_concept"] if c["name"] == "polka dotted"]
    assert abs(absent["present"]) < 0.1 * cue["present"]
    assert absent["firing"] + absent["below"] != 0


def test_the_control_does_not_use_the_cue(demo: tuple[Path, CommandResult]) -> None:
    folder, _ = demo
    control = open_run(folder / "demo" / "control.cg")
    explanation = explain(control, folder / "demo" / "picture.png", "juggling")
    assert explanation.predicted[0].name == "applauding"
    present = {concept.name: concept.present for concept in explanation.by_concept}
    assert abs(present.get("polka dotted", 0.0)) < 0.3


def test_ablating_the_cue_corrects_the_mistake_and_not_the_twin(
    demo: tuple[Path, CommandResult],
) -> None:
    folder, _ = demo
    words = ("--ablate", "polka dotted")
    mistake = json_of(folder, "why", "--image", folder / "demo" / "picture.png", *words)
    (ablation,) = mistake["what_if"]
    assert ablation["after"][0]["class"] == "applauding"
    twin = json_of(folder, "why", "--image", folder / "demo" / "twin.png", *words)
    (ablation,) = twin["what_if"]
    assert not ablation["flips"]


def test_questions_cards_and_exports_work_on_its_run(demo: tuple[Path, CommandResult]) -> None:
    folder, _ = demo
    rows = json_of(folder, "query", "concept-classes", "-p", "concept=texture/polka dotted")
    assert rows[0]["name"] == "juggling"
    card = json_of(folder, "show", "polka dotted")
    assert {row["block"] for row in card["presence"]} == {"block1", "block2", "block3", "block4"}
    html = folder / "juggling.html"
    run = folder / "demo" / "shortcut.cg"
    words = ("export", "html", "--class", "juggling", "--top", "100", "-o", html, "--run", run)
    result = call(*words, folder=folder)
    assert result.status == 0, result.err
    assert "polka dotted" in html.read_text(encoding="utf-8")


def test_other_shortcuts_are_explained_too(
    demo: tuple[Path, CommandResult], tmp_path: Path
) -> None:
    folder, _ = demo
    run = open_run(folder / "demo" / "shortcut.cg")
    for shortcut in SHORTCUTS[1:]:
        explained = explain_mistake(run, None, World(), shortcut, tmp_path / shortcut.class_)
        assert explained.mistake.predicted[0].name == shortcut.class_
        assert explained.twin.predicted[0].name == explained.true_class


def test_the_page(demo: tuple[Path, CommandResult], browser: Browser) -> None:
    folder, _ = demo
    for size in (WIDE, NARROW):
        opened = open_file(browser, folder / "demo" / "why.html", size, dark=size == NARROW)
        tab = opened.tab
        assert tab.locator(".panels article").count() == 3
        assert tab.locator(".panels img").count() == 3
        predictions = tab.locator(".panels li:first-child bdi").all_inner_texts()
        assert predictions == ["juggling", "applauding", "applauding"]
        assert "polka dotted" in tab.locator(".verdict").inner_text()
        assert "polka dotted" in tab.locator("#things button").first.inner_text()
        assert "without it in the picture" in tab.locator(".truth > p").inner_text()
        tab.keyboard.press("1")
        said = tab.locator("#said").inner_text()
        assert said.startswith("without it: applauding")
        assert opened.cut_off() == []
        opened.close()


def test_why_asks_the_demos_network_if_that_is_said(
    demo: tuple[Path, CommandResult], tmp_path: Path
) -> None:
    folder, _ = demo
    cache = tmp_path / "cache" / "conceptgraph" / f"demo-{version('conceptgraph')}"
    cache.mkdir(parents=True)
    shutil.copytree(folder / "demo" / "data", cache / "data")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = run_command(
        "why", "--demo", "--class", "juggling", "--json", folder=elsewhere, env=env
    )
    assert result.status == 0, result.err
    assert "the demo's network is dissected first" in result.err
    assert json.loads(result.out)["run"] == "demo"
    assert list(elsewhere.iterdir()) == []
    again = run_command("why", "--demo", "--class", "typing", folder=elsewhere, env=env)
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
def test_invalid_shortcuts(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    result = call("demo", *words, folder=tmp_path)
    assert result.status == 1
    (line,) = result.err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.tex").write_text("text")
    result = call("demo", folder=tmp_path)
    assert result.status == 1
    assert "a folder with other files in it" in result.err
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["thesis.tex"]


def test_ingest_needs_both_model_and_data_or_neither(tmp_path: Path) -> None:
    result = call("ingest", "--model", "resnet18", "--out", "a.cg", folder=tmp_path)
    assert result.status == 2
    assert "--data" in result.err


def test_a_motion_is_the_cause_of_a_mistake(tmp_path: Path, browser: Browser) -> None:
    result = run_command("demo", "--video", "--pictures", 120, folder=tmp_path)
    assert result.status == 0, result.err
    for class_, cue, without in (
        ("juggling", "polka dotted", "without it in the clip"),
        ("cycling", "right (motion)", "with the thing at rest"),
    ):
        folder = tmp_path / "demo" / class_
        (line,) = [line for line in result.out.splitlines() if line.startswith(f"Why {class_},")]
        true_class = line.split(" not ")[1].split("?")[0]
        assert f"Because of “{cue}”: where it is present, it adds +" in line
        assert f"{without} the network predicts {true_class}" in line
        assert "ablated" in line
        for clip in ("clip", "twin"):
            assert len(list((folder / clip).iterdir())) == 8
        opened = open_file(browser, folder / "why.html", WIDE)
        tab = opened.tab
        predictions = tab.locator(".panels li:first-child bdi").all_inner_texts()
        assert predictions == [class_, true_class, true_class]
        assert tab.locator(".panels source[type='image/webp']").count() == 3
        assert "Frozen at its middle frame" in tab.locator(".head-of-image").inner_text()
        assert opened.cut_off() == []
        opened.close()
    words = ("why", "--image", tmp_path / "demo" / "cycling" / "clip")
    mistake = json_of(tmp_path, *words)
    assert mistake["by_concept"][0]["name"] == "right"
    assert mistake["motion"]["frozen"]["class"] == true_class
    said = " ".join(result.out.split())
    assert f"The motion decides: frozen, the network says {true_class}" in said
