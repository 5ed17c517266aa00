"""Small random networks for tests, with every kind of residual block that ingest supports."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from conceptgraph.ingest.network.loading import Network, as_network

SIDE = 64
"""Pixels a side of the networks' inputs."""
KINDS = ("basic", "bottleneck", "resnext", "wide", "factory")
# Outputs of block1 … block4 for images of 32 × 32.
SIZES = {"block1": (8, 8), "block2": (4, 4), "block3": (2, 2), "block4": (1, 1)}


class NarrowResNet(ResNet):  # type: ignore[misc]  # torchvision has no types
    """Torchvision's ResNet with an eighth of the channels in its four blocks."""

    input_size = SIDE

    def __init__(
        self, block: type[BasicBlock | Bottleneck], classes: int, **group_widths: int
    ) -> None:
        super().__init__(block, [1, 2, 1, 1], num_classes=classes, **group_widths)
        self.fc = nn.Linear(512 // 8 * block.expansion, classes)

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        layer: nn.Sequential = super()._make_layer(block, planes // 8, *args, **kwargs)
        return layer


class CustomBlock(nn.Module):
    """A residual block as users write them: biased convolution, pooled shortcut, one `relu`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.avg_pool2d(self.norm(self.conv(x)), 2)
        y += self.shortcut(nn.functional.avg_pool2d(x, 2))
        result: Tensor = self.relu(y)
        return result


class CustomNetwork(nn.Module):
    """Three blocks, each halving the map, each a bare `CustomBlock` or a Sequential of one."""

    input_size = SIDE
    mean = (0.5, 0.4, 0.3)

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.layer1 = nn.Sequential(CustomBlock(6, 8))
        self.layer2: nn.Module = CustomBlock(8, 10)
        self.layer3 = nn.Sequential(CustomBlock(10, 12))
        self.fc = nn.Linear(12, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def random_network(kind: str, classes: int = 5, seed: int = 0) -> Network:
    """Build a network of one of `KINDS`, its batch norms far from trivial, most units alive."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = randomised(_build(kind, classes))
    return as_network(
        module, f"tests.random_networks:{kind}", [f"class {i}" for i in range(classes)]
    )


def randomised(module: nn.Module) -> nn.Module:
    """Draw batch norms far from trivial, and a head, for a network."""
    for child in module.modules():
        if isinstance(child, (nn.BatchNorm2d, nn.BatchNorm3d)):
            _randomise(child)
        elif isinstance(child, nn.Linear):
            nn.init.normal_(child.weight, std=0.3)
    return module


def linear_head(network: Network) -> nn.Linear:
    """Return the linear layer `fc` of a network."""
    return cast("nn.Linear", network.module.get_submodule("fc"))


def _build(kind: str, classes: int) -> nn.Module:
    if kind == "basic":
        return NarrowResNet(BasicBlock, classes)
    if kind == "bottleneck":
        return NarrowResNet(Bottleneck, classes)
    if kind == "resnext":
        return NarrowResNet(Bottleneck, classes, groups=2, width_per_group=32)
    if kind == "wide":
        return NarrowResNet(Bottleneck, classes, width_per_group=128)
    if kind == "factory":
        return CustomNetwork(classes)
    raise ValueError(kind)


def _randomise(norm: nn.BatchNorm2d | nn.BatchNorm3d) -> None:
    """Draw scales of either sign, shifts and running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        signs = torch.where(torch.rand(norm.num_features) < 0.5, -1.0, 1.0)
        norm.weight.copy_(signs * torch.empty(norm.num_features).uniform_(0.5, 1.5))
        norm.bias.uniform_(-0.5, 0.5)
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2)
