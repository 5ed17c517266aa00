"""The small ResNet of the demo world: four blocks as in torchvision, 1.2 million parameters.

It imports nothing of this package, so that a repaired network takes this file along.

Commands take it as `--model conceptgraph.demo.networks.small_resnet:small_resnet`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

FACTORY = "conceptgraph.demo.networks.small_resnet:small_resnet"
_WIDTHS = (32, 64, 128, 256)
_STRIDES = (1, 1, 2, 2)


class SmallResNet(nn.Module):
    """A ResNet with one BasicBlock per stage.

    Attributes:
        mean: by channel, of inputs in [0, 1]; the loader reads it.
        std: likewise.
        input_size: side of the world's pictures; the loader reads it.
    """

    input_size = 96
    mean = (0.6, 0.6, 0.6)
    std = (0.25, 0.25, 0.25)

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = (_WIDTHS[0], *_WIDTHS)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(_block(widths[k], widths[k + 1], _STRIDES[k])) for k in range(4)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(_WIDTHS[-1], num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Compute the pooled maps of the last block, (images, 256).

        Args:
            x: (images, 3, height, width).
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return torch.flatten(self.avgpool(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits, (images, classes)."""
        logits: Tensor = self.fc(self.features(x))
        return logits


def small_resnet(num_classes: int = 8) -> SmallResNet:
    """Build an untrained network, its weights drawn by torch's global generator."""
    return SmallResNet(num_classes)


def to_input(pictures: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalise pictures, or clips.

    Args:
        pictures: uint8 (images, side, side, 3), or (clips, frames, side, side, 3).
        mean: by channel, of pictures in [0, 1].
        std: likewise.

    Returns:
        The network's input, float32 (images, 3, side, side), or (clips, 3, frames, side, side).
    """
    scale = torch.tensor(std) * 255
    return ((pictures.float() - torch.tensor(mean) * 255) / scale).movedim(-1, 1)


def _block(inputs: int, outputs: int, stride: int) -> BasicBlock:
    """Build a block initialised as in torchvision, with a projection where the shape changes."""
    projection = None
    if stride > 1 or inputs != outputs:
        projection = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
        )
    block = BasicBlock(inputs, outputs, stride, projection)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return block
