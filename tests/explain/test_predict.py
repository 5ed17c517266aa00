"""Predictions and explanations of photographs: the network's own, on what it sees of them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from conceptgraph.errors import ConceptGraphError, DataError, ModelError, QueryError
from conceptgraph.explain.ablation import ablate
from conceptgraph.explain.audit import audit
from conceptgraph.explain.counterfactuals import logits_of
from conceptgraph.explain.explain import explain
from conceptgraph.explain.inpainting import paint_over
from conceptgraph.explain.network import open_network
from conceptgraph.explain.predict import predict
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.ingest.network.preprocessing import input_lines
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.pages.pictures import cam_png, photograph
from conceptgraph.pages.write import write_page
from conceptgraph.settings import Settings
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = "tests.lively_run:lively_network"


@pytest.fixture(scope="module")
def cropping(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose network sees the center of photographs."""
    folder = tmp_path_factory.mktemp("cropping")
    settings = Settings(preprocess="imagenet", image_size=64, quantile=0.1, min_iou=0.01)
    return ingest(MODEL, draw_concept_data(folder / "data", 12), folder / "crop.cg", settings)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    paths = []
    for number, size in enumerate(((150, 90), (70, 200), (64, 64))):
        path = folder / f"{number}.png"
        Image.effect_mandelbrot(size, (-2, -1, 1, 1), 40).convert("RGB").save(path)
        paths.append(path)
    return paths


def test_predictions_are_those_of_ones_own_pipeline(cropping: Run, photographs: list[Path]) -> None:
    own = transforms.Compose(
        [
            transforms.Resize(73),
            transforms.CenterCrop(64),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    module = lively_network()
    for path, answer in zip(photographs, predict(cropping, photographs, top=4), strict=True):
        with torch.inference_mode():
            expected = module(own(Image.open(path))[None])[0].softmax(0)
        found = dict(answer.predicted)
        names = cropping.classes["name"]
        assert [found[name] for name in names] == pytest.approx(expected.tolist(), abs=1e-5)
        assert answer.predicted == explain(cropping, path).predicted


def test_what_is_explained_is_what_is_predicted_and_the_crop_is_said(
    cropping: Run, photographs: list[Path], tmp_path: Path
) -> None:
    explanation = explain(cropping, photographs[0])
    assert explanation.shape == cropping.manifest["input"]
    assert explanation.seen == predict(cropping, photographs[:1])[0].seen
    preprocess = explanation.to_json()["preprocess"]
    assert isinstance(preprocess, dict)
    assert (preprocess["resize"], preprocess["seen"]) == (73, list(explanation.seen))
    page = tmp_path / "why.html"
    write_page(cropping, explanation, page)
    text = page.read_text("utf-8")
    assert "what is outside the crop is unseen" in text
    assert "whose shorter side is resized to 73" in text


def test_pictures_show_the_map_where_the_network_sees(
    cropping: Run, photographs: list[Path], tmp_path: Path
) -> None:
    explanation = explain(cropping, photographs[0])
    for name, cam in (("a", explanation.cam), ("b", -explanation.cam)):
        picture = cam_png(photograph(photographs[0]), explanation.seen, cam)
        (tmp_path / f"{name}.png").write_bytes(picture)
    a, b = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in "ab")
    columns = np.flatnonzero((a != b).any(axis=(0, 2)))
    left, right = round(explanation.seen.left * 150), round(explanation.seen.right * 150)
    assert columns.min() >= left
    assert columns.max() < right
    assert a.shape == (90, 150, 3)


def grey_network() -> nn.Module:
    """The lively network, of one channel."""
    module = lively_network()
    stem = module.get_submodule("conv1")
    assert isinstance(stem, nn.Conv2d)
    weight = stem.weight.sum(1, keepdim=True)
    module.set_submodule("conv1", nn.Conv2d(1, len(weight), 7, 2, 3, bias=False))
    module.get_submodule("conv1").load_state_dict({"weight": weight})
    return module


def test_a_network_of_one_channel_is_given_grey_photographs(
    tmp_path: Path, photographs: list[Path]
) -> None:
    own = [transforms.Resize((64, 64)), transforms.Grayscale(1), transforms.ToTensor()]
    (tmp_path / "grey.json").write_text(json.dumps({"mean": [0.3], "std": [0.2]}))
    settings = Settings(preprocess=str(tmp_path / "grey.json"), quantile=0.1, min_iou=0.01)
    data = draw_concept_data(tmp_path / "data", 12, size=64)
    run = ingest(f"{__name__}:grey_network", data, tmp_path / "grey.cg", settings)
    assert (run.manifest["input"]["mean"], run.manifest["input"]["std"]) == ([0.3], [0.2])
    pipeline = transforms.Compose([*own, transforms.Normalize((0.3,), (0.2,))])
    for path, answer in zip(photographs, predict(run, photographs, top=4), strict=True):
        with torch.inference_mode():
            expected = grey_network()(pipeline(Image.open(path))[None])[0].softmax(0)
        found = dict(answer.predicted)
        names = run.classes["name"]
        assert [found[name] for name in names] == pytest.approx(expected.tolist(), abs=1e-5)
    image = next((data / "images").rglob("*.jpg"))
    explanation = explain(run, image)
    assert sum(explanation.accounting[:3]) == pytest.approx(explanation.logit, abs=1e-4)
    assert "64 × 64 pixels in grey" in " ".join(input_lines(explanation.shape))
    thing = np.zeros((64, 64), bool)
    thing[:32] = True
    pixels = open_network(run).load_photograph(image).pixels
    assert pixels.std(2).max() > 0  # what pages show has its colors
    whole, covered = logits_of(open_network(run), [pixels, paint_over(pixels, thing)])
    assert not torch.equal(whole, covered)
    words = ("why", "--run", run.path, "--image", image, "--html", tmp_path / "why.html")
    assert call(*words, folder=tmp_path).status == 0


def unloadable(run: Run, folder: Path) -> Run:
    """Copy a run whose network cannot be loaded."""
    shutil.copytree(run.path, folder / "net.cg")
    manifest = folder / "net.cg" / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    content["model"]["name"] = "no_module:network"
    manifest.write_text(json.dumps(content))
    return open_run(folder / "net.cg")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda run, image: explain(run, image, "clas 1"), QueryError, "Did you mean"),
        (lambda run, image: explain(run, image, versus="clas 1"), QueryError, "Did you mean"),
        (lambda run, image: explain(run, image.with_name("no.png")), DataError, "no such image"),
        (lambda run, image: predict(run, [image, "no.png"]), DataError, "no such image"),
        (lambda run, image: ablate(run, image, concepts=["drak"]), QueryError, "no concept"),
        (lambda run, image: audit(run, image.parent, [("0.png", "x")]), QueryError, "no class"),
        (lambda run, image: audit(run, "no", [("0.png", "class 1")]), DataError, "no such folder"),
        (lambda run, image: explain(run, image, "class 1"), ModelError, "no_module"),
    ],
)
def test_a_wrong_question_is_found_before_the_network_is_loaded(
    cropping: Run,
    photographs: list[Path],
    tmp_path: Path,
    ask: Callable[[Run, Path], object],
    error: type[ConceptGraphError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        ask(unloadable(cropping, tmp_path), photographs[0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("why", "--image", "no.png"), "no.png: no such image"),
        (("why", "--image", "0.png", "--class", "clas 1"), "no class 'clas 1'"),
        (("why", "--image", "0.png", "--ablate", "drak"), "no concept 'drak'"),
        (("predict", "0.png", "no.png"), "no.png: no such image"),
        (("report", "-o", "r.html", "--image", "no.png"), "no.png: no such image"),
    ],
)
def test_commands_find_it_first_too(
    cropping: Run, photographs: list[Path], tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    unloadable(cropping, tmp_path)
    shutil.copy(photographs[0], tmp_path / "0.png")
    done = call(*words, folder=tmp_path)
    assert (done.status, done.out) == (1, "")
    assert message in done.err.splitlines()[-1]


def test_the_command_prints_the_input_and_probabilities(
    cropping: Run, photographs: list[Path]
) -> None:
    words = ("predict", *photographs, "--run", cropping.path, "--top", "2")
    done = call(*words, folder=cropping.path.parent)
    assert done.status == 0, done.err
    size, source, *unseen = done.err.splitlines()
    assert size.startswith("input: 64 × 64 pixels, the center of photographs")
    assert source == (
        "source: size: --image-size; resizing: --preprocess imagenet; "
        "mean and std: --preprocess imagenet"
    )
    assert [line.split(": ")[0] for line in unseen] == [str(path) for path in photographs]
    answers = predict(open_network(cropping), photographs, top=2)
    for answer in answers:
        assert f"{answer.predicted[1].probability:.2%}" in done.out
    printed = json.loads(call(*words, "--json", folder=cropping.path.parent).out)
    assert printed["preprocess"] == cropping.manifest["input"]
    assert printed["images"] == [answer.to_json() for answer in answers]


def test_the_command_leaves_out_what_cannot_be_read(
    cropping: Run, photographs: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"")
    words = ("predict", photographs[0], "bad.jpg", photographs[1], "--run", cropping.path)
    done = call(*words, "--json", folder=tmp_path)
    assert done.status == 1
    assert "left out: bad.jpg: not an image" in done.err
    assert [row["image"] for row in json.loads(done.out)["images"]] == [
        str(path) for path in photographs[:2]
    ]


def test_in_a_multi_label_network_each_class_is_a_decision_of_its_own(
    tmp_path: Path, photographs: list[Path]
) -> None:
    settings = Settings(multi_label=True, image_size=64, quantile=0.1, min_iou=0.01)
    run = ingest(MODEL, draw_concept_data(tmp_path / "data", 12), tmp_path / "many.cg", settings)
    explanation = explain(run, photographs[0])
    logits = open_network(run).forward(open_network(run).load_image(photographs[0]), "block4")[0]
    expected = logits[0].double().sigmoid().sort(descending=True).values.tolist()
    assert [answer.probability for answer in explanation.predicted] == pytest.approx(expected)
    assert explanation.to_json()["multi_label"] is True
    (answer,) = predict(run, photographs[:1])
    assert answer.predicted[0].probability == pytest.approx(expected[0])
    done = call("why", "--run", run.path, "--image", photographs[0], folder=tmp_path)
    assert "Each class is a decision of its own" in done.out + done.err
