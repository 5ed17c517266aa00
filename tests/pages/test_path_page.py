"""The page of paths: its document, and its behaviour in a real browser."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from conceptgraph.errors import DataError
from conceptgraph.pages.path_page import MAX_LISTED, render_paths
from conceptgraph.pages.pictures import Picture
from tests.page_samples import (
    DOT,
    JUGGLING,
    NARROW,
    PIT,
    POLKA,
    SMALL,
    WIDE,
    Opened,
    crowded,
    open_page,
    page_of,
    unit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from conceptgraph.pages.path_parts import PathPage

LOADING = replace(PIT, top_images=Picture("https://example.org/a.png"))
MOVING = replace(PIT, top_images=Picture(DOT, "https://example.org/a.webp"))

# ---- the document ------------------------------------------------------------------------------


def data_of(document: str) -> dict[str, Any]:
    text = document.partition('<script type="application/json" id="data">')[2].partition(
        "</script>"
    )[0]
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_nodes_and_edges_are_the_paths() -> None:
    data = data_of(render_paths(SMALL))
    labels = {node["id"]: node["label"] for node in data["nodes"]}
    edges = {(labels[e["from"]], labels[e["to"]]): e["weight"] for e in data["edges"]}
    assert edges == {
        ("17 · polka dotted", "290 · ball pit"): 0.5,
        ("60 · striped", "290 · ball pit"): -0.4,
        ("17 · polka dotted", "5 · juggling"): 0.25,
        ("99", "401"): 0.1,
        ("290 · ball pit", "juggling"): 2.0,
        ("5 · juggling", "juggling"): 1.0,
        ("401", "juggling"): 0.5,
    }
    relative = {labels[e["from"]]: e["relative"] for e in data["edges"] if e["to"] == 6}
    assert relative == {"290 · ball pit": 1.0, "5 · juggling": 0.5, "401": 0.25}
    assert [node["x"] for node in data["nodes"]] == [0, 0, 0, 1, 1, 1, 2]
    assert render_paths(SMALL) == render_paths(SMALL)


def test_the_document_names_no_other_host_or_file() -> None:
    document = render_paths(SMALL)
    ours = document.split("<script>")[0]
    assert "http" not in ours.replace("http-equiv", "")
    assert "sourceMappingURL" not in document
    assert ours.startswith('<!doctype html>\n<html lang="en">')


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (page_of((1.0, (POLKA, PIT), (1.0,))), "one step per unit"),
        (page_of((1.0, (), ())), "at least one unit"),
        (page_of((float("nan"), (PIT,), (1.0,))), "found nan"),
        (page_of((1.0, (PIT,), (float("inf"),))), "found inf"),
        (page_of((1.0, (LOADING,), (1.0,))), "data:image"),
        (page_of((1.0, (MOVING,), (1.0,))), "data:image"),
        (page_of((1.0, (PIT, JUGGLING), (1.0, 1.0))), "same order"),
    ],
)
def test_what_cannot_be_shown_is_refused(page: PathPage, message: str) -> None:
    with pytest.raises(DataError, match=message):
        render_paths(page)


# ---- in Chromium -------------------------------------------------------------------------------


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open pages as files, and close them after the test."""
    shown: list[Opened] = []

    def opened(page: PathPage, size: tuple[int, int] = WIDE, *, dark: bool = False) -> Opened:
        shown.append(open_page(browser, page, tmp_path / "page.html", size, dark=dark))
        return shown[-1]

    yield opened
    for opened_page in shown:
        opened_page.close()


@pytest.fixture(scope="module")
def opened_small(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    opened = open_page(browser, SMALL, tmp_path_factory.mktemp("page") / "small.html")
    yield opened
    opened.close()


@pytest.fixture
def small(opened_small: Opened) -> Opened:
    """Return SMALL, opened once (half a second) and reset for every test."""
    opened_small.tab.mouse.move(0, 0)
    opened_small.tab.keyboard.press("Escape")
    return opened_small


def test_a_click_on_a_unit_keeps_its_paths(small: Opened, tmp_path: Path) -> None:
    assert small.tab.locator("#paths li:visible .rank").count() == 4
    assert not small.tab.locator("#all").is_visible()
    small.click_box("ball pit")
    assert small.state("visible") == [0, 1]
    assert small.tab.locator("#paths li:visible").count() == 2
    expect(small.tab.get_by_role("status")).to_have_text(
        "2 of 4 paths through block4 290 · ball pit"
    )
    hidden = small.tab.evaluate(
        "window.conceptgraph.edges.get({filter: e => e.hidden}).map(e => e.id).sort()"
    )
    assert hidden == ["0>4", "2>5", "4>6", "5>6"]
    small.tab.screenshot(path=tmp_path / "clicked.png")
    small.tab.get_by_role("button", name="Show all").click()
    assert small.state("visible") == [0, 1, 2, 3]
    assert not small.tab.locator("#all").is_visible()
    assert small.tab.evaluate("document.activeElement.id") == "filter"


def test_clicks_beside_again_and_on_the_class_show_all(small: Opened) -> None:
    for away in ("polka dotted", "6 juggling"):
        small.click_box("polka dotted")
        assert small.state("visible") == [0, 2]
        small.click_box(away)
        assert small.state("visible") == [0, 1, 2, 3]
    small.click_box("striped")
    small.tab.locator("#canvas").click(position={"x": 3, "y": 3})
    assert small.state("unit") is None


def test_a_path_is_chosen_with_keys_and_lit_in_the_picture(small: Opened) -> None:
    press = small.tab.keyboard.press
    small.tab.get_by_role("searchbox").focus()
    press("Tab")
    press("Enter")
    assert small.state("selected") == 0
    press("ArrowDown")
    assert small.state("selected") == 1
    pressed = small.tab.locator("#paths [aria-pressed=true]")
    assert pressed.count() == 1
    assert "striped" in (pressed.text_content() or "")
    expect(small.tab.get_by_role("status")).to_have_text(
        "Path 2: 60 · striped → 290 · ball pit → juggling, −1.50"
    )
    opacity = small.tab.evaluate(
        "Object.fromEntries(window.conceptgraph.edges.get().map(e => [e.id, e.color.opacity]))"
    )
    assert {edge for edge, value in opacity.items() if value > 0.5} == {"1>3", "3>6"}
    press("End")
    assert small.state("selected") == 3
    press("ArrowDown")
    assert small.state("selected") == 3
    press("Home")
    press("Enter")
    assert small.state("selected") is None
    press("ArrowDown")
    press("Escape")
    assert small.state("selected") is None


def test_details_open_under_the_path_and_lead_to_the_units_paths(small: Opened) -> None:
    small.tab.locator("#paths li > button").first.click()
    inside = small.tab.locator("#paths li").first.locator("article:visible")
    assert inside.count() == 2
    assert inside.first.inner_text().split("\n")[0] == "block3/17"
    assert "IoU 0.070" in inside.first.inner_text()
    assert inside.first.locator("img").is_visible()
    small.tab.get_by_role("button", name="Only the paths through block3/17").click()
    assert (small.state("visible"), small.state("unit")) == ([0, 2], 0)
    assert small.tab.locator("article:visible").count() == 1


def test_the_box_filters_by_every_word(small: Opened) -> None:
    for words, visible in {
        "POLKA": [0, 2], "polka scene": [0], "block4/5": [2], "no name": [3], "sparse": [3],
        "zebra": [], "": [0, 1, 2, 3],
    }.items():  # fmt: skip
        small.tab.get_by_role("searchbox").fill(words)
        assert small.state("visible") == visible, words
        assert small.tab.locator("#none").is_visible() == (not visible)
    small.tab.get_by_role("searchbox").fill("ball pit")
    small.tab.keyboard.press("ArrowDown")
    small.tab.keyboard.press("ArrowDown")
    assert small.state("selected") == 1
    small.tab.keyboard.press("Escape")
    assert small.tab.get_by_role("searchbox").input_value() == ""
    assert small.state("visible") == [0, 1, 2, 3]


HOSTILE = [
    "</script><img src=x onerror=document.title='taken'>",
    'it\'s "quoted" & <b>bold</b> `${1}` {{ 7*7 }}',
    "🤹🏽 كرات منقطة",
    "__proto__",
]


def test_every_name_is_text(show: Callable[..., Opened]) -> None:
    odd = [unit(f"block3/{index}", name, category=name) for index, name in enumerate(HOSTILE)]
    page = page_of(*((1.0, (one,), (1.0,)) for one in odd))
    name = HOSTILE[0]
    opened = show(
        replace(page, title=name, target=name, lead=name, value_name=name, facts=((name, name),))
    )  # fmt: skip
    assert opened.tab.title() == name
    assert opened.tab.locator("h1").inner_text() == name
    assert opened.tab.locator("#paths .chip").all_inner_texts() == HOSTILE
    assert opened.tab.locator("img").count() == 0
    assert opened.tab.locator("b:has-text('bold')").count() == 0
    opened.click_box("__proto__")
    assert opened.state("visible") == [3]


@pytest.mark.parametrize("blocks", [1, 4])
def test_boxes_never_overlap_and_hold_their_words(show: Callable[..., Opened], blocks: int) -> None:
    page = show(crowded(blocks, 20, 40))
    for width, height in (WIDE, NARROW, (1250, 700)):
        if width < 600 and blocks > 2:  # too narrow to read: the list has all
            page.tab.set_viewport_size({"width": width, "height": height})
            expect(page.tab.locator("#canvas")).to_be_hidden()
            expect(page.tab.locator(".narrow")).to_be_visible()
            continue
        page.tab.set_viewport_size({"width": width, "height": height})
        page.tab.wait_for_timeout(100)
        boxes = list(page.boxes().values())
        assert len(boxes) > 15 * blocks
        for a, b in itertools.combinations(boxes, 2):
            apart = max(a["left"], b["left"]) - min(a["right"], b["right"])
            below = max(a["top"], b["top"]) - min(a["bottom"], b["bottom"])
            assert apart >= 30 or below >= -0.2  # vis counts 5 px of air on every side as box
        widths = {round(box["right"] - box["left"]) for box in boxes}
        assert len(widths) == 1  # no label widened its box
        stage = page.tab.locator("#canvas").bounding_box()
        assert stage is not None
        middles = {round((box["left"] + box["right"]) / 2, 1) for box in boxes}
        step = stage["width"] / (blocks + 1)
        assert sorted(middles) == pytest.approx(
            [step * (column + 0.5) for column in range(blocks + 1)], abs=1
        )
        assert max(box["bottom"] for box in boxes) < stage["height"]
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_units_without_a_concept_are_dashed(small: Opened) -> None:
    dashed = small.tab.evaluate(
        "window.conceptgraph.nodes.get({filter: n => n.shapeProperties?.borderDashes})"
        ".map(n => n.label).sort()"
    )
    assert dashed == ["401", "99"]
    assert small.tab.locator("#paths .chip.none").all_inner_texts() == ["sparse", "no name"]


def test_sign_shows_in_line_words_and_colour(small: Opened) -> None:
    edges = {edge["id"]: edge for edge in small.state("edges.get()")}
    assert [edge for edge, drawn in edges.items() if drawn["dashes"]] == ["1>3"]
    assert edges["1>3"]["color"]["color"] != edges["0>3"]["color"]["color"]
    assert edges["0>3"]["width"] > edges["1>3"]["width"] > edges["2>5"]["width"]
    assert small.tab.locator("#paths .number").all_inner_texts() == [
        "+2.50", "−1.50", "+1.00", "+0.50"
    ]  # fmt: skip


def test_a_tooltip_says_what_a_unit_detects(small: Opened) -> None:
    box = next(box for name, box in small.boxes().items() if name.endswith("polka dotted"))
    small.tab.locator("#canvas").hover(position={"x": box["left"] + 9, "y": box["top"] + 9})
    tooltip = small.tab.locator("div.vis-tooltip")
    expect(tooltip).to_be_visible()
    assert "polka dotted" in tooltip.inner_text()
    assert "IoU 0.210" in tooltip.inner_text()


def canvas_colour(page: Opened, x: float, y: float) -> tuple[int, ...]:
    """Return the canvas' colour at a point of the graph: red, green, blue, alpha."""
    return tuple(
        page.tab.evaluate(
            "([x, y]) => { const c = document.querySelector('#canvas canvas');"
            "const at = window.conceptgraph.network.canvasToDOM({x, y});"
            "const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});"
            "pen.drawImage(c, -at.x, -at.y); return [...pen.getImageData(0, 0, 1, 1).data]; }",
            [x, y],
        )
    )


def test_dark_and_light_reach_the_canvas_and_paper_is_light(show: Callable[..., Opened]) -> None:
    page = show(SMALL, dark=True)
    box = next(box for name, box in page.boxes().items() if name.endswith("striped"))
    corner = box["left"] + 12, box["top"] + 12
    page.tab.wait_for_timeout(100)
    dark = canvas_colour(page, *corner)
    assert max(dark[:3]) < 110
    page.tab.emulate_media(media="print")
    page.tab.wait_for_timeout(100)
    assert min(canvas_colour(page, *corner)[:3]) > 180
    assert page.tab.locator("#paths li:visible").count() == 4
    assert not page.tab.locator("#filter").is_visible()
    page.tab.emulate_media(media="screen", color_scheme="light")
    page.tab.wait_for_timeout(100)
    assert min(canvas_colour(page, *corner)[:3]) > 180


def test_the_picture_has_words(show: Callable[..., Opened]) -> None:
    words = show(SMALL).tab.get_by_role("img", name="4 paths drawn as lines")
    assert "3 units of block3, 3 units of block4, to the class juggling" in (
        words.get_attribute("aria-label") or ""
    )


def test_measured_effects(show: Callable[..., Opened]) -> None:
    measured = tuple(
        replace(path, measured=path.value * factor, disputed=factor < 0.5)
        for path, factor in zip(SMALL.paths, (0.9, -0.1, 1.0, 1.1), strict=True)
    )
    for size in (WIDE, NARROW):
        for dark in (False, True):
            opened = show(replace(SMALL, paths=measured), size, dark=dark)
            effects = opened.tab.locator("#paths span.measured:not(.strip)").all_inner_texts()
            assert [" ".join(effect.split()) for effect in effects] == [
                "measured +2.25", "measured +0.15 ?", "measured +1.00",
                "measured +0.55",
            ]  # fmt: skip
            assert opened.cut_off() == []


def test_what_is_too_much_to_draw_is_said(show: Callable[..., Opened]) -> None:
    wide = crowded(4, 120, MAX_LISTED + 7)
    page = show(wide)
    data = data_of(render_paths(wide))
    assert 290 < len(data["nodes"]) <= 300
    assert page.tab.locator("#paths li").count() == MAX_LISTED
    notes = page.tab.locator(".note:visible").all_inner_texts()
    undrawn = page.tab.locator("#paths .muted", has_text="not drawn").count()
    assert notes[0].startswith(f"{undrawn} of the {MAX_LISTED} listed paths are not drawn")
    assert notes[1] == f"Only the first {MAX_LISTED} of {MAX_LISTED + 7} paths are listed."
    page.tab.locator("#paths li > button").last.click()
    assert page.state("selected") == MAX_LISTED - 1
    assert page.tab.locator("article:visible").count() == 4


def test_no_path_is_a_page_too(show: Callable[..., Opened]) -> None:
    page = show(page_of())
    expect(page.tab.locator("#paths")).to_contain_text("No path was found.")
    page.tab.keyboard.press("Escape")
    assert page.state("visible") == []
