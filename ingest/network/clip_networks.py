"""3-D ResNets that torchvision lacks, under the names that their published checkpoints have.

Both take clips, (clips, 3, frames, height, width), and return logits.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn

from ..engine.light_import import without_compiler

with without_compiler():
    from torchvision.models.resnet import resnet50

_DEPTHS = (3, 4, 6, 3)


def resnet3d50(num_classes: int = 305) -> nn.Module:
    """Return the network of Moments in Time: ResNet-50 inflated to 3-D, its names kept.

    Every kernel and stride is as long in time as in space, but for the stride of the first
    convolution (zhoubolei/moments_models, `models.py`).
    """
    module: nn.Module = resnet50(num_classes=num_classes)
    for name, child in list(module.named_modules()):
        if isinstance(child, nn.Conv2d):
            size, stride = child.kernel_size[0], child.stride[0]
            strides = (1, stride, stride) if name == "conv1" else (stride,) * 3
            channels = child.in_channels, child.out_channels
            module.set_submodule(name, _convolution(*channels, (size,) * 3, strides))
        elif isinstance(child, nn.BatchNorm2d):
            module.set_submodule(name, nn.BatchNorm3d(child.num_features))
    module.maxpool = nn.MaxPool3d(3, 2, 1)
    module.avgpool = nn.AdaptiveAvgPool3d(1)
    return module


class SlowR50(nn.Module):
    """The network `slow_r50` of pytorchvideo: the slow pathway of SlowFast (Feichtenhofer 2019).

    Convolutions reach over time in its last two stages only, and nothing strides in time.
    """

    def __init__(self, num_classes: int = 400) -> None:
        """Make it with random weights."""
        super().__init__()
        stem = [
            ("conv", _convolution(3, 64, (1, 7, 7), (1, 2, 2))),
            ("norm", nn.BatchNorm3d(64)),
            ("activation", nn.ReLU()),
            ("pool", nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))),
        ]
        blocks: list[nn.Module] = [nn.Sequential(OrderedDict(stem))]
        inputs = 64
        for number, depth in enumerate(_DEPTHS):
            width, times = 64 << number, 1 if number < 2 else 3
            parts = []
            for place in range(depth):
                stride = 2 if number > 0 and place == 0 else 1
                parts.append(_SlowBlock(inputs, width, times, stride))
                inputs = 4 * width
            blocks.append(nn.Sequential(OrderedDict(res_blocks=nn.Sequential(*parts))))
        self.blocks = nn.Sequential(*blocks, _SlowHead(inputs, num_classes))

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits, (clips, classes)."""
        return cast("Tensor", self.blocks(clips))


class _SlowBlock(nn.Module):
    """A residual block; `branch1` is the shortcut."""

    def __init__(self, inputs: int, width: int, times: int, stride: int) -> None:
        super().__init__()
        outputs, strides = 4 * width, (1, stride, stride)
        self.branch1_conv = self.branch1_norm = None
        if inputs != outputs:
            self.branch1_conv = _convolution(inputs, outputs, (1, 1, 1), strides)
            self.branch1_norm = nn.BatchNorm3d(outputs)
        parts = [
            ("conv_a", _convolution(inputs, width, (times, 1, 1))),
            ("norm_a", nn.BatchNorm3d(width)),
            ("act_a", nn.ReLU()),
            ("conv_b", _convolution(width, width, (1, 3, 3), strides)),
            ("norm_b", nn.BatchNorm3d(width)),
            ("act_b", nn.ReLU()),
            ("conv_c", _convolution(width, outputs, (1, 1, 1))),
            ("norm_c", nn.BatchNorm3d(outputs)),
        ]
        self.branch2 = nn.Sequential(OrderedDict(parts))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.branch1_conv is not None and self.branch1_norm is not None:
            shortcut = self.branch1_norm(self.branch1_conv(x))
        return cast("Tensor", self.activation(shortcut + self.branch2(x)))


class _SlowHead(nn.Module):
    """Averages over windows, then over the windows, so that positions weigh differently.

    pytorchvideo averages over the windows after the linear layer: the same, as that is linear.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool3d((8, 7, 7), stride=1)
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(inputs, classes)

    def forward(self, maps: Tensor) -> Tensor:
        means: Tensor = self.pool(maps).mean(dim=(2, 3, 4))
        return cast("Tensor", self.proj(self.dropout(means)))


def _convolution(
    inputs: int,
    outputs: int,
    size: tuple[int, ...],
    stride: tuple[int, ...] = (1, 1, 1),
) -> nn.Conv3d:
    """Return a convolution without biases that keeps the size of its input, but for the stride."""
    times, height, width = size
    layer = nn.Conv3d(
        inputs,
        outputs,
        (times, height, width),
        cast("tuple[int, int, int]", stride),
        (times // 2, height // 2, width // 2),
        bias=False,
    )
    with torch.no_grad():
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
