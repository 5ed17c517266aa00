"""Copies of a network in which batch norm is what it is in eval mode: an affine map.

`affine_copy` makes every bias term a tensor of its own, so that with `a` the input (or a block)

    logit = Σ (∂logit/∂a) · a + Σ over the bias terms after it (∂logit/∂b) · b

holds exactly: convolutions, affine maps, ReLU and pooling are piecewise affine. `without_biases`
makes a copy with all of them zero, which is positively homogeneous: f(3x) = 3 f(x).
`fold_batchnorm` makes the copy that runs fastest. None of them changes its argument.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...errors import ModelError

BatchNorm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_BIASES = ("beta", "pos_embed", "positional_embedding")
"""Names of parameters that are added, besides all that end in `bias`."""
_ACTIVATIONS = ("drop", "act", "activation")
"""Children of batch norms that do more, as timm's `BatchNormAct2d`."""


class Affine(nn.Module):
    """Computes `x · scale + bias`, channel by channel, on (images, channels, *grid).

    Attributes:
        scale: parameter (channels,).
        bias: parameter (channels,).
    """

    def __init__(self, scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    @classmethod
    def from_batchnorm(cls, norm: nn.Module, name: str = "") -> Affine:
        """Return what `norm` computes in eval mode; from float64, in its own dtype.

        Args:
            norm: with `running_mean`, `running_var`, `weight`, `bias` and `eps`.
            name: what messages call it.

        Raises:
            ModelError: it keeps no running statistics, so it is no affine map.
        """
        mean, var = norm.running_mean, norm.running_var
        if not isinstance(mean, Tensor) or not isinstance(var, Tensor):
            raise ModelError(
                "a batch norm keeps no running statistics",
                found=f"{name} ({type(norm).__name__})",
                expected="track_running_stats=True, so that images do not depend on each other",
            )
        given, shift = norm.weight, norm.bias
        weight = given.detach() if isinstance(given, Tensor) else torch.ones_like(mean)
        beta = shift.detach() if isinstance(shift, Tensor) else torch.zeros_like(mean)
        scale = weight.double() / torch.sqrt(var.double() + cast("float", norm.eps))
        bias = beta.double() - mean.double() * scale
        return cls(scale.to(mean.dtype), bias.to(mean.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel and add its bias."""
        by_channel = (-1, *(x.ndim - 2) * (1,))
        return torch.addcmul(self.bias.view(by_channel), x, self.scale.view(by_channel))


def affine_copy(module: nn.Module) -> nn.Module:
    """Return a copy in eval mode with each batch norm as an `Affine` and no ReLU in place.

    It computes what `module` computes, up to rounding. To decompose in float64, convert the copy:
    `affine_copy(module).double()`.

    Raises:
        ModelError: a batch norm without running statistics.
    """
    clone = copy.deepcopy(module).eval()
    # Duplicates too: one batch norm under two names must be replaced under both.
    for name, child in list(clone.named_modules(remove_duplicate=False)):
        if name and _has_statistics(child):
            clone.set_submodule(name, _with_activation(child, Affine.from_batchnorm(child, name)))
        elif isinstance(child, nn.ReLU):
            child.inplace = False
    return clone


def _has_statistics(module: nn.Module) -> bool:
    """Return whether a module is a batch norm, of whatever class: one that keeps a variance."""
    if isinstance(module, nn.modules.instancenorm._InstanceNorm) and not module.track_running_stats:
        return False
    return hasattr(module, "running_var") and hasattr(module, "eps")


def _with_activation(norm: nn.Module, affine: Affine) -> nn.Module:
    """Return an affine map, and what a norm that is followed by more in one module does then."""
    if type(norm).forward in {kind.forward for kind in BatchNorm}:
        return affine
    children = dict(norm.named_children())
    return nn.Sequential(affine, *(children[name] for name in _ACTIVATIONS if name in children))


def is_bias(name: str) -> bool:
    """Return whether a parameter of this name is added, rather than multiplied with."""
    return name.endswith("bias") or name.rpartition(".")[2] in _BIASES


def bias_terms(module: nn.Module) -> list[Tensor]:
    """Return all biases of an affine copy, of whatever modules.

    They are the copy's own leaf tensors: `requires_grad_()` on them works, and so does `zero_()`.
    """
    return [parameter for name, parameter in module.named_parameters() if is_bias(name)]


def without_biases(module: nn.Module) -> nn.Module:
    """Return an affine copy whose bias terms are all zero."""
    clone = affine_copy(module)
    with torch.no_grad():
        for bias in bias_terms(clone):
            bias.zero_()
    return clone


def fold_batchnorm(module: nn.Module) -> nn.Module:
    """Return a copy in eval mode with batch norms folded into the convolutions before them.

    A pair is `convN`, `bnN` in one module, or a convolution and a batch norm in succession in a
    Sequential.
    The names are trusted: where a network runs them in another order the copy is wrong, so compare
    it with the plain network once before using it.
    """
    clone = copy.deepcopy(module).eval()
    for parent in list(clone.modules()):
        for conv_name, norm_name in _pairs(parent):
            conv, norm = parent.get_submodule(conv_name), parent.get_submodule(norm_name)
            if (
                isinstance(conv, (nn.Conv2d, nn.Conv3d))
                and isinstance(norm, BatchNorm)
                and type(norm).forward in {kind.forward for kind in BatchNorm}
                and norm.running_mean is not None
                and norm.num_features == conv.out_channels
            ):
                parent.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
                parent.set_submodule(norm_name, nn.Identity())
    return clone


def _pairs(parent: nn.Module) -> list[tuple[str, str]]:
    names = [name for name, _ in parent.named_children()]
    if isinstance(parent, nn.Sequential):
        return list(pairwise(names))
    pairs = ((name, "bn" + name.removeprefix("conv")) for name in names if name.startswith("conv"))
    return [pair for pair in pairs if pair[1] in names]
