"""Clips dissected, against a plain slow reference: all frames annotated, some, and stills."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from conceptgraph.errors import ModelError
from conceptgraph.ingest.concept_data.decoding import decode_clip
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.dissection import forward_pass
from conceptgraph.ingest.dissection.cells import Grid, cells_of_images, find_cells
from conceptgraph.ingest.dissection.overlaps import Overlaps
from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.engine.scratch import DeviceCache, TensorFile
from conceptgraph.ingest.inputs import Inputs, batch_size_for
from conceptgraph.ingest.network.loading import as_network, load_network
from conceptgraph.ingest.output.animation import animation, animation_name, shown_frames
from conceptgraph.ingest.output.thumbnails import outlined, shrink
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.block_probes import labelled_positions
from conceptgraph.ingest.statistics.label_statistics import category_columns, count_labels
from conceptgraph.ingest.statistics.permutation_null import MOMENT_DRAWS, permutation_of_units
from conceptgraph.settings import Settings
from tests import reference
from tests.drawn_data import write_broden, write_mask
from tests.expected_run import ExpectedRun, maps_of
from tests.random_networks import randomised

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run

FRAMES, SIDE, MASK = 6, 16, 8
"""Of the clips; pixels a side of a frame, and of its mask."""
CPU = torch.device("cpu")
SETTINGS = Settings(
    quantile=0.05, batch_size=5, null_samples=20, top_images=2, calibration_images=10
)


class ClipNet(nn.Module):
    """Two blocks of 3 and of 2 time slots, of clips of 6 frames; a third of one position."""

    frames, input_size = FRAMES, SIDE

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 3, 1, 1)
        self.layer1 = stage(4, 8, (2, 2, 2))
        self.layer2 = stage(8, 9, (2, 2, 2))
        self.layer3 = stage(9, 10, (2, 4, 4))
        self.fc = nn.Linear(10, num_classes)
        torch.manual_seed(0)
        for child in self.modules():
            if isinstance(child, nn.Conv3d):
                nn.init.kaiming_normal_(child.weight)
        randomised(self)

    def forward(self, clips: Tensor) -> Tensor:
        maps: Tensor = self.layer3(self.layer2(self.layer1(self.stem(clips))))
        logits: Tensor = self.fc(maps.mean((2, 3, 4)))
        return logits


def stage(inputs: int, units: int, stride: tuple[int, int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, units, 3, stride, 1, bias=False),
        nn.BatchNorm3d(units),
        nn.ReLU(),
        nn.Conv3d(units, units, 1),
        nn.ReLU(),
    )


class ImageNet(nn.Module):
    """A network of images."""

    input_size = SIDE

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.layer2 = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.layer2(self.layer1(self.stem(x))).mean((2, 3)))
        return logits


def write_clips(folder: Path, clips: int = 14) -> Path:
    """Film strips of noise in which a block moves, with masks; some are stills, or of 4 frames."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, str | int]] = []
    for number in range(clips):
        frames = (FRAMES, FRAMES, 4, 1)[number % 4]
        strip = rng.integers(0, 90, (frames * SIDE, SIDE, 3)).astype(np.uint8)
        numbers = np.zeros((frames * MASK, MASK), np.int64)
        for frame in range(frames):
            x, y = (number + frame) % 6, number % 5
            top = frame * SIDE + 2 * y
            strip[top : top + 6, 2 * x : 2 * x + 6] = (250, 30 * (number % 4), 40 * frame)
            numbers[frame * MASK + y : frame * MASK + y + 3, x : x + 3] = 1 + number % 3
        row: dict[str, str | int] = {
            "image": f"{number:02}.png", "ih": frames * SIDE, "iw": SIDE,
            "sh": frames * MASK, "sw": MASK, "frames": frames if frames > 1 else "",
        }  # fmt: skip
        if number % 4 == 1:
            row["annotated"] = "1;4"
            unannotated = [0, 2, 3, 5]
            numbers.reshape(frames, MASK, MASK)[unannotated] = 0
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(strip).save(folder / "images" / f"{number:02}.png")
        write_mask(folder / "images" / f"{number:02}_m.png", numbers)
        row["object"] = f"{number:02}_m.png"
        row["action"] = "4" if number % 2 else ""
        rows.append(row)
    labels = [(1, "disc", "object"), (2, "ring", "object"), (3, "star", "object"),
              (4, "rolling", "action")]  # fmt: skip
    write_broden(folder, rows, labels, ("object", "action"), clips=True)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "clips.cg"
    return ingest(f"{__name__}:ClipNet", clips, out, SETTINGS, device="cpu", workers=1)


def inputs_of(clips: Path, settings: Settings = SETTINGS) -> Inputs:
    data = open_concept_data(clips)
    network = load_network(f"{__name__}:ClipNet")
    blocks = Settings(**{**settings.as_dict(), "blocks": network.blocks})  # type: ignore[arg-type]
    return Inputs(network, data, blocks, CPU, workers=1)


def test_a_run_of_clips_is_what_the_definition_says(clips: Path, run: Run) -> None:
    inputs = inputs_of(clips)
    ExpectedRun(inputs).check(run, maps_of(inputs))
    assert run.manifest["input"]["frames"] == FRAMES
    assert run.manifest["blocks"]["block1"] == {"units": 8, "height": 8, "width": 8, "times": 3}
    assert run.manifest["blocks"]["block3"] == {"units": 10, "height": 1, "width": 1, "times": 1}
    assert run.contributions("block1", "block2").shape == (8, 9)
    rows = run.top_images
    thumbnails = [run.path / name for name in rows["thumbnail"]]
    assert thumbnails
    assert all(Image.open(path).size == (112, 112) for path in thumbnails)
    presence = run.presence
    assert set(presence["block"]) == {"block1", "block2", "block3"}


def test_thumbnails_of_clips_move_and_outline_each_frame(clips: Path, run: Run) -> None:
    inputs = inputs_of(clips)
    maps = maps_of(inputs)["block1"]
    units = run.units.set_index("uid")["threshold"]
    places = {image.name: number for number, image in enumerate(inputs.images)}
    moving, stills, outlines = 0, 0, 0
    rows = run.top_images[run.top_images["unit"].str.startswith("block1/")]
    for row in rows.itertuples():
        file, place = run.path / animation_name(str(row.thumbnail)), places[str(row.image)]
        image = inputs.images[place]
        if image.frames == 1:
            assert not file.exists()
            stills += 1
            continue
        strip = np.split(np.asarray(Image.open(image.path)), image.frames)
        unit_map = maps[place, int(str(row.unit).split("/")[1])]
        with Image.open(file) as animation:
            assert (animation.format, animation.size) == ("WEBP", (112, 112))
            assert animation.n_frames == image.frames
            for frame, pixels in enumerate(strip):
                slot = unit_map[reference.slot_of(frame, image.frames, 3)]
                mask = reference.up_sample(slot.numpy(), 112, 112) > units[row.unit]
                expected = outlined(shrink(pixels), mask).astype(int)
                animation.seek(frame)
                found = np.asarray(animation.convert("RGB")).astype(int)
                assert np.abs(found - expected).mean() < 12
                outlines += int(mask.any())
        moving += 1
    assert moving > 5
    assert stills > 0
    assert outlines > moving


def test_a_long_clip_is_animated_in_few_frames() -> None:
    assert shown_frames(6) == [0, 1, 2, 3, 4, 5]
    assert shown_frames(16) == [1, 3, 5, 7, 9, 11, 13, 15]
    colours = [Image.new("RGB", (8, 8), (0, 90 * n, 200)) for n in range(3)]
    with Image.open(BytesIO(animation(colours))) as file:
        assert (file.n_frames, file.info["loop"]) == (3, 0)


def test_a_still_is_a_clip_of_equal_frames(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (20, 24, 3)).astype(np.uint8)
    decoded = []
    for frames in (1, FRAMES):
        path = tmp_path / f"{frames}.png"
        Image.fromarray(np.tile(picture, (frames, 1, 1))).save(path)
        decoded.append(np.empty((FRAMES, SIDE, SIDE, 3), np.uint8))
        decode_clip(path, frames, decoded[-1])
    np.testing.assert_array_equal(decoded[0], decoded[1])


def test_the_null_permutes_the_labels_of_clips(clips: Path, tmp_path: Path) -> None:
    """Counted again with the labels of other clips that have as many annotated frames."""
    inputs = inputs_of(clips)
    data, batches = inputs.data, inputs.batches()
    maps = maps_of(inputs)["block1"]
    limits = torch.from_numpy(reference.thresholds(maps.numpy(), 0.05)).float()
    statistics = count_labels(
        data, len(inputs.images), TensorFile(tmp_path / "m", torch.uint16, DeviceCache(0)), "paper",
        batches=batches, group=ProcessGroup(), device=CPU, workers=1, advance=lambda _: None,
    )  # fmt: skip
    category = torch.from_numpy(category_columns(data))
    units, draws = maps.shape[1], 2 + MOMENT_DRAWS
    overlaps = Overlaps(units, category, len(data.categories), "paper", 2 * units)
    orders, grid = [], Grid.of(maps)
    for batch in batches:
        cells = find_cells(maps[batch.first : batch.first + len(batch.images)], limits)[0]
        groups = labels_of_batch(
            data, batch.images, batch.first, statistics, CPU, fitted=99, permuted=True
        )
        by_size = [(cells_of_images(cells, grid, labels.number), labels) for labels in groups]
        overlaps.update(overlaps.partial(by_size, grid, limits))
        for labels in groups:
            numbers = labels.number.numpy() + batch.first
            assert labels.permutations is not None
            whose = np.vstack([numbers, numbers[labels.permutations.numpy()]])
            orders.append(whose[permutation_of_units(units, draws).numpy().T])
    expected_run = ExpectedRun(inputs)
    masks = [
        expected_run.masks(image, image_maps, limits.double().numpy())
        for image, image_maps in zip(inputs.images, maps.numpy(), strict=True)
    ]
    expected = reference.permutation_null(
        masks, expected_run.labelled, expected_run.category, orders, MOMENT_DRAWS
    )
    assert expected.null.any()
    for found, slow in zip(overlaps.counts.null, expected, strict=True):
        np.testing.assert_array_equal(found, slow)


def test_probes_are_fitted_on_annotated_frames_where_they_are(clips: Path, tmp_path: Path) -> None:
    inputs = inputs_of(clips)
    batches = inputs.batches()
    statistics = count_labels(
        inputs.data, len(inputs.images), TensorFile(tmp_path / "m", torch.uint16, DeviceCache(0)),
        "paper", batches=batches, group=ProcessGroup(), device=CPU, workers=1,
        advance=lambda _: None,
    )  # fmt: skip
    expected = ExpectedRun(inputs)
    chosen = torch.arange(16)
    seen = 0
    for batch in batches:
        for labels in labels_of_batch(
            inputs.data, batch.images, batch.first, statistics, CPU, fitted=99
        ):
            labelled = labelled_positions(labels, (4, 4), chosen)
            slots = labels.slots(3)
            assert slots is not None
            for place, number in enumerate(labels.number.tolist()):
                image = inputs.images[batch.first + number]
                assert slots[place].tolist() == [
                    reference.slot_of(t, image.frames, 3) for t in image.annotated
                ]
                own = expected.labelled[batch.first + number]
                by_frame = np.split(own.label_maps, len(image.annotated), axis=1)
                for concept in range(3):
                    there = [
                        reference.labelled_positions(
                            reference.LabelledImage(frame, own.image_labels), concept, 4, 4
                        )
                        for frame in by_frame
                    ]
                    np.testing.assert_array_equal(labelled[concept, place], np.ravel(there))
                    seen += int(np.sum(there))
    assert seen > 0


def test_a_batch_counts_frames_and_calibration_bytes(
    clips: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    network, data = load_network("r3d_18", "random"), open_concept_data(clips)
    assert batch_size_for(Settings(), network, data, CPU) == 8
    assert batch_size_for(Settings(image_size=448), network, data, CPU) == 4
    assert batch_size_for(Settings(batch_size=3), network, data, CPU) == 3
    assert batch_size_for(Settings(), as_network(ImageNet(), "images"), data, CPU) == 32
    monkeypatch.setattr(forward_pass, "CALIBRATION_BYTES", 1)
    again = ingest(
        f"{__name__}:ClipNet", clips, tmp_path / "few.cg", SETTINGS, device="cpu", workers=1
    )
    for block in run.blocks:
        np.testing.assert_array_equal(again.iou(block), run.iou(block))


def test_frames_of_a_strip_become_those_that_the_network_takes(tmp_path: Path) -> None:
    strip = np.repeat(np.arange(8, dtype=np.uint8) * 10, 4)[:, None, None].repeat(6, 1).repeat(3, 2)
    path = tmp_path / "strip.png"
    Image.fromarray(strip).save(path)
    for frames, expected in ((4, [10, 30, 50, 70]), (8, range(0, 80, 10)), (2, [20, 60])):
        out = np.empty((frames, 4, 6, 3), np.uint8)
        decode_clip(path, 8, out)
        assert out[:, 0, 0, 0].tolist() == list(expected)
    more = np.empty((16, 2, 3, 3), np.uint8)  # each is resized by itself: nothing bleeds
    decode_clip(path, 8, more)
    assert more[:, :, :, 0].reshape(16, -1).tolist() == [[t // 2 * 10] * 6 for t in range(16)]


def test_a_network_of_images_takes_no_clips(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"takes images, not clips; found 00.png of 6 frames"):
        ingest(f"{__name__}:ImageNet", clips, tmp_path / "no.cg", SETTINGS, device="cpu")
