"""Moments in Time and Places365: checkpoints and lists made here, written as theirs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torchvision.models import get_model

from conceptgraph.errors import ModelError
from conceptgraph.ingest.network.class_lists import read_classes
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.network.published import PUBLISHED_MODELS
from conceptgraph.ingest.network.stated_input import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = [f"verb{i}" for i in range(337)] + ["adult+female+speaking", "playing+music"]
PLACES = [f"/a/place{i} {i}" for i in range(363)] + [
    "/a/apartment_building/outdoor 363",
    "/z/zen_garden 364",
]


def checkpoint(path: Path, architecture: str, classes: int) -> Path:
    """As both projects save theirs: the trainer's dict, DataParallel's keys, no batch counters."""
    torch.manual_seed(0)
    state = get_model(architecture, weights=None, num_classes=classes).state_dict()
    plain = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    content = {
        "epoch": 90,
        "arch": architecture,
        "state_dict": {f"module.{key}": value for key, value in plain.items()},
        "best_prec1": torch.tensor(54.65),
    }
    torch.save(content, path)
    return path


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_places_with_its_list_beside_it(tmp_path: Path) -> None:
    weights = checkpoint(tmp_path / "resnet18_places365.pth.tar", "resnet18", 365)
    write(tmp_path / "categories_places365.txt", PLACES)
    network = load_network("places365-resnet18", str(weights))
    assert network.name == "places365-resnet18"
    assert network.classes[:2] == ("place0", "place1")
    assert network.classes[-2:] == ("apartment_building/outdoor", "zen_garden")
    assert network.architecture.input[3:5] == (IMAGENET_MEAN, IMAGENET_STD)
    plain = load_network("resnet18", str(weights))
    for key, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, plain.module.state_dict()[key])


def test_moments_of_either_version_and_a_list_elsewhere(tmp_path: Path) -> None:
    first, later = PUBLISHED_MODELS["moments-resnet50"].versions.values()
    weights = checkpoint(tmp_path / first.weights, "resnet50", 339)
    assert load_network("moments-resnet50", str(weights)).classes[0] == "class 0"
    classes = write(tmp_path / "mine.txt", MOMENTS)
    assert load_network("moments-resnet50", str(weights), classes).classes == tuple(MOMENTS)
    second = checkpoint(tmp_path / later.weights, "resnet50", 305)
    write(tmp_path / "category_momentsv2.txt", MOMENTS[-305:])
    assert load_network("moments-resnet50", str(second)).classes == tuple(MOMENTS[-305:])


def test_places_as_saved_by_python_2(tmp_path: Path) -> None:
    """Text in 8 bits, not UTF-8, in torch's first format."""
    weights = checkpoint(tmp_path / "resnet18_places365.pth.tar", "resnet18", 365)
    old = tmp_path / "old.pth.tar"
    content = {**torch.load(weights), "author": "Núria"}
    torch.save(content, old, _use_new_zipfile_serialization=False)
    unicode, in_8_bits = b"X\6\0\0\0N\xc3\xbaria", b"U\5N\xfaria"
    assert unicode in old.read_bytes()
    old.write_bytes(old.read_bytes().replace(unicode, in_8_bits))
    now, then = (load_network("places365-resnet18", str(path)) for path in (weights, old))
    assert now.digest == then.digest


def test_places_with_a_resnet50(tmp_path: Path) -> None:
    weights = checkpoint(tmp_path / "w.pth.tar", "resnet50", 365)
    classes = write(tmp_path / "plain.txt", [f"place {i}" for i in range(365)])
    network = load_network("places365-resnet50", str(weights), classes)
    assert network.classes[364] == "place 364"


def test_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"needs its checkpoint.*resnet18_places365\.pth\.tar"):
        load_network("places365-resnet18")
    with pytest.raises(ModelError, match="needs its checkpoint; found random"):
        load_network("places365-resnet18", "random")
    own = checkpoint(tmp_path / "own.pth", "resnet18", 7)
    with pytest.raises(ModelError, match=r"7 classes; expected 365\. For your own.*resnet18"):
        load_network("places365-resnet18", str(own))
    other = checkpoint(tmp_path / "r18.pth", "resnet18", 339)
    with pytest.raises(ModelError, match="do not fit moments-resnet50"):
        load_network("moments-resnet50", str(other))
    with pytest.raises(ModelError, match="Did you mean 'places365-resnet18'"):
        load_network("place365-resnet18")


@pytest.mark.parametrize("line", ["/a/airfield 2", "airfield", "/a/air field 1"])
def test_a_damaged_places_list(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"/a/abbey 0\n{line}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"class 1 of a Places365 list.*expected /letter/name 1"):
        read_classes(path)
