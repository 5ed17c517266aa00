"""Clips explained: strips, folders of frames, videos and stills; painted over frame by frame."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conceptgraph import explain, ingest
from conceptgraph.errors import QueryError
from conceptgraph.explain.clips import shared_strip, slots_of_frames, strip_of
from conceptgraph.explain.counterfactuals import OriginalImage, logits_of, painted
from conceptgraph.explain.inpainting import paint_over, to_pixels
from conceptgraph.explain.network import open_network
from conceptgraph.explain.things import connected_parts, find_things
from conceptgraph.explain.user_region import chosen_region
from conceptgraph.graph.run.reader import open_run
from conceptgraph.serve.explorer.explain.explainer import Explainer, NetworkOptions
from conceptgraph.serve.explorer.explain.photographs import Photographs
from conceptgraph.serve.explorer.explain.question import ImageQuestion
from tests import reference
from tests.command_line import call
from tests.ingest.dissection.test_clips import FRAMES, SETTINGS, SIDE, write_clips

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run


MODEL = "tests.ingest.dissection.test_clips:ClipNet"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 36)


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "clips.cg"
    return ingest(MODEL, clips, out, SETTINGS, device="cpu", workers=1)


def frames_in(folder: Path, strip: Path, frames: int) -> Path:
    """Write the frames of a strip as files, one a frame."""
    folder.mkdir()
    for number, frame in enumerate(np.split(np.asarray(Image.open(strip)), frames)):
        Image.fromarray(frame).save(folder / f"{number:03}.png")
    return folder


def test_sums_meet_the_logit_and_maps_are_strips(run: Run, clips: Path) -> None:
    explanation = explain(run, clips / "images" / "00.png", top=20)
    paths, others, biases, total = explanation.accounting
    assert paths + others + biases == pytest.approx(total, abs=1e-9)
    assert total == pytest.approx(explanation.logit, abs=1e-4)
    picture = explanation.picture
    assert picture.pixels.shape == (FRAMES * SIDE, SIDE, 3)
    for block, (height, width) in (("block1", (8, 8)), ("block2", (4, 4))):
        assert picture.evidence[block].shape == (FRAMES * height, width)
        evidence = float(picture.evidence[block].sum()) + picture.biases_after[block]
        assert evidence == pytest.approx(total, abs=1e-3)
    for block in picture.blocks:
        categories = {region.category for region in picture.regions if region.block == block}
        for category in categories:
            added = sum(r.evidence for r in picture.regions
                        if (r.block, r.category) == (block, category))  # fmt: skip
            assert added + picture.biases_after[block] == pytest.approx(total, abs=1e-3)
    assert explanation.cam.shape == (FRAMES, 1)
    assert explanation.unit_paths.maps
    shapes = {it.shape for it in explanation.unit_paths.maps.values()}
    assert shapes <= {(FRAMES * 4, 4), (FRAMES, 1)}


def test_without_its_motion(run: Run, clips: Path, tmp_path: Path) -> None:
    network, file = open_network(run, model=MODEL), clips / "images" / "00.png"
    explanation = explain(network, file)
    strip = explanation.picture.pixels
    frames = np.split(strip, FRAMES)
    stopped, backwards = np.concatenate([frames[3]] * FRAMES), np.concatenate(frames[::-1])
    index = network.class_names.index(explanation.class_name)
    logits = logits_of(network, [strip, stopped, backwards])
    for name, changed in (("frozen", logits[1]), ("reversed", logits[2])):
        result = explanation.motion[name]
        assert result.measured == pytest.approx(float(logits[0, index] - changed[index]), abs=1e-5)
        assert result.answer.name == network.class_names[int(changed.argmax())]
    done = call(
        "why", "--run", str(run.path), "--image", str(file), "--model", MODEL, folder=tmp_path
    )
    text = " ".join(done.out.split())
    assert re.search(r"Frozen at its middle frame, the network (still )?says class \d", text)
    assert re.search(r"Played backwards, .* the logit (loses|gains) \d", text)
    still = tmp_path / "still.png"
    Image.fromarray(frames[0]).save(still)
    assert explain(network, still).motion == {}


def test_things_and_flows_of_a_clip(run: Run, clips: Path, tmp_path: Path) -> None:
    """In a run that takes all of its probes for good ones: so few clips leave none."""
    copy = shutil.copytree(run.path, tmp_path / "trusted.cg")
    presence = pd.read_parquet(copy / "presence.parquet")
    presence.assign(usable=True, threshold=0.5).to_parquet(copy / "presence.parquet")
    network = open_network(open_run(copy), model=MODEL)
    painted_things, flows = 0, 0
    for name in ("00", "04", "08", "12"):
        explanation = explain(network, clips / "images" / f"{name}.png")
        picture, index = explanation.picture, network.class_names.index(explanation.class_name)
        for thing in picture.things:
            assert thing.mask.shape == (FRAMES * SIDE, SIDE)
            result = thing.counterfactual
            if result is not None:
                before, after = logits_of(network, [picture.pixels, result.pixels])[:, index]
                assert result.measured == pytest.approx(float(before - after), abs=1e-4)
                assert np.array_equal(result.pixels[~thing.mask], picture.pixels[~thing.mask])
                painted_things += 1
        for node, place in picture.places.items():
            side = {"block1": 8, "block2": 4, "block3": 1}[node.block]
            assert place.mask.shape == (FRAMES * side, side)
        into = {(flow.source.category, flow.target) for flow in picture.flows}
        for category, target in into:  # what reaches a region from all others, in each category
            parts = [flow.evidence for flow in picture.flows
                     if (flow.source.category, flow.target) == (category, target)]  # fmt: skip
            others = [sum(flow.evidence for flow in picture.flows
                          if (flow.source.category, flow.target) == (other, target))
                      for other, to in into if to == target]  # fmt: skip
            assert others == pytest.approx([sum(parts)] * len(others), abs=1e-4)
            flows += len(parts)
    assert painted_things > 0
    assert flows > 0


def test_a_video_is_read(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from tests.video_files import write_video

    video = write_video(tmp_path / "a.mp4", [(number / 11, 0.5) for number in range(12)])
    pixels = open_network(run).load_photograph(video).pixels
    columns = [frame[SIDE // 2, :, 0].argmax() for frame in np.split(pixels, FRAMES)]
    assert columns == sorted(columns)
    assert columns[-1] - columns[0] > SIDE // 2
    assert explain(run, video).picture.pixels.shape == (FRAMES * SIDE, SIDE, 3)


def test_a_folder_of_frames_is_its_strip_and_a_still_is_any_other_image(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    network = open_network(run)
    strip = clips / "images" / "00.png"
    seen = network.load_photograph(strip)
    folder = frames_in(tmp_path / "frames", strip, FRAMES)
    assert np.array_equal(network.load_photograph(folder).pixels, seen.pixels)
    assert explain(run, folder).logit == pytest.approx(explain(run, strip).logit, abs=1e-6)
    still = network.load_photograph(folder / "002.png").pixels
    for frame in np.split(still, FRAMES):
        assert np.array_equal(frame, still[:SIDE])
    four = network.load_photograph(clips / "images" / "02.png").pixels  # a strip of 4 frames
    frames = np.split(np.asarray(Image.open(clips / "images" / "02.png")), 4)
    for place, frame in enumerate(np.split(four, FRAMES)):
        assert np.array_equal(frame, frames[reference.slot_of(place, FRAMES, 4)])
    batch = network.as_input(seen.pixels[None])
    assert batch.shape == (1, 3, FRAMES, SIDE, SIDE)
    plain = np.asarray(Image.open(strip)).reshape(FRAMES, SIDE, SIDE, 3)
    mean, std = (np.array(run.manifest["input"][name]) for name in ("mean", "std"))
    expected = ((plain / 255 - mean) / std).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(batch[0].numpy(), expected, atol=1e-5)


def test_a_thing_is_painted_over_in_each_frame_by_itself(run: Run, clips: Path) -> None:
    network = open_network(run)
    pixels = network.load_photograph(clips / "images" / "00.png").pixels
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[2 * SIDE - 4 : 2 * SIDE, 3:9] = True  # the foot of frame 1
    mask[4 * SIDE : 4 * SIDE + 5, 3:9] = True  # the top of frame 4
    filled = paint_over(pixels, mask, FRAMES)
    assert np.array_equal(filled[~mask], pixels[~mask])
    for frame, part, own in zip(
        *(np.split(it, FRAMES) for it in (filled, mask, pixels)), strict=True
    ):
        assert np.array_equal(frame, paint_over(own, part))
    logits = logits_of(network, [pixels])[0]
    direction = network.direction(1)
    (result,) = painted(network, OriginalImage(pixels, logits, direction), [mask])
    after = logits_of(network, [filled])[0]
    assert result.measured == pytest.approx(float(logits[1] - after[1]), abs=1e-5)
    assert np.array_equal(result.pixels, filled)


def test_things_go_on_from_slot_to_slot() -> None:
    mask = np.zeros((3, 4, 5), np.bool_)
    mask[0, 0, 0] = mask[1, 0, 0:2] = mask[2, 0, 1] = True  # one thing that moves
    mask[0, 3, 3] = mask[2, 3, 3] = True  # two: it is gone in between
    mask[0, 3, 0] = mask[0, 0, 4] = mask[1, 0:4, 4] = mask[1, 3, 0:4] = True  # two that meet later
    parts = connected_parts(mask)
    sizes = sorted(int(part.sum()) for part in parts)
    assert sum(sizes) == int(mask.sum())
    assert np.logical_or.reduce(parts).tolist() == mask.tolist()
    assert any(part[0, 0, 0] and part[2, 0, 1] for part in parts)
    assert any(part[0, 3, 0] and part[0, 0, 4] for part in parts)
    assert not any(part[0, 3, 3] and part[2, 0, 1] for part in parts)
    found = np.zeros((1, 3, 8, 8), np.bool_)
    found[0, :, 2:4, 2:4] = True
    from conceptgraph.explain.presence import ConceptName

    (thing,) = find_things([ConceptName("disc", "object")], found)
    assert thing.coverage == pytest.approx(4 / 64)
    pixels = to_pixels(thing.mask, FRAMES * 16, 16, FRAMES)
    assert pixels.shape == (FRAMES * 16, 16)
    assert all(np.array_equal(it, pixels[:16]) for it in np.split(pixels, FRAMES))


def test_strips_of_maps() -> None:
    maps = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    strip = strip_of(maps, 5)
    slots = [reference.slot_of(frame, 5, 2) for frame in range(5)]
    assert slots_of_frames(5, 2) == slots == [0, 0, 1, 1, 1]
    assert np.array_equal(strip.reshape(5, 3, 4), maps[slots])
    assert float(shared_strip(maps, 5).sum()) == pytest.approx(float(maps.sum()))
    assert strip_of(maps[0], None) is not None
    assert np.array_equal(shared_strip(maps[0], None), maps[0])


def test_commands_on_a_clip(run: Run, clips: Path, tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "frames", clips / "images" / "00.png", FRAMES)
    page, cam = tmp_path / "why.html", tmp_path / "cam.png"
    result = call(
        "why",
        "--run",
        run.path,
        "--image",
        folder,
        "--html",
        page,
        "--cam",
        cam,
        "--json",
        folder=tmp_path,
    )
    assert result.status == 0, result.err
    answer = json.loads(result.out)
    assert answer["accounting"]["total"] == pytest.approx(answer["logit"], abs=1e-4)
    assert Image.open(cam).size == (SIDE, FRAMES * SIDE)
    assert "Why" in page.read_text(encoding="utf-8")
    result = call("predict", "--run", run.path, folder, "--json", folder=tmp_path)
    assert result.status == 0, result.err
    assert "6 frames of 16 × 16 pixels" in result.err


def test_what_is_not_asked_of_clips(run: Run, clips: Path) -> None:
    strip = clips / "images" / "00.png"
    with pytest.raises(QueryError, match="a clip is explained without --masks"):
        explain(run, strip, masks=True)
    with pytest.raises(QueryError, match="a clip is explained without --mask and --region"):
        chosen_region(run, strip, "0,0,4,4")


def test_the_explorer_paints_over_no_clip(run: Run, clips: Path, tmp_path: Path) -> None:
    """The painted strip would be taken for a still."""
    photographs = Photographs(run, tmp_path)
    explainer = Explainer(run, photographs, NetworkOptions(model=MODEL))
    (key,) = (key for key in photographs.of_run("00.png"))
    question = ImageQuestion(key)
    job = explainer.ask(question)
    assert job.ended.wait(120)
    assert job.answer is not None, job.error
    assert job.answer.page.frames == FRAMES
    assert job.answer.page.motion
    with pytest.raises(QueryError, match="a clip"):
        explainer.paint_over(question, "1")
    explainer.close()
