"""What a network is given: where it is stated, and photographs as torchvision makes them input."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import ResNet50_Weights, resnet18
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from conceptgraph.errors import ConceptGraphError, ModelError
from conceptgraph.ingest.network.loading import as_network, load_network
from conceptgraph.ingest.network.preprocessing import (
    NETDISSECT_MEAN,
    InputSpec,
    chosen_input,
    input_lines,
    seen_box,
    to_input,
    unseen_text,
)
from conceptgraph.ingest.network.published import PUBLISHED_MODELS
from conceptgraph.ingest.network.stated_input import IMAGENET_MEAN, StatedInput, of_weights
from conceptgraph.settings import Settings
from tests.random_networks import CustomNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.manifest import Interpolation

TIMM = {"input_size": [3, 160, 160], "crop_pct": 0.8, "interpolation": "bicubic", "mean": [0.5] * 3}
CONVNEXT = {
    "image_processor_type": "ConvNextImageProcessor",
    "size": {"shortest_edge": 224},
    "crop_pct": 0.875,
    "resample": 3,
    "image_mean": [0.1, 0.2, 0.3],
}
VIT = {"do_resize": True, "size": {"height": 192, "width": 192}, "resample": 2}
CLIP = {
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "image_mean": [0.5] * 3,
}
SCRIPT = argparse.Namespace(val_crop_size=176, val_resize_size=232, interpolation="bicubic")


@pytest.mark.parametrize("size", [(480, 360), (301, 640), (224, 224), (100, 90), (257, 256)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", [None, 64, 73])
def test_photographs_become_what_torchvision_makes_of_them(
    size: tuple[int, int], interpolation: Interpolation, resize: int | None
) -> None:
    image = Image.effect_noise(size, 90).convert("RGB")
    mode = InterpolationMode(interpolation)
    torchvision = Resize((64, 64), mode)
    if resize is not None:
        torchvision = Compose([Resize(resize, mode), CenterCrop(64)])
    shape = InputSpec(3, 64, 64, resize=resize, interpolation=interpolation).shape
    np.testing.assert_array_equal(to_input(image, shape), np.asarray(torchvision(image)))


def test_the_box_is_the_part_of_the_photograph_that_is_seen() -> None:
    shape = InputSpec(3, 64, 64, resize=80).shape
    box = seen_box((400, 200), shape)
    left, top, right, bottom = box
    assert (left, top) == pytest.approx((1 - right, 1 - bottom))
    assert (right - left, bottom - top) == pytest.approx((64 / 160, 64 / 80))
    assert "sees the center of the photograph, 32% of it" in unseen_text(box)
    assert unseen_text(seen_box((400, 200), InputSpec().shape)) == ""


def stated(made: InputSpec) -> tuple[int, int, int | None, str]:
    return made.height, made.width, made.resize, made.interpolation


@pytest.mark.parametrize(
    ("beside", "name", "expected"),
    [
        ({"pretrained_cfg": TIMM}, "config.json", (160, 160, 200, "bicubic")),
        (CONVNEXT, "preprocessor_config.json", (224, 224, 256, "bicubic")),
        (VIT, "preprocessor_config.json", (192, 192, None, "bilinear")),
        (CLIP, "preprocessor_config.json", (224, 224, 256, "bilinear")),
        ({"architectures": ["Other"]}, "config.json", (224, 224, None, "bilinear")),
    ],
)
def test_a_file_beside_the_weights(
    tmp_path: Path, beside: dict[str, Any], name: str, expected: tuple[object, ...]
) -> None:
    torch.save(resnet18().state_dict(), tmp_path / "net.pth")
    (tmp_path / name).write_text(json.dumps(beside))
    made = load_network("resnet18", tmp_path / "net.pth").architecture.input
    assert stated(made) == expected
    assert (f"{name} beside the weights" in made.source) == ("architectures" not in beside)
    if "image_mean" in beside:
        assert list(made.mean) == beside["image_mean"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"args": SCRIPT}, (176, 176, 232, "bicubic")),
        ({"pretrained_cfg": TIMM}, (160, 160, 200, "bicubic")),
        ({"args": argparse.Namespace(lr=0.1)}, (224, 224, None, "bilinear")),
    ],
)
def test_what_the_checkpoint_itself_states(
    tmp_path: Path, content: dict[str, object], expected: tuple[object, ...]
) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": resnet18().state_dict(), **content}, path)
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {**TIMM, "crop_pct": 0.5}}))
    made = load_network("resnet18", path).architecture.input
    if expected[0] == 224:  # then the file beside it counts
        expected = (160, 160, 320, "bicubic")
    assert stated(made) == expected


class Sized(CustomNetwork):
    input_size = (96, 128)  # type: ignore[assignment]


class FromTimm(CustomNetwork):
    input_size = None  # type: ignore[assignment]
    pretrained_cfg = TIMM


class Invalid(CustomNetwork):
    input_size = "large"  # type: ignore[assignment]


def test_attributes_of_a_factorys_module() -> None:
    made = as_network(Sized(), "sized").architecture.input
    assert stated(made) == (96, 128, None, "bilinear")
    assert made.size_from == "attributes of the network"
    assert "resizing: assumed, as nothing states it" in made.source
    assert any("--preprocess imagenet" in line for line in input_lines(made.shape))
    made = as_network(FromTimm(), "timm").architecture.input
    assert stated(made) == (160, 160, 200, "bicubic")
    assert made.mean == CustomNetwork.mean  # its own attribute counts more
    with pytest.raises(ModelError, match="'input_size' is invalid; found 'large'; expected"):
        as_network(Invalid(), "invalid")


def test_published_models_and_torchvisions_weights() -> None:
    places = InputSpec().overridden(PUBLISHED_MODELS["places365-resnet18"].stated)
    moments = InputSpec().overridden(PUBLISHED_MODELS["moments-resnet50"].stated)
    assert (stated(places)[:3], stated(moments)[:3]) == ((224, 224, 256), (224, 224, None))
    transforms = ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert stated(InputSpec().overridden(of_weights(transforms, "torchvision")))[:3] == (
        224, 224, 232
    )  # fmt: skip


def test_what_the_user_chooses_counts_most(tmp_path: Path) -> None:
    native = InputSpec(3, 224, 224, resize=256)
    assert stated(chosen_input(native, Settings(image_size=112)))[:3] == (112, 112, 128)
    assert chosen_input(native, Settings(preprocess="resize")).resize is None
    netdissect = chosen_input(native, Settings(preprocess="netdissect"))
    assert (netdissect.resize, netdissect.mean) == (None, NETDISSECT_MEAN)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"input_size": 192, "resize": 220, "mean": [0.5] * 3}))
    mine = chosen_input(native, Settings(preprocess=str(path)))
    assert stated(mine)[:3] == (192, 192, 220)
    assert (mine.mean, mine.colors_from) == ((0.5, 0.5, 0.5), "mine.json")
    path.write_text(json.dumps({"resize": None}))
    assert chosen_input(native, Settings(preprocess=str(path))).resize is None
    path.write_text(json.dumps(CLIP))
    assert stated(chosen_input(InputSpec(), Settings(preprocess=str(path))))[:3] == (224, 224, 256)
    path.write_text(json.dumps(TIMM))
    assert stated(chosen_input(InputSpec(), Settings(preprocess=str(path))))[:3] == (160, 160, 200)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no", "cannot be read as a preprocessing"),
        ("[]", "states no preprocessing"),
        ('{"resise": 256}', "unknown key 'resise'. Did you mean 'resize'"),
        ('{"mean": [0.5, 0.4]}', r"mean is invalid; found \[0.5, 0.4\]; expected three numbers"),
        ('{"input_size": 224, "resize": 200}', "found the shorter side resized to 200; .* 224"),
    ],
)
def test_files_that_are_no_preprocessing(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=message):
        chosen_input(InputSpec(), Settings(preprocess=str(path)))


def test_names_that_are_no_preprocessing() -> None:
    with pytest.raises(ConceptGraphError, match="no preprocessing 'imagnet'; expected model"):
        Settings(preprocess="imagnet")


def test_what_is_stated_nowhere_is_said() -> None:
    class Silent(CustomNetwork):
        input_size = None  # type: ignore[assignment]
        mean = None  # type: ignore[assignment]

    made = as_network(Silent(), "silent").architecture.input
    assert made == InputSpec()
    assert made.mean == IMAGENET_MEAN


def test_mean_and_std_have_a_number_a_channel() -> None:
    color, grey = InputSpec(), InputSpec.of_images(1)
    assert grey.mean == pytest.approx([sum(IMAGENET_MEAN) / 3])
    one, three = StatedInput("", mean=(0.3,)), StatedInput("", mean=(0.1, 0.2, 0.6), std=(0.5,))
    assert (color.overridden(one).mean, grey.overridden(one).mean) == ((0.3, 0.3, 0.3), (0.3,))
    assert color.overridden(three)[3:5] == ((0.1, 0.2, 0.6), (0.5, 0.5, 0.5))
    assert grey.overridden(three).mean == pytest.approx([0.3])


class Cifar(CustomNetwork):
    """A stem that leaves images as large as they are, by CIFAR's habit."""

    input_size = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=1, padding=1)


class Pooled(Cifar):
    """The same stem, and a pooling of the network's that may follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxpool = nn.MaxPool2d(3, 2, 1)


def test_a_network_with_the_stem_of_cifar_takes_small_images() -> None:
    made = as_network(Cifar(), "cifar").architecture.input
    assert stated(made)[:2] == (32, 32)
    assert "size: CIFAR-style stem" in made.source
    assert stated(chosen_input(made, Settings(image_size=48)))[:2] == (48, 48)
    assert stated(as_network(Pooled(), "pooled").architecture.input)[:2] == (224, 224)
    sized = type("Sized", (Cifar,), {"input_size": 64})()
    assert stated(as_network(sized, "sized").architecture.input)[:2] == (64, 64)
    small = resnet18(num_classes=10)  # as people change it
    small.conv1, small.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    assert stated(as_network(small, "small").architecture.input)[:2] == (32, 32)
    assert stated(as_network(resnet18(), "resnet18").architecture.input)[:2] == (224, 224)
