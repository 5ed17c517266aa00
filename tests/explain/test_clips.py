"""Clips explained: strips, folders of frames, videos and stills; painted over frame by frame."""

from __future__ import annotations

import json
import re
import shutil
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from conceptgraph import explain, ingest
from conceptgraph.errors import DataError, QueryError
from conceptgraph.explain.clips import shared_strip, slots_of_frames, strip_of
from conceptgraph.explain.counterfactuals import OriginalImage, logits_of, painted
from conceptgraph.explain.inpainting import paint_over, to_pixels
from conceptgraph.explain.network import open_network
from conceptgraph.explain.things import connected_parts, find_things
from conceptgraph.explain.user_region import chosen_region
from conceptgraph.graph.run.explanations import saved_explanations
from conceptgraph.graph.run.reader import open_run
from conceptgraph.serve.explorer.explain import photographs as dropped
from conceptgraph.serve.explorer.explain.explainer import Answer, Explainer, NetworkOptions
from conceptgraph.serve.explorer.explain.photographs import Photographs, key_of
from conceptgraph.serve.explorer.explain.question import ImageQuestion
from tests import reference
from tests.command_line import call
from tests.ingest.dissection.test_clips import FRAMES, SETTINGS, SIDE, write_clips
from tests.video_files import moving_right, write_sound, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def test_what_is_counted_are_clips(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = call("report", "--run", run.path, "-o", page, folder=tmp_path)
    assert result.status == 0, result.err
    assert "Clips without any label" in page.read_text(encoding="utf-8")
    result = call("check", "--run", run.path, "--sample", 2, folder=tmp_path)
    assert "(2 clips explained)" in " ".join(result.out.split())
    result = call("evidence", "--run", run.path, folder=tmp_path)
    assert result.status == 0, result.err
    assert re.search(r"class 0: \d+ clips", result.out)
    assert "over the clips that the network takes" in " ".join(result.out.split())


def test_a_rectangle_is_asked_about_in_every_frame(run: Run, clips: Path) -> None:
    network = open_network(run, model=MODEL, dtype=torch.float64)
    strip = clips / "images" / "00.png"
    chosen = chosen_region(run, strip, "2,3,7,9")
    assert chosen is not None
    expected = np.zeros((SIDE, SIDE), np.bool_)
    expected[3:12, 2:9] = True
    assert np.array_equal(chosen, np.concatenate([expected] * FRAMES))
    inside, outside = (explain(network, strip, region=it).picture for it in (chosen, ~chosen))
    assert inside.chosen is not None
    assert outside.chosen is not None
    block, total = inside.chosen.block, explain(network, strip).total
    both = inside.chosen.evidence + outside.chosen.evidence
    assert both + inside.biases_after[block] == pytest.approx(total, abs=1e-9)
    by_frame = 0.0  # positions of the strip, by the share of each that the rectangle covers
    evidence = inside.evidence[block]
    step = SIDE // evidence.shape[1]
    for row in range(FRAMES * SIDE):
        for column in range(SIDE):
            amount = float(evidence[row // step, column // step]) / step**2
            by_frame += amount * chosen[row, column]
    assert inside.chosen.evidence == pytest.approx(by_frame, abs=1e-5)
    result = inside.chosen.counterfactual
    assert result is not None
    assert np.array_equal(result.pixels, paint_over(inside.pixels, chosen, FRAMES))


def test_masks_of_a_frame_or_of_several(run: Run, clips: Path, tmp_path: Path) -> None:
    strip, mask = clips / "images" / "00.png", tmp_path / "mask.png"
    parts = np.zeros((3, SIDE, SIDE), np.uint8)
    parts[0, 2:6, 3:9], parts[2, 8:, :4] = 255, 1
    Image.fromarray(parts[0]).save(mask)
    whole, rectangle = chosen_region(run, strip, mask=mask), chosen_region(run, strip, "3,2,6,4")
    assert whole is not None
    assert rectangle is not None
    assert np.array_equal(whole, rectangle)
    Image.fromarray(np.concatenate(parts)).save(mask)
    found = chosen_region(run, strip, mask=mask)
    assert found is not None
    for frame, part in enumerate(np.split(found, FRAMES)):
        assert np.array_equal(part, parts[reference.slot_of(frame, FRAMES, 3)] > 0)
    folder = frames_in(tmp_path / "frames", strip, FRAMES)
    of_folder = chosen_region(run, folder, mask=mask)
    assert of_folder is not None
    assert np.array_equal(of_folder, found)
    Image.fromarray(np.concatenate(parts)[:-1]).save(mask)
    with pytest.raises(DataError, match="found 16 × 47; expected 16 × 16, or a strip"):
        chosen_region(run, strip, mask=mask)
    with pytest.raises(QueryError, match="in an image of 16 × 16 pixels"):
        chosen_region(run, strip, f"0,{SIDE},4,4")


def test_what_is_not_asked_of_clips(run: Run, clips: Path) -> None:
    with pytest.raises(QueryError, match="a clip is explained without --masks"):
        explain(run, clips / "images" / "00.png", masks=True)


@pytest.fixture
def explainer(run: Run, tmp_path: Path) -> Iterator[Explainer]:
    """Explain clips as the explorer does; what is dropped lies in `photographs`."""
    photographs = Photographs(run, tmp_path / "photographs")
    explainer = Explainer(run, photographs, NetworkOptions(model=MODEL))
    yield explainer
    explainer.close()


def answer(explainer: Explainer, question: ImageQuestion) -> Answer:
    job = explainer.ask(question)
    assert job.ended.wait(120)
    assert job.answer is not None, job.error
    return job.answer


def test_the_explorer_paints_over_a_clip_and_asks_again(run: Run, explainer: Explainer) -> None:
    (key,) = explainer.photographs.of_run("00.png")
    question = ImageQuestion(key, region="2,3,7,9")
    first = answer(explainer, question)
    assert first.page.frames == FRAMES
    assert first.page.motion
    chosen = first.explanation.picture.chosen
    assert chosen is not None
    assert chosen.counterfactual is not None
    painted = explainer.paint_over(question, "R")
    again = answer(explainer, ImageQuestion(painted, first.explanation.class_name))
    assert np.array_equal(again.explanation.picture.pixels, chosen.counterfactual.pixels)
    lost = first.explanation.logit - again.explanation.logit
    assert lost == pytest.approx(chosen.counterfactual.measured, abs=1e-4)
    explainer.keep(ImageQuestion(painted))
    saved = [key_of(it.image) for it in saved_explanations(run)]
    assert painted in saved  # so that the page of kept explanations leads to it


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_a_video_is_dropped(run: Run, explainer: Explainer, tmp_path: Path, suffix: str) -> None:
    video = write_video(tmp_path / f"a{suffix}", moving_right(12))
    key = explainer.photographs.add(video.read_bytes())
    assert explainer.photographs.add(video.read_bytes()) == key
    page = answer(explainer, ImageQuestion(key))
    assert np.array_equal(page.explanation.picture.pixels, explain(run, video).picture.pixels)
    with Image.open(BytesIO(explainer.photographs.picture(key, still=False))) as moving:
        assert (moving.format, moving.n_frames, moving.size) == ("WEBP", FRAMES, (64, 48))
    with Image.open(BytesIO(explainer.photographs.picture(key, still=True))) as still:
        assert (still.format, still.size) == ("JPEG", (64, 48))
    question = ImageQuestion(key, region="0,0,64,24")
    answer(explainer, question)
    before, after = (
        np.stack([np.asarray(Image.open(file)) for file in sorted(folder.iterdir())]).astype(int)
        for folder in map(explainer.photographs.file, (key, explainer.paint_over(question, "R")))
    )
    assert np.array_equal(before[:, 28:], after[:, 28:])
    assert (before[:, 12:20].max(axis=(1, 2, 3)) > 200).all()  # the square
    assert (after[:, 12:20].max(axis=(1, 2, 3)) < 100).all()


def test_a_video_that_is_none_is_refused_and_leaves_nothing(
    explainer: Explainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs, video = explainer.photographs, write_video(tmp_path / "a.mp4", moving_right(12))
    content = video.read_bytes()
    sound = write_sound(tmp_path / "sound.mp4").read_bytes()
    bad = [(b"", "not a video"), (b"no video", "not a video"), (sound, "no video in it"),
           (content[: len(content) // 2], "not a video")]  # fmt: skip
    for some, message in bad:
        with pytest.raises(DataError, match=f"^{message}"):
            photographs.add(some)
    avi = write_video(tmp_path / "a.avi", moving_right(150)).read_bytes()
    assert photographs.file(photographs.add(avi[: len(avi) * 4 // 5])).is_dir()  # what comes before
    monkeypatch.setattr(dropped, "SECONDS", 0.0)
    with pytest.raises(DataError, match=r"^video too long; expected at most 0 s"):
        photographs.add(content)
    monkeypatch.setattr(dropped, "LARGEST", len(content) - 1)
    with pytest.raises(DataError, match="too large"):
        photographs.add(content)
    assert len(list((tmp_path / "photographs").iterdir())) == 1
    monkeypatch.setattr(dropped, "KEPT", 1)
    key = photographs.add_frames([Image.new("RGB", (9, 9))] * 2)
    assert [file.name for file in (tmp_path / "photographs").iterdir()] == [key]
