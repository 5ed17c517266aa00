"""A run of clips in the explorer, in a real browser: one frame is shown, and a video dropped."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.command_line import call
from tests.explorer_server import exploring, open_tab
from tests.ingest.dissection.test_clips import write_clips
from tests.video_files import moving_right, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.explorer_server import ExplorerServer

MODEL = "tests.ingest.dissection.test_clips:ClipNet"
SHAPES = """Promise.all([...document.images].map(async image => {
    image.loading = "eager"; await image.decode(); return [image.naturalWidth, image.naturalHeight];
}))"""
EMPTY = """Math.max(...[...document.querySelectorAll(".thumbs:has(img)")].map(row => row.clientWidth
    - [...row.querySelectorAll("img")].reduce((sum, image) => sum + image.clientWidth, 0)), 0)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplorerServer]:
    folder = tmp_path_factory.mktemp("served")
    write_clips(folder / "data", 16)
    done = call(
        "ingest", "--model", MODEL, "--data", "data", "--quantile", "0.05", "--batch-size", "5",
        "--device", "cpu", "--workers", "1", "--out", "clips.cg", folder=folder,
    )  # fmt: skip
    assert done.status == 0, done.err
    done = call("audit", "--images", "data/images", "--model", MODEL, folder=folder)
    assert done.status == 0, done.err
    with exploring(folder, "--run", "clips.cg", "--model", MODEL) as running:
        yield running


def test_lists_show_one_frame_of_each_clip(browser: Browser, server: ExplorerServer) -> None:
    tab = open_tab(browser, server)
    pages = (("/units", ""), ("/unit", "block1/2"), ("/concept", "object/ring"),
             ("/image", "00.png"), ("/audit", ""), ("/explain", ""))  # fmt: skip
    for path, uid in pages:
        page = tab.go(path, **({"uid": uid} if uid else {}))
        if path == "/concept":
            expect(page.locator(".contact img").first).to_be_attached()
        shapes = page.evaluate(SHAPES)
        assert shapes, path
        assert all(width == height for width, height in shapes), path
        assert page.evaluate(EMPTY) < 8, path
    tab.close()


def test_a_picture_moves_unless_it_is_to_stand_still(server: ExplorerServer) -> None:
    asked = (("/photograph", {"image": "data/00.png"}),
             ("/example", {"uid": "object/ring", "number": "0"}))  # fmt: skip
    for path, query in asked:
        moving, still = server.get(path, **query), server.get(path, **query, still="1")
        assert [it.headers["content-type"] for it in (moving, still)] == [
            "image/webp",
            "image/jpeg",
        ]
        with Image.open(BytesIO(moving.content)) as file:
            assert file.n_frames > 1
        with Image.open(BytesIO(still.content)) as file:
            assert file.width == file.height
    assert server.get("/photograph", image="data/03.png").headers["content-type"] == "image/webp"


def test_a_video_is_dropped_explained_and_asked_about(
    browser: Browser, server: ExplorerServer, tmp_path: Path
) -> None:
    tab = open_tab(browser, server)
    page = tab.go("/explain")
    (tmp_path / "empty.mp4").write_bytes(b"")
    page.locator("#file").set_input_files(tmp_path / "empty.mp4")
    expect(page.locator("#said")).to_contain_text("not a video")
    (refused,) = tab.messages  # the browser's own, of a request that was refused
    assert "400" in refused
    tab.messages.clear()
    video = write_video(tmp_path / "a.webm", moving_right(12))
    page.locator("#file").set_input_files(video)
    expect(page.locator(".image-page")).to_be_visible(timeout=120_000)
    slider = page.locator("#frame")
    expect(slider).to_have_attribute("max", "5")
    slider.press("ArrowRight")
    expect(page.locator(".frames output")).to_have_text("5 of 6")
    assert "Played backwards" in page.locator("main").inner_text()
    expect(page.locator("code.command").first).to_contain_text("why --image CLIP")
    first = page.url

    # a rectangle, dragged on the frame that is shown, of which the network sees all
    frame = page.locator(".picture").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 0.25 * frame["width"], frame["y"] + 0.5 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.75 * frame["width"], frame["y"] + 0.9 * frame["height"])
    page.mouse.up()
    page.wait_for_url("**region=*")
    expect(page.locator("[data-paint=R]")).to_be_visible(timeout=120_000)
    region = [int(it) for it in page.locator("[name=region]").input_value().split(",")]
    assert region == pytest.approx([16, 24, 32, 19], abs=1)

    page.wait_for_load_state()
    page.locator("[data-paint=R]").click()
    page.wait_for_url("**from=*")
    expect(page.locator(".image-page")).to_be_visible(timeout=120_000)
    assert page.url != first
    expect(slider).to_have_attribute("max", "5")
    tab.close()
