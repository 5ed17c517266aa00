"""3-D networks: found by themselves, loaded as they are published, exact."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.video import R3D_18_Weights

from conceptgraph.errors import ModelError
from conceptgraph.explain.decomposition import Decomposition, Downstream, decompose
from conceptgraph.explain.path_search import measure_paths, search_paths, strongest
from conceptgraph.ingest.contributions.one_unit import one_unit_contributions
from conceptgraph.ingest.contributions.suitability import check_suitable
from conceptgraph.ingest.network.affine import affine_copy, fold_batchnorm
from conceptgraph.ingest.network.builders import builder
from conceptgraph.ingest.network.clip_networks import SlowR50
from conceptgraph.ingest.network.forward import block_outputs, record_outputs
from conceptgraph.ingest.network.loading import Network, as_network, load_network
from conceptgraph.ingest.network.preprocessing import InputSpec, input_text
from conceptgraph.ingest.network.stated_input import of_weights
from tests.random_networks import random_network, randomised

if TYPE_CHECKING:
    from pathlib import Path

CLIPS = {
    "r3d_18": (4, 24),
    "mc3_18": (2, 24),
    "r2plus1d_18": (4, 24),
    "resnet3d50": (16, 32),
    "slow_r50": (2, 66),
}
"""Frames and pixels a side that are run here."""


def clip_network(model: str) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = randomised(builder(model)(5))
    if isinstance(module, SlowR50):  # maps here have 3 × 3 positions, not 8 × 8
        module.blocks.get_submodule("5").pool = nn.AvgPool3d((2, 2, 2), stride=1)
    network = as_network(module, model)
    frames, side = CLIPS[model]
    spec = network.architecture.input._replace(frames=frames, height=side, width=side)
    return replace(network, architecture=replace(network.architecture, input=spec))


class Explained(NamedTuple):
    logits: Tensor
    downstream: Downstream
    decomposition: Decomposition


def explained(network: Network) -> Explained:
    """Explain a clip of noise through the last two blocks, in float64."""
    architecture, blocks = network.architecture, network.blocks[-2:]
    affine = affine_copy(network.module).double()
    generator = torch.Generator().manual_seed(1)
    clip = torch.rand(1, *architecture.input.image_shape, generator=generator).double()
    with record_outputs({"": architecture.stage(affine, blocks[0])}) as outputs, torch.no_grad():
        logits = affine(clip)[0]
    between, head = (architecture.segment(affine, *step) for step in network.steps(blocks))
    downstream = Downstream([between], head)
    direction = torch.zeros_like(logits)
    direction[1], direction[2] = 1, -1
    return Explained(logits, downstream, decompose(downstream, outputs[""], direction))


@pytest.mark.parametrize("model", CLIPS)
def test_sums_meet_the_logit_and_predicted_effects_the_measured(model: str) -> None:
    logits, downstream, decomposition = explained(clip_network(model))
    size = max(1.0, float(decomposition.by_position.abs().sum()))
    total = float(decomposition.by_position.sum()) + decomposition.biases
    assert abs(total - float(logits[1] - logits[2])) <= 1e-9 * size
    assert abs(decomposition.biases) > 1e-3
    for number in range(2):
        total = float(decomposition.evidence(number).sum()) + decomposition.biases_after[number]
        assert abs(total - float(logits[1] - logits[2])) <= 1e-9 * size
    search = search_paths(downstream, decomposition, 4)
    rows, firsts = strongest(search.contributions, 20).unbind(1)
    predicted = search.contributions[rows, firsts]
    measured = measure_paths(downstream, decomposition, search.paths(rows, firsts))
    assert np.corrcoef(predicted.numpy(), measured.numpy())[0, 1] >= 0.99
    assert decomposition.maps[0].ndim == 4


@pytest.mark.parametrize("model", ["mc3_18", "slow_r50"])
def test_one_unit_contributions_to_the_classes_are_the_heads_weights(model: str) -> None:
    network = clip_network(model)
    grid = explained(network).decomposition.maps[1].shape[1:]
    (contribution,) = one_unit_contributions(network, {"block4": tuple(grid)})
    head = network.architecture.head or ""
    weight = network.module.get_parameter(f"{head}.weight")
    np.testing.assert_allclose(contribution.weight, weight.T.numpy(), rtol=1e-4, atol=1e-6)


def test_positions_of_slow_r50_weigh_differently_and_sums_are_the_original_heads() -> None:
    """pytorchvideo: average pooling, the linear layer at each position, then the average."""
    head = SlowR50(4).blocks.get_submodule("5").eval()
    maps = torch.rand(1, 2048, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    maps.requires_grad_()
    at_each = head.get_submodule("proj")(head.get_submodule("pool")(maps).movedim(1, -1))
    logits = head(maps)
    torch.testing.assert_close(logits, at_each.mean((1, 2, 3)))
    (gradient,) = torch.autograd.grad(logits[0, 0], maps)
    share = gradient[0, 0] / gradient[0, 0].mean()
    np.testing.assert_allclose([share.min(), share.max()], [64 / 196, 4 * 64 / 196], rtol=1e-4)


def test_folded_batch_norms_compute_the_same() -> None:
    for model in ("r2plus1d_18", "slow_r50"):
        network = clip_network(model)
        clip = torch.rand(1, *network.architecture.input.image_shape)
        stages = {"block4": network.stage("block4")}
        expected = block_outputs(network.module, stages, clip)["block4"]
        folded = fold_batchnorm(network.module)
        assert sum(isinstance(it, nn.BatchNorm3d) for it in folded.modules()) < 25
        outputs = block_outputs(
            folded, {"block4": network.architecture.stage(folded, "block4")}, clip
        )["block4"]
        torch.testing.assert_close(outputs, expected, rtol=1e-3, atol=1e-3)


def checkpoint(path: Path, model: str, classes: int, wrapper: str, prefix: str) -> Path:
    """Write weights as their authors do: under a key, with a prefix, beside other numbers."""
    torch.manual_seed(0)
    state = builder(model)(classes).state_dict()
    content = {"epoch": 9, wrapper: {f"{prefix}{name}": value for name, value in state.items()}}
    torch.save(content, path)
    return path


def test_moments_in_time_by_its_number_of_classes(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "multi.pth.tar", "resnet3d50", 292, "state_dict", "module.")
    (tmp_path / "category_multi_momentsv2.txt").write_text(
        "\n".join(f"verb {i}" for i in range(292))
    )
    network = load_network("moments-resnet3d50", str(path))
    assert network.classes[291] == "verb 291"
    assert network.architecture.input.image_shape == (3, 16, 224, 224)
    assert network.architecture.input.resize is None
    state = torch.load(path)["state_dict"]
    loaded = network.module.state_dict()
    assert all(torch.equal(loaded[name.removeprefix("module.")], it) for name, it in state.items())
    assert loaded["conv1.weight"].shape == (64, 3, 7, 7, 7)
    with pytest.raises(ModelError, match=r"do not fit resnet50.*They fit --model resnet3d50"):
        load_network("resnet50", str(path))
    with pytest.raises(ModelError, match="moments-resnet3d50 needs its checkpoint"):
        load_network("moments-resnet3d50")


def test_slow_r50_as_pytorchvideo_saves_it(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "SLOW_8x8_R50.pyth", "slow_r50", 7, "model_state", "")
    network = load_network("slow_r50", str(path))
    assert network.architecture.stages["block1"] == "blocks.1"
    assert network.architecture.head == "blocks.5.proj"
    assert len(network.classes) == 7
    spec = network.architecture.input
    assert (spec.image_shape, spec.resize) == ((3, 8, 256, 256), 256)
    assert (spec.mean, spec.std) == ((0.45,) * 3, (0.225,) * 3)
    names = set(torch.load(path)["model_state"])
    assert "blocks.1.res_blocks.0.branch1_conv.weight" in names
    assert "blocks.4.res_blocks.2.branch2.norm_c.running_var" in names
    assert {"blocks.0.conv.weight", "blocks.0.norm.bias", "blocks.5.proj.bias"} <= names
    with pytest.raises(ModelError, match=r"slow_r50 needs its checkpoint.*SLOW_8x8_R50\.pyth"):
        load_network("slow_r50")


@pytest.mark.parametrize("model", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_torchvisions_video_networks(tmp_path: Path, model: str) -> None:
    torch.manual_seed(0)
    path = tmp_path / f"{model}.pth"
    torch.save(get_model(model, weights=None, num_classes=6).state_dict(), path)
    network = load_network(model, str(path))
    assert network.blocks == ("block1", "block2", "block3", "block4")
    assert (network.architecture.head, len(network.classes)) == ("fc", 6)
    spec = network.architecture.input
    assert (spec.image_shape, spec.resize) == ((3, 16, 112, 112), 128)
    assert input_text(spec.shape) == (
        "16 frames of 112 × 112 pixels, the center of frames whose shorter side is resized to 128 "
        "(bilinear)"
    )
    other = "mc3_18" if model == "r3d_18" else "r3d_18"
    with pytest.raises(ModelError, match=f"do not fit {other}.*They fit --model {model}"):
        load_network(other, str(path))


def test_torchvisions_presets_for_videos() -> None:
    transforms = R3D_18_Weights.KINETICS400_V1.transforms()
    spec = InputSpec(frames=16).overridden(of_weights(transforms, "torchvision"))
    assert (spec.image_shape, spec.resize) == ((3, 16, 112, 112), 128)
    assert spec.mean == (0.43216, 0.394666, 0.37645)


class Stated(nn.Module):
    """A factory's network of clips: two blocks, with what it states of its input."""

    frames, input_size = 6, 20
    mean, std = 0.5, 0.25

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 3, 1, 1)
        self.layer1, self.layer2 = (
            nn.Sequential(
                nn.Conv3d(i, o, 3, 2, 1),
                nn.BatchNorm3d(o),
                nn.ReLU(),
                nn.Conv3d(o, o, 1),
                nn.ReLU(),
            )
            for i, o in ((4, 6), (6, 8))
        )
        self.fc = nn.Linear(8, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        maps: Tensor = self.layer2(self.layer1(self.stem(clips)))
        logits: Tensor = self.fc(maps.mean((2, 3, 4)))
        return logits


class Unstated(Stated):
    frames = input_size = mean = std = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 4, (3, 7, 7), (1, 2, 2), (1, 3, 3))


class NoFrames(Stated):
    frames = "sixteen"  # type: ignore[assignment]


def test_a_factory_of_a_network_of_clips() -> None:
    network = as_network(Stated(), "stated")
    assert network.architecture.input.image_shape == (3, 6, 20, 20)
    assert check_suitable(network, network.blocks, network.architecture.input) == ()
    contributions = one_unit_contributions(network, {"block1": (3, 10, 10), "block2": (2, 5, 5)})
    assert [it.weight.shape for it in contributions] == [(6, 8), (8, 3)]
    assert as_network(Unstated(), "un").architecture.input.image_shape == (3, 16, 112, 112)
    with pytest.raises(ModelError, match="'frames' is invalid; found 'sixteen'"):
        as_network(NoFrames(), "wrong")
    assert random_network("basic").architecture.input.frames is None
    assert "frames" not in random_network("basic").architecture.input.shape
