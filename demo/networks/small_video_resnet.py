"""The small 3-D ResNet of the moving world: four blocks, 0.9 million parameters.

Commands take it as `--model conceptgraph.demo.networks.small_video_resnet:small_video_resnet`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FACTORY = "conceptgraph.demo.networks.small_video_resnet:small_video_resnet"
_WIDTHS = (16, 32, 64, 128)
_STRIDES = (1, 1, 2, 2)


class Block(nn.Module):
    """A residual block: two convolutions of 3 × 3 × 3, and a projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Make it with random weights; `stride` is that of space and time."""
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the maps, (clips, outputs, times, height, width)."""
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(residual + (x if self.downsample is None else self.downsample(x)))


class SmallVideoResNet(nn.Module):
    """A 3-D ResNet with one block per stage.

    Attributes:
        mean: by channel, of inputs in [0, 1]; the loader reads it.
        std: likewise.
        input_size: side of the world's frames; the loader reads it.
        frames: of a clip; the loader reads it.
    """

    input_size = 64
    frames = 8
    mean = (0.6, 0.6, 0.6)
    std = (0.25, 0.25, 0.25)

    def __init__(self, num_classes: int) -> None:
        """Make it with random weights."""
        super().__init__()
        self.conv1 = nn.Conv3d(3, _WIDTHS[0], (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(_WIDTHS[0])
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        widths = (_WIDTHS[0], *_WIDTHS)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(Block(widths[k], widths[k + 1], _STRIDES[k])) for k in range(4)
        )
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(_WIDTHS[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> Tensor:
        """Compute the pooled maps of the last block, (clips, 128).

        Args:
            x: (clips, 3, frames, height, width).
        """
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return torch.flatten(self.avgpool(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits, (clips, classes)."""
        logits: Tensor = self.fc(self.features(x))
        return logits


def small_video_resnet(num_classes: int = 6) -> SmallVideoResNet:
    """Build an untrained network, its weights drawn by torch's global generator."""
    return SmallVideoResNet(num_classes)
