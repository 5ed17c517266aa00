"""Explain in a real browser: choose or drop a photograph, ask what if, open its link again."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.command_line import call
from tests.explorer_server import exploring, json_of, open_tab
from tests.page_samples import NARROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.explorer_server import ExplorerServer
    from tests.user_folder import UserFolder

SECONDS = 120_000


@pytest.fixture(scope="module")
def server(user_folder: UserFolder) -> Iterator[ExplorerServer]:
    with exploring(user_folder.folder, "--run", "net.cg") as running:
        yield running


def answered(page: Page) -> Page:
    """Wait for an explanation."""
    expect(page.locator(".image-page")).to_be_visible(timeout=SECONDS)
    return page


def test_a_photograph_is_dropped_explained_and_asked_about(
    browser: Browser, server: ExplorerServer, user_folder: UserFolder
) -> None:
    done = call("predict", "x.jpg", "--json", folder=user_folder.folder)
    predicted = json.loads(done.out)["images"][0]["predicted"][0]["class"]
    tab = open_tab(browser, server)
    page = tab.go("/explain")
    page.locator("#file").set_input_files(user_folder.folder / "x.jpg")
    answered(page)
    expect(page.locator("h1")).to_have_text(f"Why {predicted}?")
    link = page.url
    first = page.locator(".verdict").inner_text()

    # a region, dragged on the photograph
    page.locator(".picture").scroll_into_view_if_needed()
    frame = page.locator(".picture").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 0.25 * frame["width"], frame["y"] + 0.55 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.75 * frame["width"], frame["y"] + 0.95 * frame["height"])
    page.mouse.up()
    page.wait_for_url("**region=**")
    answered(page)
    asked = [int(value) for value in parse_qs(urlsplit(page.url).query)["region"][0].split(",")]
    assert asked == pytest.approx([16, 35, 32, 25], abs=2)
    expect(page.locator(".verdict")).to_contain_text("The region asked about")

    # painted over, it is a photograph of its own
    page.locator("[data-paint=R]").click()
    page.wait_for_url("**from=**")
    answered(page)
    page.get_by_role("link", name="The photograph as it was").click()
    answered(page)
    assert page.locator(".verdict").inner_text() == first

    # kept
    page.get_by_role("button", name="Keep in the run").click()
    expect(page.locator("#what-if-said")).to_contain_text("Kept")
    page.get_by_role("link", name="Another photograph").click()
    expect(page.get_by_role("heading", name="Kept explanations")).to_be_visible()
    tab.close()

    # the link, in another session and after the server was started again
    with exploring(user_folder.folder, "--run", "net.cg") as another:
        tab = open_tab(browser, another)
        page = answered(tab.go("/explain?" + urlsplit(link).query))
        assert page.locator(".verdict").inner_text() == first
        tab.close()


def test_unit_paths_are_a_page_of_their_own(browser: Browser, server: ExplorerServer) -> None:
    tab = open_tab(browser, server)
    page = answered(tab.go("/explain", image=photographs(server)[0]))
    page.get_by_role("link", name="Unit paths").click()
    expect(page.get_by_role("table", name="How the logit adds up")).to_be_visible(timeout=SECONDS)
    expect(page.locator("#canvas canvas")).to_be_visible()
    page.get_by_role("link", name="The answer").click()
    answered(page)
    tab.close()


def test_classes_and_ablations_by_keyboard(
    browser: Browser, server: ExplorerServer, user_folder: UserFolder
) -> None:
    tab = open_tab(browser, server)
    page = tab.go("/explain")
    page.locator(".photographs a").first.focus()
    page.keyboard.press("Enter")
    answered(page)
    page.locator(".what-if summary").focus()
    page.keyboard.press("Enter")
    page.locator("[name=class]").focus()
    page.keyboard.type("juggling")
    page.locator("[name=versus]").focus()
    page.keyboard.type("typing")
    page.locator("[name=unit]").last.focus()
    page.keyboard.type("block4/1")
    page.keyboard.press("Enter")
    page.wait_for_url("**unit=block4%2F1**")
    answered(page)
    expect(page.locator("h1")).to_have_text("Why juggling, not typing?")
    asked = parse_qs(urlsplit(page.url).query)
    assert set(asked) == {"run", "image", "class", "versus", "unit"}
    image = asked["image"][0].removeprefix("data/")
    plain = user_folder.json(
        f"why --image data/images/{image} --class juggling --versus typing --ablate-unit block4/1"
    )
    row = page.locator(".ablations tbody tr").first
    expect(row).to_contain_text(f"{100 * plain['what_if'][0]['after'][0]['probability']:.1f} %")
    tab.close()


def test_it_is_accessible_and_fits_a_phone(browser: Browser, server: ExplorerServer) -> None:
    tab = open_tab(browser, server, NARROW, dark=True)
    page = tab.go("/explain")
    for _ in range(2):
        assert tab.overflow() <= 0
        found = Axe().run(page).response["violations"]
        assert [v["id"] for v in found if v["impact"] in {"serious", "critical"}] == []
        link = page.locator(".photographs a")
        if link.count():
            link.first.click()
            answered(page)
    assert page.locator("h1").count() == 1
    tab.close()


def test_the_verdict_comes_before_the_answer(server: ExplorerServer) -> None:
    """A page that waits hears of each stage; the first that says something has the prediction."""
    key = next(iter(photographs(server)[5:]))
    early = list[object]()
    while not (news := json_of(server.get("/explain/state", image=key)))["ended"]:
        early = early or news["predicted"]
        time.sleep(0.02)
    assert len(early) == 3
    assert server.get("/explain", image=key).text.count('class="image-page"') == 1


def test_the_end_waits_for_the_network_that_runs(user_folder: UserFolder) -> None:
    """The interpreter must not end a thread inside of torch, which aborts the program."""
    with exploring(user_folder.folder, "--run", "net.cg", cold=True) as running:
        for key in photographs(running)[:8]:
            running.get("/explain", image=key, flip="1")
        while json_of(running.get("/explain/state", image=key, flip="1"))["before"] == 8:
            time.sleep(0.02)


def test_an_explanation_that_is_kept_leaves_the_others_answered(server: ExplorerServer) -> None:
    """The run is opened again for its graph; what was asked of its network stays."""
    keys = photographs(server)[8:10]
    for key in keys:
        while not json_of(server.get("/explain/state", image=key))["ended"]:
            time.sleep(0.02)
    assert server.post("/explain/keep", link=f"?image={keys[0]}").status == 200
    counted = "MATCH (e:Explanation) RETURN count(e) AS n"
    before = server.post("/cypher", run="net", text=counted).text
    for _ in range(500):
        if server.post("/cypher", run="net", text=counted).text != before:
            break
        time.sleep(0.02)
    assert "image-page" in server.get("/explain", image=keys[1]).text


def photographs(server: ExplorerServer) -> list[str]:
    text = server.get("/explain").text
    return [part.partition('"')[0].replace("%2F", "/") for part in text.split(";image=")[1:]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"image": "0" * 32}, "no such photograph"),
        ({"image": "../../etc/passwd"}, "no such photograph"),
        ({"image": "data/../../x.jpg"}, "no such photograph"),
        ({"image": "data/x", "run": "../net"}, "no run"),
        ({"class": "no such class"}, "no such class"),
        ({"versus": "<script>"}, "&lt;script&gt;"),
        ({"region": "1,2,3"}, "no rectangle"),
        ({"ablate": "no such concept"}, "no such concept"),
        ({"unit": "block9/9"}, "block9"),
    ],
)
def test_links_that_ask_for_what_is_not_there(
    server: ExplorerServer, query: dict[str, str], expected: str
) -> None:
    answer = server.get("/explain", **{"image": photographs(server)[0], **query})
    assert answer.status == 404
    assert expected in answer.text
    assert "<script>" not in answer.text.replace('<script src="', "")


def test_uploads_that_are_no_photographs(server: ExplorerServer, user_folder: UserFolder) -> None:
    """500 damaged files: each is a photograph, or refused in one line; nothing is kept of these."""
    whole, draw = (user_folder.folder / "x.jpg").read_bytes(), random.Random(0)
    origin = {"Origin": f"http://127.0.0.1:{server.port}", "Content-Type": "image/jpeg"}
    heads = (
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"II*\0",
        b"BM",
        b"<svg>",
    )
    refused = 0
    for number in range(500):
        damaged = bytearray(whole[: draw.randrange(1, len(whole))] if number % 2 else whole)
        for _ in range(draw.randrange(1, 30)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        content = heads[number % 7] + bytes(damaged[: 4000 if number % 7 else None])
        answer = server.request("POST", "/explain/photograph", content, origin)
        assert answer.status in {200, 400}
        if answer.status == 400:
            refused += 1
            assert "\n" not in json_of(answer)["error"]
    assert 300 < refused < 500


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "image/jpeg"}, 403),
        ({"Origin": "http://evil.example", "Content-Type": "image/jpeg"}, 403),
        ({"Origin": "http://127.0.0.1:{port}", "Content-Type": "text/plain"}, 415),
    ],
)
def test_uploads_from_elsewhere(
    server: ExplorerServer, headers: dict[str, str], status: int
) -> None:
    filled = {name: value.format(port=server.port) for name, value in headers.items()}
    assert server.request("POST", "/explain/photograph", b"x", filled).status == status


@pytest.mark.parametrize("action", ["paint", "keep", "cancel"])
@pytest.mark.parametrize(
    "body", [{}, {"link": 3}, {"link": "?image="}, {"link": "?image=../../x", "mark": "1"}]
)
def test_what_pages_never_send(
    server: ExplorerServer, action: str, body: dict[str, object]
) -> None:
    answer = server.post(f"/explain/{action}", **body)
    assert answer.status == 400 or (action == "cancel" and answer.status == 200)
