"""A whole ingest of drawn pictures against the definition, and what must not change its result."""

from __future__ import annotations

import csv
import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from conceptgraph.errors import ConceptGraphError, DataError, RunError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.quantile import QUANTILES
from conceptgraph.ingest.dissection import bounds
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.forward import block_outputs
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.ingest.sources.merge import merge
from conceptgraph.progress import NoProgress
from conceptgraph.settings import BLOCKS, Settings
from tests import reference
from tests.drawn_data import draw_concept_data, write_broden, write_mask
from tests.expected_run import ExpectedRun, maps_of
from tests.random_networks import SIDE, CustomBlock, CustomNetwork, random_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.progress import Advance
    from conceptgraph.settings import IouVariant

CPU = torch.device("cpu")
IMAGES = 16
# A tail large enough for maps of 2 × 2, and every label a unit has.
SETTINGS = Settings(quantile=0.05, batch_size=5, top_labels=1000, top_images=2)


def basic() -> nn.Module:
    return random_network("basic").module


def bottleneck() -> nn.Module:
    return random_network("bottleneck").module


def factory() -> nn.Module:
    return random_network("factory").module


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), IMAGES)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise in which sizes of images and masks, and the number of label maps, differ."""
    folder, rng = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0)
    rows: list[dict[str, str | int]] = []
    for number in range(11):
        side, mask = (48, 64, 80)[number % 3], (16, 24)[number % 2]
        cells = {"object": [""], "part": [""], "scene": [str(8 * (number % 4 == 0))]}
        for layer in range((1, 3, 0, 2)[number % 4]):
            labels_of = np.kron(rng.integers(0, 8, (4, 4)), np.ones((mask // 4, mask // 4), int))
            write_mask(folder / "images" / f"{number}_{layer}.png", labels_of)
            cells["part" if layer else "object"].append(f"{number}_{layer}.png")
        (folder / "images").mkdir(exist_ok=True)
        noise = rng.integers(0, 256, (side // 4, side // 4, 3), np.uint8)
        Image.fromarray(noise).resize((side, side)).save(folder / "images" / f"{number}.png")
        joined = {category: ";".join(filter(None, items)) for category, items in cells.items()}
        sides = {"ih": side, "iw": side, "sh": mask, "sw": mask}
        rows.append({"image": f"{number}.png", **sides, **joined})
    labels = [(n, f"label {n}", ("object", "part", "scene")[n % 3]) for n in range(1, 9)]
    return write_broden(folder, rows, labels, ("object", "part", "scene"))


class Given(NamedTuple):
    """What an ingest is given."""

    model: str
    data: Path
    weights: Path | None = None
    classes: Path | None = None


def given_network(model: str, data: Path, weights: Path | None = None) -> Given:
    return Given(f"{__name__}:{model}", data, weights)


def dissect(given: Given, out: Path, settings: Settings | None = None, **options: Any) -> Run:
    model, data, weights, classes = given
    return ingest(model, data, out, settings, weights=weights, classes=classes, **options)


def inputs_of(given: Given, settings: Settings) -> Inputs:
    data = open_concept_data(given.data, label_zero=settings.iou == "lite")
    return Inputs(
        load_network(given.model, given.weights),
        data,
        settings,
        CPU,
        workers=1,
    )


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("basic", {"iou": "paper"}),
        ("basic", {"iou": "lite", "preprocess": "netdissect"}),
        ("bottleneck", {"iou": "lite", "blocks": BLOCKS[1:]}),
        ("factory", {"iou": "unrestricted", "blocks": BLOCKS[:3], "quantile": 0.005}),
        ("factory", {"threshold_split": "val", "blocks": BLOCKS[2:3]}),
        (
            "factory",
            {
                "threshold_split": "val",
                "blocks": BLOCKS[:1],
                "calibration_images": 1,
                "batch_size": 1,
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_a_run_is_what_the_definition_says(
    tmp_path: Path, drawn: Path, model: str, changes: dict[str, str]
) -> None:
    settings = dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]  # by hand
    run = dissect(given_network(model, drawn), tmp_path / "a.cg", settings, device="cpu")
    inputs = inputs_of(given_network(model, drawn), settings)
    assert (run.units["status"] == "ok").sum() >= 3
    ExpectedRun(inputs).check(run, maps_of(inputs))


@pytest.mark.parametrize("iou", ["paper", "lite", "unrestricted"])
def test_images_of_all_sizes_in_one_batch(tmp_path: Path, mixed: Path, iou: str) -> None:
    settings = dataclasses.replace(
        SETTINGS,
        blocks=BLOCKS[1:3],
        image_size=64,
        iou=iou,  # type: ignore[arg-type]
    )
    run = dissect(given_network("basic", mixed), tmp_path / "a.cg", settings, device="cpu")
    inputs = inputs_of(given_network("basic", mixed), settings)
    ExpectedRun(inputs).check(run, maps_of(inputs))


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise with labels of whole images and no mask; about noon, only some were asked."""
    folder, rng = tmp_path_factory.mktemp("tagged"), np.random.default_rng(0)
    (folder / "images").mkdir()
    rows: list[dict[str, str | int]] = []
    for number in range(11):
        noise = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).resize((64, 64)).save(folder / "images" / f"{number}.png")
        time = ("1;-2" if number % 2 else "1", "2", "-2" if number % 4 else "")[number % 3]
        cells = {"time": time, "place": ("3", "")[number % 2]}
        split = "train" if number % 4 else "val"
        rows.append({"image": f"{number}.png", "split": split, "sh": (8, 12)[number % 2], **cells})
    labels = [(1, "dusk", "time"), (2, "noon", "time"), (3, "harbour", "place")]
    return write_broden(folder, rows, labels, ("time", "place"), size=64)


@pytest.mark.parametrize("iou", ["paper", "lite", "unrestricted"])
@pytest.mark.parametrize("with_masks", [False, True])
def test_labels_of_whole_images(
    tmp_path: Path, tagged: Path, drawn: Path, iou: IouVariant, *, with_masks: bool
) -> None:
    data = tagged
    if with_masks:
        merge([drawn, tagged], tmp_path / "merged")
        data = tmp_path / "merged"
    assert check(data).defects == ()
    settings = dataclasses.replace(
        SETTINGS, blocks=BLOCKS[1:3], image_size=64, batch_size=3, iou=iou
    )
    run = dissect(given_network("basic", data), tmp_path / "a.cg", settings, device="cpu")
    inputs = inputs_of(given_network("basic", data), settings)
    ExpectedRun(inputs).check(run, maps_of(inputs))
    quality = run.presence.set_index("concept").loc[["time/dusk", "time/noon", "place/harbour"]]
    assert len(quality) == 6
    assert (quality["positions"] > 0).any()


@pytest.mark.parametrize("model", ["basic", "bottleneck", "factory"])
def test_folding_batch_norm_changes_thresholds_by_rounding_only(drawn: Path, model: str) -> None:
    settings = dataclasses.replace(SETTINGS, blocks=BLOCKS[:3])
    inputs = inputs_of(given_network(model, drawn), settings)
    fast = maps_of(inputs)
    inputs.module = load_network(f"{__name__}:{model}").module
    for block, maps in maps_of(inputs).items():
        expected = reference.thresholds(maps.numpy(), 0.05)
        found = reference.thresholds(fast[block].numpy(), 0.05)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


class PreActivation(CustomBlock):
    """Runs the norm before the convolution, though its names suggest the contrary."""

    def __init__(self) -> None:
        super().__init__(8, 8)
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        nn.init.normal_(self.bn1.bias)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.relu(x + self.conv1(self.bn1(x)))
        return result


def misnamed() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CustomNetwork()
        network.layer1.append(PreActivation())
        return network


def test_a_network_that_folding_would_break_runs_as_it_is(drawn: Path) -> None:
    settings = dataclasses.replace(SETTINGS, blocks=BLOCKS[:1], precision="bfloat16")
    inputs = inputs_of(given_network("misnamed", drawn), settings)
    batch = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    plain = inputs.network.module
    expected = block_outputs(plain, {"block1": plain.get_submodule("layer1")}, batch)["block1"]
    module = inputs.module
    assert {p.dtype for p in plain.parameters()} == {torch.float32}  # the caller's stays its own
    stages = {"block1": module.get_submodule("layer1")}
    found = block_outputs(module, stages, batch.bfloat16())["block1"]
    assert float((found - expected).abs().mean() / expected.mean()) < 0.02


def test_dead_and_sparse_units(tmp_path: Path, drawn: Path) -> None:
    """Turn two units of block4 off, and let a third fire at one position of all images."""
    settings = dataclasses.replace(SETTINGS, blocks=BLOCKS[3:])
    module = basic()
    maps = maps_of(inputs_of(given_network("basic", drawn), settings))["block4"]
    loud = int(maps.amax((0, 2, 3)).argmax())
    silent, muffled = [unit for unit in range(64) if unit != loud][:2]
    norm = module.get_submodule("layer4.0.bn2")
    shortcut = module.get_submodule("layer4.0.downsample.1")
    assert isinstance(norm, nn.BatchNorm2d)
    for layer in (norm, shortcut):
        layer.get_parameter("weight")[silent] = 0
        layer.get_parameter("bias")[silent] = 0
    norm.bias[muffled] = -1e4
    norm.bias[loud] -= maps[:, loud].flatten().sort().values[-2:].mean()
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    given = given_network("basic", drawn, tmp_path / "weights.pt")
    run = dissect(given, tmp_path / "a.cg", settings, device="cpu")
    inputs = inputs_of(given, settings)
    ExpectedRun(inputs).check(run, maps_of(inputs))
    units = run.units.set_index("index")
    assert units["status"][[silent, muffled, loud]].tolist() == ["dead", "dead", "sparse"]
    assert units["label"].isna()[[silent, muffled, loud]].tolist() == [True, True, False]
    assert not run.iou("block4").iloc[[silent, muffled]].to_numpy().any()
    shown = run.top_images["unit"].tolist()
    assert f"block4/{silent}" not in shown
    assert shown.count(f"block4/{loud}") == 1
    # Fitted on the split in which that one position is not, the unit is dead, whatever it overlaps.
    name = run.top_images["image"][shown.index(f"block4/{loud}")]
    split = next(image.split for image in inputs.images if image.name == name)
    settings = dataclasses.replace(
        settings, threshold_split={"train": "val", "val": "train"}[split]
    )
    run = dissect(given, tmp_path / "b.cg", settings, device="cpu")
    inputs = inputs_of(given, settings)
    ExpectedRun(inputs).check(run, maps_of(inputs))
    assert run.units["status"][loud] == "dead"


def assert_same(run: Run, other: Run) -> None:
    """Every number of two runs is the same."""
    for table in ("units", "concepts", "detections", "classes", "top_images"):
        pd.testing.assert_frame_equal(getattr(run, table), getattr(other, table))
    for block in run.blocks:
        np.testing.assert_array_equal(run.iou(block), other.iou(block))
    for hop in run.hops:
        for pre in (False, True):
            np.testing.assert_array_equal(
                run.contributions(*hop, pre=pre), other.contributions(*hop, pre=pre)
            )
    assert pictures(run) == pictures(other)


def pictures(run: Run) -> dict[str, bytes]:
    files = (run.path / "thumbnails").rglob("*.jpg")
    return {str(file.relative_to(run.path)): file.read_bytes() for file in files}


def test_neither_workers_nor_the_order_of_the_index_matter(tmp_path: Path, drawn: Path) -> None:
    run = dissect(given_network("basic", drawn), tmp_path / "a.cg", SETTINGS, device="cpu")
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for path in drawn.iterdir():
        (shuffled / path.name).symlink_to(path)
    (shuffled / "index.csv").unlink()
    with (drawn / "index.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    with (shuffled / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows[::-1]])
    given = given_network("basic", shuffled)
    other = dissect(given, tmp_path / "b.cg", SETTINGS, device="cpu", workers=5)
    assert_same(run, other)
    assert run.manifest["data"]["digest"] == other.manifest["data"]["digest"]


def test_batches_of_another_size_change_nothing_but_rounding(tmp_path: Path, drawn: Path) -> None:
    runs = [
        dissect(
            given_network("basic", drawn),
            tmp_path / f"{size}.cg",
            dataclasses.replace(SETTINGS, batch_size=size),
            device="cpu",
        )
        for size in (1, 7, 64)
    ]
    for other in runs[1:]:
        found, expected = (run.units["threshold"].to_numpy() for run in (other, runs[0]))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert other.top_images["image"].tolist() == runs[0].top_images["image"].tolist()
        for block in other.blocks:
            difference = np.abs(other.iou(block) - runs[0].iou(block)).to_numpy()
            assert difference.max() < 0.01
            assert difference.mean() < 1e-5


class Watched(NoProgress):
    """Progress that counts what every step does, and presses Ctrl-C in one of them."""

    def __init__(self, interrupt: str = "") -> None:
        self.done: dict[str, int] = {}
        self._interrupt = interrupt

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        self.done[name] = 0

        def advance(done: int) -> None:
            self.done[name] += done
            if name == self._interrupt:
                raise KeyboardInterrupt

        yield advance
        assert self.done[name] in {0, total}
        if name == self._interrupt:
            raise KeyboardInterrupt


def test_bounds_that_prove_too_high_cost_a_part_of_a_pass_and_nothing_else(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    outputs = Inputs.outputs

    def record(
        inputs: Inputs, pixels: Tensor, blocks: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        maps = outputs(inputs, pixels, blocks)
        if blocks is not None:
            assert set(maps) == set(blocks)
            asked.extend(BLOCKS.index(block) for block in blocks[-1:])
        return maps

    monkeypatch.setattr(bounds, "ERRORS", -1000)
    monkeypatch.setattr(Inputs, "outputs", record)
    settings = dataclasses.replace(SETTINGS, batch_size=1, calibration_images=2)
    runs, repeated = [], []
    for look_after in (4, IMAGES + 1):
        monkeypatch.setattr(bounds, "LOOK_AFTER", look_after)
        progress, out = Watched(), tmp_path / f"{look_after}.cg"
        runs.append(dissect(given_network("basic", drawn), out, settings, progress=progress))
        assert progress.done["thresholds"] == IMAGES
        repeated.append(len(asked))
        asked.clear()
    assert 0 < repeated[0] < repeated[1] <= IMAGES
    monkeypatch.setattr(bounds, "ERRORS", 5)
    settings = dataclasses.replace(settings, calibration_images=IMAGES)
    progress = Watched()
    runs.append(
        dissect(given_network("basic", drawn), tmp_path / "safe.cg", settings, progress=progress)
    )
    assert progress.done["thresholds"] == 0
    assert not asked
    for run in runs[:2]:
        assert_same(run, runs[2])


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "step",
    [
        "label statistics",
        "forward pass",
        "thresholds",
        "overlaps",
        "contributions",
        "thumbnails",
        "tables",
    ],
)
def test_an_interrupted_ingest_leaves_the_earlier_run_and_nothing_else(
    tmp_path: Path, drawn: Path, step: str
) -> None:
    settings = dataclasses.replace(SETTINGS, blocks=BLOCKS[2:], top_images=1)
    given, out = given_network("basic", drawn), tmp_path / "a.cg"
    with pytest.raises(KeyboardInterrupt):
        dissect(given, out, settings, progress=Watched(step))
    assert list(tmp_path.iterdir()) == []
    dissect(given, out, dataclasses.replace(settings, blocks=BLOCKS[3:]))
    before = everything(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        dissect(given, out, settings, overwrite=True, progress=Watched(step))
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        ("00007.jpg", r"00007\.jpg: not an image"),
        ("00007_color.png", r"00007_color\.png: damaged PNG.*row 9"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_left(
    tmp_path: Path, damaged: str, message: str
) -> None:
    data = draw_concept_data(tmp_path / "data", 9, size=32, mask_size=8)
    file = next((data / "images").rglob(damaged))
    file.write_bytes(file.read_bytes()[: 40 if damaged.endswith("png") else 1])
    with pytest.raises(DataError, match=message):
        dissect(
            given_network("factory", data),
            tmp_path / "a.cg",
            Settings(blocks=BLOCKS[:3]),
            strict=True,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path: Path, drawn: Path) -> None:
    out = tmp_path / "a.cg"
    wrong = {
        r"no block4; .* expected --blocks among block1,block2,block3": Settings(blocks=BLOCKS),
        r"no image is in the split 'test'; expected one of train, val": Settings(
            blocks=BLOCKS[:3], threshold_split="test"
        ),
    }
    for message, settings in wrong.items():
        with pytest.raises(ConceptGraphError, match=message):
            dissect(given_network("factory", drawn), out, settings)
    with pytest.raises(ConceptGraphError, match="device 'tpu9' cannot be used"):
        dissect(given_network("basic", drawn), out, device="tpu9")
    with pytest.raises(RunError, match=r"Call it a\.cg"):
        dissect(given_network("basic", drawn), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_says_where_the_numbers_come_from(tmp_path: Path, drawn: Path) -> None:
    torch.save(basic().state_dict(), tmp_path / "weights.pt")
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join("abcde"))
    settings = dataclasses.replace(SETTINGS, blocks=BLOCKS[2:], image_size=96)
    given = Given(f"{__name__}:basic", drawn, tmp_path / "weights.pt", classes)
    run = dissect(given, tmp_path / "a.cg", settings, device="cpu")
    manifest = run.manifest
    digest = load_network(given.model, given.weights).digest
    data = open_concept_data(drawn)
    assert manifest["settings"] == {
        **dataclasses.asdict(settings),
        "blocks": ["block3", "block4"],
        "modules": [],
    }
    assert manifest["settings_digest"] == settings.digest != SETTINGS.digest
    assert manifest["model"]["name"] == given.model
    assert manifest["model"]["digest"] == digest
    assert manifest["model"]["weights"] == str((tmp_path / "weights.pt").resolve())
    assert manifest["model"]["classes"] == str(classes.resolve())
    assert (manifest["input"]["height"], manifest["input"]["width"]) == (96, 96)
    assert manifest["data"]["digest"] == data.digest
    assert manifest["data"]["images"] == IMAGES
    assert manifest["data"]["concepts"] == len(data.concepts) == len(run.concepts)
    assert manifest["blocks"] == {
        "block3": {"units": 32, "height": 6, "width": 6},
        "block4": {"units": 64, "height": 3, "width": 3},
    }
    assert manifest["device"] == "cpu"
    assert manifest["versions"]["torch"] in torch.__version__
    assert list(manifest["timings"]) == [
        "label statistics",
        "forward pass",
        "thresholds",
        "overlaps",
        "contributions",
        "thumbnails",
        "tables",
    ]
    assert run.hops == (("block3", "block4"), ("block4", "class"))
    assert run.classes["name"].tolist() == list("abcde")
    run.check()


def test_the_quantile_suits_the_data_unless_one_is_asked_for(tmp_path: Path, drawn: Path) -> None:
    given = given_network("basic", drawn)
    settings = dataclasses.replace(SETTINGS, quantile="auto", min_iou=0.1, blocks=BLOCKS[1:3])
    auto = dissect(given, tmp_path / "auto.cg", settings, device="cpu")
    report = check(drawn, min_iou=0.1)
    assert auto.settings.quantile == "auto"
    assert (auto.quantile, auto.manifest["quantile_reason"]) == (
        report.quantile,
        report.quantile_reason,
    )
    assert auto.quantile in QUANTILES[1:]
    again = dissect(given, tmp_path / "auto.cg", settings, device="cpu", resume=True)
    assert again.manifest == auto.manifest
    settings = dataclasses.replace(settings, quantile=auto.quantile)
    asked = dissect(given, tmp_path / "asked.cg", settings, device="cpu")
    assert (asked.quantile, asked.manifest["quantile_reason"]) == (auto.quantile, "")
    assert_same(auto, asked)
    settings = dataclasses.replace(settings, quantile=0.005)
    other = dissect(given, tmp_path / "other.cg", settings, device="cpu")
    assert other.quantile == 0.005
    assert f"auto would be {auto.quantile:g}" in other.manifest["quantile_reason"]


@pytest.mark.parametrize("side", [48, 96])
def test_the_input_is_the_networks_not_the_concept_images(tmp_path: Path, side: int) -> None:
    data = draw_concept_data(tmp_path / "data", 3, size=side)
    network = random_network("basic")

    def shape(settings: Settings) -> tuple[int, int, int | None]:
        made = Inputs(network, open_concept_data(data), settings, CPU, 1).shape
        return made["height"], made["width"], made["resize"]

    assert shape(Settings()) == (SIDE, SIDE, None)
    assert shape(Settings(image_size=112)) == (112, 112, None)
    assert shape(Settings(preprocess="imagenet")) == (224, 224, 256)
    assert shape(Settings(preprocess="imagenet", image_size=112)) == (112, 112, 128)


def test_labels_are_compared_with_chance(tmp_path: Path, drawn: Path) -> None:
    given = given_network("basic", drawn)
    settings = dataclasses.replace(SETTINGS, blocks=BLOCKS[:2])
    rows = dissect(given, tmp_path / "a.cg", settings, device="cpu").detections
    assert rows["p"].between(0, 1, inclusive="right").all()
    assert (rows[rows["iou"] > 0]["enrichment"].dropna() > 0).all()
    assert (rows["iou"] <= rows["attainable_iou"] + 1e-9).all()
    beyond, within = rows[rows["significant"]]["p"], rows[~rows["significant"]]["p"]
    assert beyond.empty or beyond.max() < within.min()
    again = dissect(given, tmp_path / "b.cg", settings, device="cpu", workers=1).detections
    pd.testing.assert_frame_equal(rows, again)
    without = dataclasses.replace(settings, null_samples=0)
    run = dissect(given, tmp_path / "c.cg", without, device="cpu")
    assert not run.is_tested
    assert not run.detections["significant"].any()
    shared = ["unit", "concept", "iou", "rank", "intersection", "activation", "truth"]
    pd.testing.assert_frame_equal(run.detections[shared], rows[shared])
