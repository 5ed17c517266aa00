"""Exact decomposition of a logit into paths through a network's last blocks, and bias terms.

With ReLU and batch norm in eval mode, everything after a block is piecewise affine in its output
`a`. At the image itself, with W the final layer's weights for the class, g the pooled maps of the
last block and s the bias terms of the blocks in between:

    logit = b + Σ_u W[u] · g[u]                                         (u: units of the last block)
    g[u]  = Σ_v Σ_positions (∂g[u]/∂a_v) · a_v + Σ_s (∂g[u]/∂s) · s     (v: the block before)

Both are identities. The path v → u → class contributes W[u] · Σ_positions (∂g[u]/∂a_v) · a_v, in
units of the logit. All paths and all bias terms, that of the final layer among them, sum to the
logit. `decompose` computes both sums exactly, with one vector–Jacobian product (VJP) of W · g down
to the first block of the paths. `path_search` finds single paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from ..ingest.network.architecture import Head


@dataclass(frozen=True)
class Downstream:
    """All of an affine copy of a network that runs after the first block of the paths.

    Attributes:
        stages: the later blocks, first to last.
        head: from the last block's maps to the logits.
        bias_terms: every additive parameter of `stages`.
    """

    stages: Sequence[nn.Module]
    head: Head
    bias_terms: Sequence[Tensor]

    def pooled(self, maps: Tensor) -> Tensor:
        """Return (images, units of the last block), from the first block's output."""
        for stage in self.stages:
            maps = stage(maps)
        return self.head.pool(maps)


@dataclass(frozen=True)
class Decomposition:
    """A logit of one image, or a difference of two: the sum of its paths and of its bias terms.

    Attributes:
        total: the logit itself.
        biases: sum of the head's bias and of all bias terms after the first block.
        by_position: (units, *grid) of the first block, what each position adds over all its paths;
            sums to total − biases.
        weights: (units of the last block,), W of the class, less that of the other class.
        maps: outputs of the blocks, first to last; (units, *grid) each.
        pooled: (units of the last block,), g.
        last_gradient: (units, *grid) of the last block, ∂(W · g)/∂a.
    """

    total: float
    biases: float
    by_position: Tensor
    weights: Tensor
    maps: tuple[Tensor, ...]
    pooled: Tensor
    last_gradient: Tensor

    @property
    def class_activation(self) -> Tensor:
        """Class activation map (*grid) of the last block: its mean plus the head's bias is `total`.

        With global average pooling it is Σ_u W[u] · a_u at each position, as in CAM.
        """
        evidence = (self.last_gradient * self.maps[-1]).sum(dim=0)
        return evidence * evidence.numel()


def decompose(
    downstream: Downstream, activations: Tensor, weights: Tensor, bias: Tensor
) -> Decomposition:
    """Decompose a logit, given the output of the first block.

    Args:
        downstream: the network after that block.
        activations: (1, units, *grid).
        weights: (units of the last block,), the final layer's row, or the difference of two rows.
        bias: the final layer's bias likewise, a scalar.

    Raises:
        QueryError: paths and bias terms do not sum to the logit: a block is not piecewise affine.
    """
    leaf = activations.detach().clone().requires_grad_()
    for term in downstream.bias_terms:
        term.requires_grad_()
    maps = [leaf]
    for stage in downstream.stages:
        maps.append(stage(maps[-1]))
    pooled = downstream.head.pool(maps[-1])[0]
    value = weights @ pooled
    gradients = torch.autograd.grad(
        value, [leaf, *downstream.bias_terms, maps[-1]], allow_unused=True
    )
    bias_sum = sum(
        float((gradient * term.detach()).double().sum())
        for gradient, term in zip(gradients[1:-1], downstream.bias_terms, strict=True)
        if gradient is not None
    )
    decomposition = Decomposition(
        float(value.detach() + bias),
        bias_sum + float(bias),
        (gradients[0] * leaf)[0].detach(),
        weights,
        tuple(block[0].detach() for block in maps),
        pooled.detach(),
        gradients[-1][0],
    )
    _check_sum(decomposition)
    return decomposition


def _check_sum(decomposition: Decomposition) -> None:
    """Refuse paths and biases that do not sum to the logit; each come from their own gradients."""
    explained = float(decomposition.by_position.double().sum()) + decomposition.biases
    size = max(1.0, float((decomposition.weights * decomposition.pooled).abs().sum()))
    if abs(explained - decomposition.total) > 1e-3 * size:
        raise QueryError(
            "paths and bias terms do not sum to the logit in this network",
            found=f"{explained:.6g}",
            expected=f"the logit, {decomposition.total:.6g}",
            remedy="Explanations need blocks of convolutions, batch norm, ReLU and additions",
        )
