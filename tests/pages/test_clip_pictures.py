"""Pictures of clips on pages: one frame, which moves, unless readers want it to stand still."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph import ingest
from conceptgraph.errors import RunError
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.output.animation import animation, animation_name
from conceptgraph.pages.pictures import strip
from tests.command_line import call
from tests.ingest.dissection.test_clips import SETTINGS, write_clips
from tests.page_samples import open_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.sync_api import Browser

    from conceptgraph.graph.run.reader import Run

MODEL = "tests.ingest.dissection.test_clips:ClipNet"
KIND = """kind => [...document.querySelectorAll("picture img")].some(image =>
    image.currentSrc.startsWith(`data:image/${kind}`))"""
SHAPES = """Promise.all([...document.images].map(async image => {
    image.loading = "eager"; await image.decode(); return [image.naturalWidth, image.naturalHeight];
}))"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "clips.cg"
    settings = replace(SETTINGS, top_images=4)
    return ingest(MODEL, clips, out, settings, device="cpu", workers=1)


def thumbnail_of(run: Run, kind: int) -> str:
    """Return a thumbnail of a clip of 6 frames (kinds 0 and 1) or 4 (2), or of a still (3)."""
    rows = run.top_images
    return str(rows["thumbnail"][rows["image"].str[:2].astype(int) % 4 == kind].iloc[0])


def opened(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))


def frames_in(uri: str | None) -> list[NDArray[np.int64]]:
    assert uri is not None
    frames = []
    with opened(uri) as file:
        for frame in range(file.n_frames):
            file.seek(frame)
            frames.append(np.asarray(file.convert("RGB")).astype(np.int64))
    return frames


def test_thumbnails_side_by_side_move_in_step(run: Run) -> None:
    """Those of fewer frames are slower; a still among them stands still."""
    six, four, still = (thumbnail_of(run, kind) for kind in (0, 2, 3))
    picture = strip(run, [six, four, still])
    assert picture is not None
    assert opened(picture.still).size == (3 * 112 + 8, 112)
    frames = frames_in(picture.moving)
    assert len(frames) == 8
    columns = [slice(n * 116, n * 116 + 112) for n in range(3)]
    for column, shown in zip(columns, (6, 4, 1), strict=True):
        steps = [np.abs(b[:, column] - a[:, column]).mean() for a, b in pairwise(frames)]
        assert sum(step > 10 for step in steps) == shown - 1
    assert strip(run, []) is None
    alone = strip(run, [still], side=50)
    assert alone is not None
    assert (alone.moving, opened(alone.still).size) == (None, (50, 50))


def test_an_animation_that_is_none_is_said(run: Run, tmp_path: Path) -> None:
    copy = open_run(shutil.copytree(run.path, tmp_path / "bad.cg"))
    name = thumbnail_of(run, 0)
    content = run.file(animation_name(name))
    large = animation([Image.new("RGB", (9, 700), colour) for colour in ("red", "blue")])
    for bad in (b"", b"RIFF", content.read_bytes()[:200], large, bytes(5 << 20)):
        copy.file(animation_name(name)).write_bytes(bad)
        with pytest.raises(RunError, match="not a thumbnail"):
            strip(copy, [name])
    copy.file(animation_name(name)).unlink()
    picture = strip(copy, [name])
    assert picture is not None
    assert picture.moving is None


def test_pages_of_clips_show_frames_that_move(
    run: Run, clips: Path, tmp_path: Path, browser: Browser
) -> None:
    words = ("--run", run.path, "--model", MODEL)
    for command in (
        ("report", *words, "--image", clips / "images" / "00.png", "-o", "report.html"),
        ("audit", "--images", clips / "images", *words, "--html", "audit.html"),
    ):
        done = call(*command, folder=tmp_path)
        assert done.status == 0, done.err
    for page, least in (("report.html", 10), ("audit.html", 3)):
        file = open_file(browser, tmp_path / page)
        for motion, kind in (("no-preference", "webp"), ("reduce", "jpeg")):
            file.tab.emulate_media(reduced_motion=motion)  # type: ignore[arg-type]
            file.tab.wait_for_function(KIND, arg=kind)
        shapes = file.tab.evaluate(SHAPES)
        assert len(shapes) > least
        assert all(height <= width for width, height in shapes)
        file.close()
