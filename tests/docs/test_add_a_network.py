"""docs/add-a-network.md: a factory in an empty folder, a family in a copy of the repository."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import open_clip
import pytest
import torch

from conceptgraph import explain, ingest, open_network
from conceptgraph.ingest.contributions.suitability import check_suitable
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.settings import Settings
from tests.command_line import call
from tests.docs.how_to import HowTo, follow
from tests.drawn_data import draw_concept_data

if TYPE_CHECKING:
    from pathlib import Path

slow = pytest.mark.slow

PAGE = HowTo("add-a-network.md")
FILES = dict(
    re.findall(
        r"[Ss]ave this\sas\s`(\w+)\.py`:\n\n```python\n(.*?)^```",
        PAGE.text,
        re.DOTALL | re.MULTILINE,
    )
)
"""Files that the page gives, by the name of the module."""
SIDES = {"little": 64, "cifar": 32, "grey": 224, "clip": 64}
TINY_CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    PAGE.copy_repository(folder)
    return folder


@slow
def test_a_network_of_ones_own(tmp_path: Path) -> None:
    draw_concept_data(tmp_path / "concepts", 16, size=64)
    (tmp_path / "little.py").write_text(PAGE.blocks("python")[0], encoding="utf-8")
    for line in PAGE.blocks("sh")[0].splitlines():
        done = call(*shlex.split(line)[1:], folder=tmp_path)
        assert done.status == 0, done.err
    assert "class 0" in done.out
    assert "block1" in done.out


def test_the_files_of_the_page() -> None:
    names = ["ingest/network/architecture.py", "tests/ingest/network/test_by_age.py"]
    assert [file.name for file in PAGE.files] == names


@slow
def test_a_family(copy: Path) -> None:
    lint, test = PAGE.commands(1)
    follow(lint, copy)
    assert "2 passed" in follow([*test, "-p", "no:cacheprovider", "-v"], copy)


@pytest.mark.parametrize("name", SIDES)
def test_a_recipe(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "RN50", TINY_CLIP)
    text = FILES[name].replace('pretrained="openai"', "pretrained=None")
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    spec = load_network(f"{name}:build").architecture.input
    assert (spec.height, spec.channels) == (SIDES[name], 1 if name == "grey" else 3)
    blocks = load_network(f"{name}:build").blocks[-2:]
    side = min(64, spec.height)
    data = draw_concept_data(tmp_path / "concepts", 12, size=side)
    settings = Settings(blocks=blocks, image_size=side, quantile=0.1, min_iou=0.01)
    run = ingest(f"{name}:build", data, tmp_path / "a.cg", settings, device="cpu")
    image = next((data / "images").rglob("*.jpg"))
    explanation = explain(run, image, "class 1")
    network = open_network(run)
    with torch.no_grad():
        logit = network.network.module(network.load_image(image))[0, 1]
    assert sum(explanation.accounting[:3]) == pytest.approx(float(logit), abs=1e-4)
    sys.modules.pop(name)


def test_each_file_of_the_page_is_a_recipe_that_is_tested() -> None:
    assert FILES.keys() == SIDES.keys()
    assert len(PAGE.blocks("python")) == len(FILES) + 1  # the test of a family


def test_the_networks_of_timm_on_the_page() -> None:
    names = set(re.findall(r"--model (timm:\w+)", PAGE.text))
    assert names == {"timm:seresnet50", "timm:resnet18"}
    for name in names:
        network = load_network(name, "random")
        check_suitable(network, network.blocks[-1:], network.architecture.input)
