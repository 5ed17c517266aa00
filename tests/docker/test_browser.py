"""Neo4j's own Browsers, in Chromium: they import the files of `docker/browser/` and draw paths."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from PIL import Image
from playwright.sync_api import expect

from conceptgraph.queries.catalogue import QUESTIONS
from tests.catalogue_docs import SAVED, saved_queries
from tests.hand_made_graph import RUN, hand_made
from tests.neo4j_contents import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.neo4j_server import Neo4jServer

STYLE = SAVED.with_name("conceptgraph.grass")
ORANGE, DARK_BLUE = "#D66014", "#08478A"  # a class, and a unit of block 4
LIGHT_GREEN, GREEN = "#6DBB8E", "#3F9D6B"  # concepts that block 3 and block 4 see
DROP = """([name, data]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name));
  const event = {bubbles: true, cancelable: true, dataTransfer: transfer};
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.querySelector('.filedrop').dispatchEvent(new DragEvent(kind, event));
}"""
PARAMETERS = {"run": RUN, "class": "class/juggling", "concept": "object/ball"}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def test_the_saved_queries_are_up_to_date() -> None:
    """`python -m tests.catalogue_docs` writes them."""
    with ZipFile(SAVED) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {name: text for name, text in files.items() if not name.endswith("/")} == saved_queries()
    assert {name.rpartition("/")[0] + "/" for name in saved_queries()} <= set(files)
    stems = {name.rpartition("/")[2].removesuffix(".cypher") for name in saved_queries()}
    assert set(QUESTIONS) < stems
    parameters = files["conceptgraph/parameters.cypher"]
    for text in files.values():
        body = re.sub(r"//.*", "", text)
        assert all(f":param {name} =>" in parameters for name in re.findall(r"\$(\w+)", body))


def test_the_older_browser(neo4j_server: Neo4jServer, page: Page, tmp_path: Path) -> None:
    _load(neo4j_server)
    page.goto(f"{neo4j_server.http}/browser/?dbms={neo4j_server.uri}")
    page.get_by_test_id("username").fill(neo4j_server.user)
    page.get_by_test_id("password").fill(neo4j_server.password)
    page.get_by_test_id("connect").click()
    page.get_by_text("You are connected as user").wait_for()
    for file in (STYLE, SAVED):
        page.evaluate(DROP, [file.name, base64.b64encode(file.read_bytes()).decode()])
    _type(page, ":clear")
    expect(page.get_by_test_id("frame")).to_have_count(0)
    _type(page, _parameters())
    page.get_by_test_id("navigationFavorites").click()
    paths, units = "Strongest paths to a class", "Units with more than one concept"
    tree, detectors = "Concept hierarchy of a class", "Units that detect a concept"
    for folder, name, captions, expected in (
        ("Paths", paths, ("juggling", "0 polka dotted", "2 ball"), (DARK_BLUE, ORANGE)),
        ("Concepts", detectors, ("ball", "1 ball", "o'hara `x`"), (DARK_BLUE, ORANGE)),
        ("Units", units, ("0 juggling", "2 ball", "polka"), (DARK_BLUE,)),
        ("Evidence of classes", tree, ("juggling", "polka", "ball"), (LIGHT_GREEN, GREEN, ORANGE)),
    ):
        title = f"{name} (picture)"
        drawn = _ask(page, folder, title)
        for caption in captions:
            assert _first_word(caption) in drawn, title
        picture = tmp_path / f"{folder}.png"
        page.get_by_test_id("frame").first.screenshot(path=picture)
        with Image.open(picture) as image:
            colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []}
        assert {_rgb(colour) for colour in expected} <= colours


def test_the_new_browser(neo4j_5: Neo4jServer, page: Page, tmp_path: Path) -> None:
    """Import into the preview that Neo4j 5 ships; newer servers have it as their Browser."""
    _load(neo4j_5)
    page.goto(f"{neo4j_5.http}/browser/preview/")
    page.get_by_label("Connection URL").fill(neo4j_5.uri.removeprefix("bolt://"))
    page.get_by_label("Database user").fill(neo4j_5.user)
    page.get_by_label("Password").fill(neo4j_5.password)
    page.get_by_test_id("connection-form-submit").click()
    page.get_by_text(re.compile("/ neo4j")).first.wait_for()
    page.get_by_label("Cypher panel").click()
    page.locator("input[type=file][accept='.csv,.zip']").set_input_files(SAVED)
    page.get_by_text("Cypher import completed!").first.wait_for()
    with ZipFile(SAVED) as archive:
        for name in archive.namelist():
            if name.endswith("/"):
                page.get_by_text(name.rstrip("/"), exact=True).first.wait_for()
    page.screenshot(path=tmp_path / "new.png")


def _load(server: Neo4jServer) -> None:
    server.clear()
    with connect(server) as store:
        store.load(hand_made())


def _parameters() -> str:
    quoted = {name: value.replace("'", "\\'") for name, value in PARAMETERS.items()}
    return "\n".join(f":param {name} => '{value}';" for name, value in quoted.items())


def _type(page: Page, text: str) -> None:
    page.locator(".monaco-editor textarea").first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")


def _ask(page: Page, folder: str, title: str) -> str:
    """Run a saved query; return the captions in its picture."""
    page.get_by_text(f"conceptgraph {folder}", exact=True).click()
    page.get_by_text(title, exact=True).first.click()
    page.get_by_text(f"Favorite: {title}").wait_for()
    expect(page.locator(".monaco-editor .view-lines").first).to_contain_text("MATCH")
    page.get_by_test_id("editor-Run").click()
    frame = page.get_by_test_id("frame").first
    expect(frame.get_by_test_id("frameCommand")).to_contain_text(title)
    frame.locator("svg g.node").first.wait_for()
    page.wait_for_timeout(1500)  # until the nodes stop moving
    return " ".join(frame.locator("svg g.node").all_text_contents())


def _first_word(caption: str) -> str:
    """Return the first word: Browser breaks captions into lines, and cuts what does not fit."""
    return caption.split(maxsplit=1)[0]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
