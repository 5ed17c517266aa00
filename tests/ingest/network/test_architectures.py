"""Networks that people have: what is found in them, and that explanations of them add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import open_clip
import pytest
import torch
from torch import Tensor, nn

from conceptgraph.errors import ModelError
from conceptgraph.explain.decomposition import Downstream, decompose
from conceptgraph.explain.path_search import measure_paths, search_paths, strongest
from conceptgraph.ingest.contributions.one_unit import one_unit_contributions
from conceptgraph.ingest.contributions.suitability import check_suitable
from conceptgraph.ingest.network.affine import affine_copy
from conceptgraph.ingest.network.forward import block_outputs, record_outputs
from conceptgraph.ingest.network.loading import ModuleNames, Network, as_network, load_network

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64


class CifarBlock(nn.Module):
    """As in the CIFAR ResNets that people copy: its last ReLU is a function."""

    def __init__(self, inputs: int, units: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, units, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.conv2 = nn.Conv2d(units, units, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.stride, self.more = stride, units - inputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        padding = (0, 0, 0, 0, self.more // 2, self.more - self.more // 2)
        out += nn.functional.pad(x[:, :, :: self.stride, :: self.stride], padding)
        return nn.functional.relu(out)


class CifarResNet(nn.Module):
    """Three stages, the head `linear`."""

    def __init__(self, num_classes: int = 10, blocks: int = 3) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(
                CifarBlock(inputs, units, stride),
                *(CifarBlock(units, units, 1) for _ in range(blocks - 1)),
            )
            for inputs, units, stride in widths
        )
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        out = nn.functional.avg_pool2d(out, out.size()[3])
        logits: Tensor = self.linear(out.view(out.size(0), -1))
        return logits


class PreActivation(nn.Module):
    """Stages that end in an addition; a norm and a ReLU before the head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.block1, self.block2 = self._stage(8, 12), self._stage(12, 16)
        self.bn = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 4)

    @staticmethod
    def _stage(inputs: int, units: int) -> nn.Sequential:
        conv = nn.Conv2d(inputs, units, 3, 2, 1)
        return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), conv, Residual(units))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.bn(self.block2(self.block1(self.stem(x)))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class Residual(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(units), nn.Conv2d(units, units, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(nn.functional.relu(self.norm(x)))
        return x + y


class Wrapped(nn.Module):
    """A backbone inside of a larger module, with a head of two layers, and more than one output."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = CifarResNet(7, 1)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.GELU(), nn.Dropout(0.1))
        self.classifier = nn.Linear(32, 6)
        self.quality = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        body = self.backbone
        out = nn.functional.relu(body.bn1(body.conv1(x)))
        out = body.layer3(body.layer2(body.layer1(out)))
        features = self.neck(nn.functional.adaptive_avg_pool2d(out, 1))
        return self.classifier(features), self.quality(features)


class Expected(NamedTuple):
    """What is found in a network."""

    blocks: int
    head: str | None
    linearised: tuple[str, ...] = ()


OWN: dict[str, tuple[type[nn.Module], Expected]] = {
    "cifar resnet-20": (CifarResNet, Expected(3, "linear")),
    "pre-activation": (PreActivation, Expected(2, "fc")),
    "wrapped": (Wrapped, Expected(3, "classifier", ("gelu",))),
}
NAMED = {
    "resnet18": Expected(4, "fc"),
    "resnet50": Expected(4, "fc"),
    "regnet_y_400mf": Expected(4, "fc", ("sigmoid",)),
    "convnext_tiny": Expected(4, "classifier.2", ("layer_norm", "gelu")),
    "timm:resnet18": Expected(4, "fc"),
    "timm:resnet50d": Expected(4, "fc"),
    "timm:seresnet50": Expected(4, "fc", ("sigmoid",)),
    "timm:ecaresnet26t": Expected(4, "fc", ("sigmoid",)),
    "timm:resnetv2_50": Expected(4, "head.fc"),
    "timm:resnext50_32x4d": Expected(4, "fc"),
    "timm:regnetx_002": Expected(4, "head.fc"),
    "timm:regnety_002": Expected(4, "head.fc", ("sigmoid",)),
    "timm:convnextv2_atto": Expected(4, "head.fc", ("layer_norm", "gelu", "norm")),
    "timm:resnetrs50": Expected(4, "fc", ("sigmoid",)),
    "timm:resnet50_gn": Expected(4, "fc", ("group_norm",)),
    "timm:resnetblur50": Expected(4, "fc"),
    "timm:gcresnet33ts": Expected(3, "head.fc", ("silu", "softmax", "layer_norm")),
}


def made(name: str) -> tuple[Network, Expected]:
    if name in OWN:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return as_network(OWN[name][0](), name), OWN[name][1]
    return load_network(name, "random"), NAMED[name]


def checked(network: Network) -> tuple[str, ...]:
    spec = network.architecture.input._replace(height=SIDE, width=SIDE)
    return check_suitable(network, network.blocks, spec)


@pytest.mark.parametrize("name", [*OWN, *NAMED])
def test_blocks_and_head_are_found_and_sums_meet_the_logit(name: str) -> None:
    network, expected = made(name)
    assert len(network.blocks) == expected.blocks
    assert network.architecture.head == expected.head
    assert checked(network) == expected.linearised
    blocks = network.blocks[-2:]
    affine = affine_copy(network.module).double()
    architecture = network.architecture
    image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2)).double()
    with record_outputs({"": architecture.stage(affine, blocks[0])}) as outputs, torch.no_grad():
        affine(image)
    between, head = (architecture.segment(affine, *step) for step in network.steps(blocks))
    downstream = Downstream([between], head)
    direction = torch.zeros(len(network.classes)).double()
    direction[1], direction[2] = 1, -1
    decomposition = decompose(downstream, outputs[""], direction)
    with torch.no_grad():
        logits = architecture.whole(affine)(image)[0]
    size = max(1.0, float(decomposition.by_position.abs().sum()))
    evidence = float(decomposition.by_position.sum())
    assert evidence + decomposition.biases == pytest.approx(
        float(logits[1] - logits[2]), abs=1e-9 * size
    )
    search = search_paths(downstream, decomposition, 10)
    units = search.paths(*strongest(search.contributions, 20).unbind(1))
    assert measure_paths(downstream, decomposition, units).isfinite().all()


@pytest.mark.parametrize("name", [*OWN, "timm:regnety_002", "timm:convnextv2_atto"])
def test_units_contribute_to_the_next_block_and_to_the_classes(name: str) -> None:
    network, _ = made(name)
    image = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    stages = {block: network.stage(block) for block in network.blocks[-2:]}
    grids = {b: tuple(m.shape[2:]) for b, m in block_outputs(network.module, stages, image).items()}
    to_block, to_classes = one_unit_contributions(network, grids, images=image)
    assert (to_block.target, to_classes.target) == (network.blocks[-1], "class")
    assert to_classes.weight.shape == (to_block.weight.shape[1], len(network.classes))
    assert (to_block.pre != 0).mean() > 0.5
    assert (to_classes.weight != 0).mean() > 0.5


def test_modules_can_be_named() -> None:
    names = ModuleNames(("backbone.layer1", "backbone.layer3"), "quality")
    network = as_network(Wrapped(), "wrapped", names=names)
    assert network.architecture.stages == {"block1": "backbone.layer1", "block2": "backbone.layer3"}
    assert network.classes == ("class 0",)
    assert checked(network) == ("gelu",)
    for wrong, message in (
        (ModuleNames(("backbone.layer9",)), r"no module 'backbone\.layer9'\. Did you mean"),
        (ModuleNames(("backbone", "backbone.layer1")), "block backbone contains another"),
        (ModuleNames(head="neck"), r"--head neck is no layer that gives logits; found Sequential"),
    ):
        with pytest.raises(ModelError, match=message):
            as_network(Wrapped(), "wrapped", names=wrong)


def test_the_resnet_of_open_clip_has_no_head() -> None:
    model = open_clip.create_model("RN50", pretrained=None).visual
    network = as_network(model, "open_clip RN50")
    assert (network.blocks, network.classes) == (("block1", "block2", "block3", "block4"), ())
    assert check_suitable(network, network.blocks[-2:], network.architecture.input) == ()


def test_a_checkpoint_of_a_cifar_network(tmp_path: Path) -> None:
    trained = CifarResNet()
    state = {f"module.{name}": tensor for name, tensor in trained.state_dict().items()}
    torch.save({"state_dict": state, "best_prec1": 91.7}, tmp_path / "checkpoint.th")
    network = load_network(f"{__name__}:CifarResNet", tmp_path / "checkpoint.th")
    assert len(network.classes) == 10
    for name, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[name])


def test_a_model_that_timm_does_not_have() -> None:
    with pytest.raises(ModelError, match=r"timm .* has no model 'resnet5O'\. Did you mean"):
        load_network("timm:resnet5O", "random")
    with pytest.raises(ModelError, match="residual stages of timm:vit_tiny_patch16_224 were not"):
        load_network("timm:vit_tiny_patch16_224", "random")
