"""The page of an image: its document, and its behaviour in a real browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from conceptgraph.errors import DataError
from conceptgraph.pages.image_page import render_image
from conceptgraph.pages.image_parts import ImagePage, PageAttribution, PageChange, PageName
from tests.page_samples import (
    BAG,
    DOT,
    FLOOR,
    NARROW,
    OTHER_DOT,
    WIDE,
    Opened,
    image_sample,
    open_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

PAGE = image_sample()
HOSTILE = "</script><img src=x onerror=document.title='taken'>"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (replace(PAGE, accounting=(("logit", float("inf")),)), "found inf"),
        (replace(PAGE, things=(replace(BAG, evidence=float("nan")),)), "found nan"),
        (replace(PAGE, image="https://example.org/a.png"), "data:image"),
        (replace(PAGE, things=(replace(BAG, painted="a.png"),)), "data:image"),
    ],
)
def test_what_cannot_be_shown_is_refused(page: ImagePage, message: str) -> None:
    with pytest.raises(DataError, match=message):
        render_image(page)


def test_the_document_names_no_other_host_or_file() -> None:
    ours = render_image(PAGE).split("<script>")[0]
    assert "http" not in ours.replace("http-equiv", "")
    assert render_image(PAGE) == render_image(PAGE)


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open pages as files, and close them after the test."""
    shown: list[Opened] = []

    def opened(page: ImagePage, size: tuple[int, int] = WIDE, *, dark: bool = False) -> Opened:
        shown.append(open_page(browser, page, tmp_path / "page.html", size, dark=dark))
        return shown[-1]

    yield opened
    for opened_page in shown:
        opened_page.close()


@pytest.fixture
def opened(show: Callable[..., Opened]) -> Opened:
    return show(PAGE)


def lit(opened: Opened) -> list[str]:
    """Return the marks that are lit on the photograph."""
    marks: list[str] = opened.tab.evaluate(
        "[...document.querySelectorAll('.picture .mark.lit')].map(mark => mark.textContent)"
    )
    return marks


def test_the_verdict_leads_and_things_stand_beside_the_photograph(opened: Opened) -> None:
    tab = opened.tab
    assert tab.locator(".verdict").inner_text() == PAGE.verdict
    marks = tab.locator(".picture .mark:visible").all_inner_texts()
    assert marks == ["1", "2"]  # the weaker one only when it is pointed at
    first = tab.locator("#things button").first
    words = " ".join(first.inner_text().split())
    assert words == (
        "1 polka dotted red bag leather 1 more 8 % of the picture evidence +2.50 "
        "loss without it +2.25 without it: typing 90 %"
    )
    assert "still juggling 70 %" in tab.locator("#things button").nth(1).inner_text()
    doubts = tab.locator(".doubt").all_inner_texts()
    assert len(doubts) == 1
    photograph, thing = tab.locator(".picture").bounding_box(), first.bounding_box()
    assert photograph is not None
    assert thing is not None
    assert photograph["x"] + photograph["width"] < thing["x"]
    assert photograph["width"] > 500


def test_hovering_lights_a_thing_and_choosing_paints_it_over(opened: Opened) -> None:
    tab = opened.tab
    row = tab.locator("#things button").first
    row.hover()
    assert lit(opened) == ["1"]
    assert tab.locator("#photograph").get_attribute("src") == DOT
    row.click()
    assert tab.locator("#photograph").get_attribute("src") == OTHER_DOT
    expect(tab.locator("#said")).to_have_text("without it: typing 90 %")
    expect(tab.locator("#things button").first.locator(".all-names")).to_be_visible()
    row.click()
    assert tab.locator("#photograph").get_attribute("src") == DOT
    tab.locator(".picture .mark").nth(1).click()
    assert tab.evaluate("window.imagePage.state.chosen") == "2"


def test_the_region_that_was_asked_about_has_a_key(show: Callable[..., Opened]) -> None:
    opened = show(replace(PAGE, asked=replace(FLOOR, mark="R", names=())))
    for key in ("r", "R"):
        opened.tab.keyboard.press("Escape")
        opened.tab.keyboard.press(key)
        assert lit(opened) == ["R"]


def test_keys_choose_things(opened: Opened) -> None:
    press, tab = opened.tab.keyboard.press, opened.tab
    press("2")
    assert lit(opened) == ["2"]
    expect(tab.locator("#said")).to_have_text("without it: still juggling 70 %")
    press("ArrowUp")
    assert lit(opened) == ["1"]
    press("Enter")
    assert tab.evaluate("window.imagePage.state.chosen") == "1"
    assert tab.locator("[aria-pressed=true]").count() == 1
    press("Escape")
    assert tab.evaluate("window.imagePage.state.chosen") is None
    assert tab.locator("#photograph").get_attribute("src") == DOT
    press("3")  # opens the weaker ones
    expect(tab.locator(".weaker button")).to_be_visible()
    assert lit(opened) == ["3"]
    tab.locator(".choose select").first.focus()
    press("1")
    assert tab.evaluate("window.imagePage.state.chosen") == "3"


def test_a_region_lights_its_place_in_what_the_network_sees(opened: Opened) -> None:
    tab = opened.tab
    tab.locator("tr[data-place]").first.hover()
    assert tab.locator("#dim").get_attribute("d") == (
        "M0 0H100V100H0ZM0.0,0.0h25.0v50.0H0.0Z"  # the first of 2 × 2 positions of the left half
    )
    expect(tab.locator("#said")).to_have_text("bag: 25 % of the picture, +1.50")
    rows = tab.locator("table.regions:visible tr.sum").all_inner_texts()
    assert [row.split()[-1] for row in rows] == ["+1.20", "+3.00"]
    tab.locator(".choose select").first.select_option("texture")
    tab.locator("tr[data-place]:visible").first.focus()
    assert tab.locator("#dim").get_attribute("d") == (
        "M0 0H100V100H0ZM25.0,0.0h25.0v50.0H25.0ZM0.0,50.0h25.0v50.0H0.0Z"
    )


def test_a_box_of_the_graph_opens_into_its_flows_and_units(opened: Opened) -> None:
    tab = opened.tab
    boxes = tab.locator(".flow-column > *").all_inner_texts()
    assert [" ".join(box.split()) for box in boxes] == [
        "bag +1.50", "elsewhere +0.30", "bias terms +0.70",
        "bag +2.00", "elsewhere +0.50", "bias terms +0.50", "juggling +3.00",
    ]  # fmt: skip
    tab.locator(".flow-column button").first.click()
    panel = " ".join(tab.locator(".flow-box").inner_text().split())
    assert panel == (
        "bag in block3: +1.50, 8 % of the picture by way of block4: bag +1.75 elsewhere −0.25 "
        "The units that carry most of it, with the images where they are most active: "
        "+1.25 block3/17 polka dotted −0.25 block3/60 no name all other units: +0.50"
    )
    assert tab.locator(".flow-box img").count() == 1
    assert tab.locator(".flow-graph path.lit").count() == 2
    assert tab.locator("#dim").get_attribute("d") != ""
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert tab.locator(".flow-box h3").inner_text().startswith("bag in block4: +2.00")
    tab.keyboard.press("Escape")
    assert tab.locator("#dim").get_attribute("d") == ""
    tab.locator(".flow-head select").first.select_option("texture")
    assert tab.locator(".flow-column button bdi").first.inner_text() == "polka dotted"


def test_unit_paths_are_shown_when_asked_for(opened: Opened) -> None:
    tab = opened.tab
    expect(tab.locator("#canvas")).to_be_hidden()
    assert tab.locator("#paths li:visible").count() == 0
    tab.locator(".unit-details > summary").click()
    assert tab.locator("#paths li:visible").count() == 4
    tab.wait_for_timeout(200)
    opened.click_box("ball pit")
    assert opened.state("visible") == [0, 1]
    assert tab.locator(".accounting .number").all_inner_texts() == [
        "+2.50", "+1.50", "−1.00", "+3.00"
    ]  # fmt: skip
    ends = tab.evaluate(
        "[...document.querySelectorAll('.accounting i')].map(i => i.getBoundingClientRect())"
        ".map(r => [r.left, r.right])"
    )
    assert ends[0][1] == pytest.approx(ends[1][0], abs=1)
    assert ends[1][1] == pytest.approx(ends[2][1], abs=1)
    assert ends[0][0] == pytest.approx(ends[3][0], abs=1)


def test_the_view_of_evidence_and_the_fewest_that_change_the_answer(
    show: Callable[..., Opened],
) -> None:
    change = PageChange(("1", "2"), ("typing", 0.95), OTHER_DOT)
    opened = show(replace(PAGE, change=change))
    opened.tab.get_by_label("evidence in block3").check()
    assert opened.tab.locator("#photograph").get_attribute("src") == OTHER_DOT
    assert opened.tab.locator(".picture .mark:visible").count() == 0
    opened.tab.get_by_label("things", exact=True).check()
    opened.tab.locator("button.change").click()
    assert lit(opened) == ["1", "2"]
    expect(opened.tab.locator("#said")).to_have_text("without them: typing 95 %")


def test_nothing_is_cut_off_wide_narrow_dark(show: Callable[..., Opened], tmp_path: Path) -> None:
    for size in (WIDE, NARROW):
        for dark in (False, True):
            opened = show(replace(PAGE, asked=replace(FLOOR, mark="R", names=())), size, dark=dark)
            opened.tab.locator(".flow-column button").first.click()
            for summary in opened.tab.locator("summary:visible").all():
                summary.click()
            assert [e for e in opened.cut_off() if "BDI" not in e] == []
            opened.tab.evaluate("scrollTo(0, 0)")
            sections = ".intro", ".picture", "#things", "#regions", "#flows", ".attributions"
            tops = [opened.tab.locator(name).bounding_box() for name in sections]
            assert all(tops)
            if size == NARROW:
                assert [box["y"] for box in tops if box] == sorted(box["y"] for box in tops if box)
            paper = opened.tab.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, paper[4:-1].split(", "))) < 200) == dark
            opened.tab.screenshot(path=tmp_path / f"{size[0]}{dark}.png", full_page=True)


def test_print_shows_things_and_graph_without_controls(opened: Opened) -> None:
    opened.tab.emulate_media(media="print")
    for hidden in (".views", ".choose select", ".flow-box"):
        expect(opened.tab.locator(hidden).first).to_be_hidden()
    assert opened.tab.locator("#things button:visible").count() == 2
    assert opened.tab.locator(".flow-graph path").count() == 9


def test_concepts_by_units_and_ablations(opened: Opened, show: Callable[..., Opened]) -> None:
    tab = opened.tab
    tab.locator(".attributions summary").click()
    rows = tab.locator(".attributions tbody tr").all_inner_texts()
    assert [" ".join(row.split()) for row in rows] == [
        "polka <dotted> texture +2.00 +0.30 −0.50 0.81",
        "3 more concepts +0.25 +0.00 +0.10",
        "units without a concept +0.00 −1.00 +0.00",
    ]  # fmt: skip
    categories = tab.locator(".attributions details p").last.inner_text()
    assert categories == "By category, where present: texture +2.00, object −0.40."
    words = " ".join(tab.locator(".ablations table").inner_text().split())
    assert words == "texture/polka, 3 units: it changes class before after typing 10.0 % 90.0 %"
    apart = PageAttribution("ball", "object", 2.0, 0.25, 0.5, "0.60", None, 2.5, -0.5)
    tab = show(replace(PAGE, attributions=(apart,), versus="typing")).tab
    tab.locator(".attributions summary").click()
    headers = tab.locator(".attributions thead th").all_inner_texts()
    assert headers[1:3] == ["present, raises juggling", "present, lowers typing"]
    row = tab.locator(".attributions tbody tr").first.inner_text()
    assert row.split() == ["ball", "object", "+2.50", "−0.50", "+0.25", "+0.50", "0.60"]


def test_every_name_is_text(show: Callable[..., Opened]) -> None:
    assert PAGE.flows is not None
    named = replace(BAG, names=(PageName(HOSTILE, HOSTILE),), answer=(HOSTILE, 0.5))
    graph = PAGE.flows.graphs[0]
    column = tuple(replace(box, name=HOSTILE) for box in graph.columns[0])
    flows = replace(
        PAGE.flows,
        graphs=(graph._replace(columns=(column, *graph.columns[1:])),),
        units=tuple(unit._replace(concept=PageName(HOSTILE, HOSTILE)) for unit in PAGE.flows.units),
    )
    opened = show(
        replace(PAGE, title=HOSTILE, target=HOSTILE, verdict=HOSTILE, things=(named,), flows=flows,
                predicted=((HOSTILE, 0.5),), facts=((HOSTILE, HOSTILE),))
    )  # fmt: skip
    opened.tab.locator(".flow-column button").first.click()
    opened.tab.keyboard.press("1")
    assert opened.tab.title() == HOSTILE
    assert opened.tab.locator(".verdict").inner_text() == HOSTILE
    assert opened.tab.locator(".flow-column bdi").first.inner_text() == HOSTILE
    assert opened.tab.locator(".flow-box .chip").first.inner_text() == HOSTILE
    assert opened.tab.locator("img[src=x]").count() == 0


def test_an_image_in_which_nothing_is_found(show: Callable[..., Opened]) -> None:
    opened = show(replace(PAGE, things=(), places=(), regions=(), flows=None, maps=()))
    words = opened.tab.locator("main").inner_text()
    assert "No concept of the data is found in any part of this picture." in words


def test_a_clip_shows_one_frame_everywhere(show: Callable[..., Opened]) -> None:
    """The slider, by keyboard, moves the photograph, its marks and the pictures of things."""
    width, height = PAGE.size
    page = show(replace(PAGE, frames=4)).tab
    slider = page.get_by_role("slider", name="Frame")
    expect(page.locator("output")).to_have_text("3 of 4")

    def top() -> float:
        box, frame = (page.locator(name).bounding_box() for name in ("#photograph", ".picture"))
        assert box is not None
        assert frame is not None
        assert frame["width"] / frame["height"] == pytest.approx(4 * width / height, rel=0.02)
        return (frame["y"] - box["y"]) / frame["height"]

    assert top() == pytest.approx(2, abs=0.02)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("output")).to_have_text("2 of 4")
    assert top() == pytest.approx(1, abs=0.02)
    painted = page.locator(".without img").first
    assert painted.evaluate("image => getComputedStyle(image).objectPosition").startswith("0")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("output")).to_have_text("4 of 4")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert show(PAGE).tab.get_by_role("slider").count() == 0
