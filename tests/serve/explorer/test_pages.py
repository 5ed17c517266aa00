"""The pages of the explorer, in a real browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from markupsafe import escape
from playwright.sync_api import expect

from tests.explorer_server import exploring, json_of, open_tab
from tests.page_samples import NARROW, WIDE
from tests.serve.explorer.runs import CLASSES, CONCEPTS, IMAGES, SCRIPT, explored_run

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.explorer_server import ExplorerServer

PAGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("/", {}),
    ("/", {"run": "one"}),
    ("/", {"run": "one.words"}),
    ("/classes", {"run": "one"}),
    ("/class", {"run": "one", "uid": "road", "versus": "juggling"}),
    ("/concepts", {"run": "one"}),
    ("/concept", {"run": "one", "uid": "object/ball"}),
    ("/units", {"run": "one"}),
    ("/unit", {"run": "one", "uid": "block4/1"}),
    ("/image", {"run": "one", "uid": IMAGES[0]}),
    ("/search", {"run": "one", "q": "ball"}),
    ("/evidence", {"run": "one"}),
    ("/audit", {"run": "one"}),
    ("/audit-images", {"run": "one", "audit": "a1", "group": "0"}),
    ("/ask", {"run": "one"}),
    ("/question", {"run": "one", "name": "detectors", "concept": "object/ball"}),
    ("/cypher", {"run": "one"}),
    ("/compare", {"run": "one", "with": "two"}),
)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_page_opens_and_is_accessible(
    browser: Browser, explorer: ExplorerServer, size: tuple[int, int]
) -> None:
    """Wide and light, narrow and dark; nothing is printed or loaded from elsewhere.

    Each page is checked for accessibility at one of both.
    """
    tab = open_tab(browser, explorer, size, dark=size == NARROW)
    for number, (path, query) in enumerate(PAGES):
        page = tab.go(path, **query)
        assert page.locator("h1").count() == 1
        assert tab.overflow() <= 0, path
        if number % 2 == (size == NARROW):
            continue
        found = Axe().run(page).response["violations"]
        serious = [v["id"] for v in found if v["impact"] in {"serious", "critical"}]
        assert serious == [], (path, found)
    tab.close()


def test_each_name_is_text_and_its_link_leads_to_it(explorer: ExplorerServer) -> None:
    """Names with "/", "?", "..", markup: each page is found by its uid, and shows it as text."""
    for name in CLASSES:
        answer = explorer.get("/class", run="one", uid=f"class/{name}")
        assert answer.status == 200
    for uid in CONCEPTS:
        assert explorer.get("/concept", run="one", uid=uid).status == 200
    for name in IMAGES:
        assert explorer.get("/image", run="one", uid=name).status == 200
    for path, query in PAGES:
        assert SCRIPT not in explorer.get(path, **query).text


def test_search_by_keys(browser: Browser, explorer: ExplorerServer) -> None:
    """ "/" focuses the box; arrows and Enter open what is chosen; Escape closes the list."""
    tab = open_tab(browser, explorer)
    page = tab.go("/units", run="one")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("jugg")
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    assert "juggling" in options.first.inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("#results")).to_be_hidden()
    page.keyboard.type("ling")
    expect(options.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("juggling")
    tab.close()


def test_search_ranks_and_guesses(explorer: ExplorerServer) -> None:
    def found(text: str) -> dict[str, list[str]]:
        answer = json_of(explorer.get("/search.json", run="one", q=text))
        return {kind["kind"]: [row["name"] for row in kind["rows"]] for kind in answer}

    assert found("block4/1")["Units"][0] == "block4/1"
    assert found("dotted polka")["Concepts"] == ["polka dotted"]
    assert found("STREET")["Images"] == ["street one.jpg", "street two.jpg"]
    assert found("jugling") == {"Concepts": ["juggling"], "Classes": ["juggling"]}
    assert found("  ") == {}
    assert found("x" * 5000) == {}


def test_lists_are_filtered_sorted_and_paged(explorer: ExplorerServer, runs: Path) -> None:
    from conceptgraph import open_run

    run = open_run(runs / "one.cg")
    named = run.units[run.named & (run.units["block"] == "block4")]
    first = explorer.get("/units", run="one", block="block4")
    assert f"{len(run.units[run.units['block'] == 'block4'])} units, 1 to 60 shown" in first.text
    second = explorer.get("/units", run="one", block="block4", page="999")
    assert "70 units, 61 to 70 shown" in second.text
    only = explorer.get("/units", run="one", block="block4", show="named")
    assert f">{len(named)} units</p>" in only.text
    best = named.sort_values("iou", ascending=False)["uid"].iloc[0]
    assert only.text.index(f'aria-label="{best},') < only.text.index("unit-card", 0) + 400
    assert explorer.get("/units", run="one", q="no such name").status == 200


def test_what_an_audit_says_of_each_class(explorer: ExplorerServer) -> None:
    """Its mistakes are in the list of classes, sorted by them, and beside another run."""
    page = explorer.get("/classes", run="one", order="most mistakes").text
    names = [
        text.partition("<")[0] for text in page.partition("columns-list")[2].split("<bdi>")[1:]
    ]
    assert names[:3] == [str(escape(SCRIPT)), "juggling", "road"]
    assert "4 answers, 2 wrong; 70 missed" in page
    assert "5 answers, 0 wrong; 2 missed" in page
    beside = explorer.get("/compare", run="one", **{"with": "two"}).text
    assert beside.count("4 of 9 answers are wrong") == 2


def test_numbers_of_a_unit(browser: Browser, explorer: ExplorerServer, runs: Path) -> None:
    """A unit's page has the numbers of the run, and leads to its neighbours and other runs."""
    from conceptgraph import open_run

    run = open_run(runs / "one.cg")
    uid = run.units["uid"][run.named].iloc[-1]
    best = run.detections[(run.detections["unit"] == uid) & (run.detections["rank"] == 0)].iloc[0]
    tab = open_tab(browser, explorer)
    page = tab.go("/unit", run="one", uid=uid)
    expect(page.locator("h1")).to_contain_text(uid)
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text(f"{best['iou']:.3f}")
    expect(page.get_by_role("heading", name="The same unit in other runs")).to_be_visible()
    assert page.locator(".top-images img").evaluate_all("all => all.every(i => i.naturalWidth)")
    page.keyboard.press("ArrowLeft")
    block, _, index = uid.partition("/")
    expect(page.locator("h1")).to_contain_text(f"{block}/{int(index) - 1}")
    tab.close()


def test_how_often_a_unit_fires(explorer: ExplorerServer, runs: Path) -> None:
    from conceptgraph import open_run

    run = open_run(runs / "one.cg")
    rows = run.peaks[run.peaks["unit"] == run.peaks["unit"].iloc[0]]
    page = explorer.get("/unit", run="one", uid=rows["unit"].iloc[0]).text
    images = run.manifest["data"]["images"]
    assert f"in {rows['images'].sum()} of {images:,} images" in page
    dead = run.units["uid"][~run.units["uid"].isin(rows["unit"])].iloc[0]
    assert f"in 0 of {images:,} images" in explorer.get("/unit", run="one", uid=dead).text


def test_a_class_beside_another(browser: Browser, explorer: ExplorerServer) -> None:
    """The concept graph is drawn, and a box of it leads to the concept."""
    tab = open_tab(browser, explorer)
    page = tab.go("/class", run="one", uid="class/road")
    page.locator(".flow-column button.concept").first.click()
    page.locator(".flow-box h3 a").click()
    assert "/concept?" in page.url
    page = tab.go("/class", run="one", uid="class/road")
    page.get_by_label("Beside").fill("juggling")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#beside")).to_contain_text("road beside juggling")
    tab.close()


def test_a_note_is_kept_beside_the_run(browser: Browser, tmp_path: Path) -> None:
    """It is shown, found, and still there after the run was replaced; not for another network."""
    explored_run(tmp_path / "a.cg", words=False)
    with exploring(tmp_path) as server:
        tab = open_tab(browser, server)
        page = tab.go("/unit", run="a", uid="block4/1")
        page.get_by_label("Name", exact=True).fill("  stripes & <b>dots</b> ")
        page.get_by_label("Note", exact=True).fill("looks like\na zebra")
        page.get_by_role("button", name="Keep").click()
        expect(page.locator(".note-form [role=status]")).to_have_text("Kept.")
        for network, is_shown in (("net", True), ("other", False), ("net", True)):
            page = tab.go("/unit", run="a", uid="block4/1")
            assert ("“stripes & <b>dots</b>”" in page.inner_text("h1")) == is_shown, network
            found = json_of(server.get("/search.json", run="a", q="dots stripes"))
            assert bool(found) == is_shown
            assert json_of(server.get("/search.json", run="a", q="a zebra")) == found
            shutil.rmtree(tmp_path / "a.cg")
            explored_run(tmp_path / "a.cg", words=False, network="other" if is_shown else "net")
        tab.close()
        for name, note in (("x" * 121, ""), ("", "x" * 4001)):
            answer = server.post("/note", run="a", uid="block4/1", name=name, note=note)
            assert answer.status == 400
        assert server.post("/note", run="a", uid="block4/9999", name="x", note="").status == 400
        (tmp_path / "a.notes.json").write_text("{")
        assert server.post("/note", run="a", uid="block4/1", name="x", note="").status == 400
    assert (tmp_path / "a.notes.json").read_text() == "{"
