"""Exact accounting of a logit over the paths through a network's last two blocks.

With ReLU and batch norm as it is when evaluated, everything after a block is piecewise affine in
its output `a`. At the image itself, with W the final layer and g the means of the last block:

    logit = b + Σ_u W[u] · g[u]                                         (u: units of the last block)
    g[u]  = Σ_v Σ_positions (∂g[u]/∂a_v) · a_v + Σ_shifts (∂g[u]/∂s) · s   (v: the block before)

Both are identities. The path v → u → class carries W[u] · Σ_positions (∂g[u]/∂a_v) · a_v, in units
of the logit; all paths and all shifts, the final bias among them, add up to the logit.

    1. run       the network once, as an affine copy: block outputs and logits
    2. total     one vector–Jacobian product for Σ_u W[u] g[u]: all paths and all shifts, exactly
    3. search    one product per unit u, batched, in the order of |W[u] g[u]|, until the asked share
                 of Σ |W[u] g[u]| is covered
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..graph.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Tail:
    """The end of a network as an affine copy, from the output of its last block but one.

    Attributes:
        stage: the last block.
        fc: the final layer, on the spatial means of the last block.
        shifts: every additive parameter of `stage`.
    """

    stage: nn.Module
    fc: nn.Linear
    shifts: Sequence[Tensor]


@dataclass(frozen=True)
class Ledger:
    """A logit, or a difference of two, accounted for at one image.

    Attributes:
        total: the logit itself.
        biases: what the final bias and all shifts of the last block add.
        by_position: (sources, height, width), what each position of each unit of the block before
            adds, over all its paths; sums to total − biases.
        means: (targets,), g.
        weights: (targets,), W; of the class, less that of the other class.
        maps: (targets, height, width), output of the last block.
        source: (sources, height, width), output of the block before.
    """

    total: float
    biases: float
    by_position: Tensor
    means: Tensor
    weights: Tensor
    maps: Tensor
    source: Tensor


@dataclass(frozen=True)
class Search:
    """Contributions of single paths.

    Attributes:
        targets: int64 (searched,), the units u that were looked at, strongest first.
        steps: (searched, sources), contribution of v to the mean of u; times W[u] a path's.
        share: of Σ |W[u] g[u]| that they carry.
        alive: how many units u have a mean and a weight other than 0.
    """

    targets: Tensor
    steps: Tensor
    share: float
    alive: int


def account(tail: Tail, source: Tensor, weights: Tensor, bias: Tensor) -> Ledger:
    """Steps 1 and 2, from the output of the last block but one.

    Args:
        tail: the rest of the network.
        source: (1, sources, height, width).
        weights: (targets,), the row of the final layer, or the difference of two.
        bias: scalar, likewise.

    Raises:
        QueryError: the identity does not hold: the block is not piecewise affine.
    """
    leaf = source.detach().clone().requires_grad_()
    for shift in tail.shifts:
        shift.requires_grad_()
    maps = tail.stage(leaf)
    means = maps.mean(dim=(2, 3))[0]
    value = weights @ means
    slopes = torch.autograd.grad(value, [leaf, *tail.shifts], allow_unused=True)
    by_position = (slopes[0] * leaf)[0].detach()
    shifted = sum(
        float((slope * shift.detach()).double().sum())
        for slope, shift in zip(slopes[1:], tail.shifts, strict=True)
        if slope is not None
    )
    ledger = Ledger(
        float(value.detach() + bias),
        shifted + float(bias),
        by_position,
        means.detach(),
        weights,
        maps[0].detach(),
        leaf[0].detach(),
    )
    _check(ledger)
    return ledger


def _check(ledger: Ledger) -> None:
    """Refuse a sum that does not meet the logit; each side comes from gradients of its own."""
    explained = float(ledger.by_position.double().sum()) + ledger.biases
    size = max(1.0, float((ledger.weights * ledger.means).abs().sum()))
    if abs(explained - ledger.total) > 1e-3 * size:
        raise QueryError(
            "the logit does not add up over this network",
            found=f"{explained:.6g} from paths and biases",
            expected=f"the logit, {ledger.total:.6g}",
            remedy="Exact accounting needs blocks of convolutions, batch norm, ReLU and additions",
        )


def search(tail: Tail, ledger: Ledger, cover: float, batch: int = 64) -> Search:
    """Step 3.

    Args:
        tail: the rest of the network.
        ledger: from `account`.
        cover: share of Σ |W[u] g[u]| at which to stop; 1 looks at every unit that matters.
        batch: products at a time.
    """
    size = (ledger.weights * ledger.means).abs()
    order = size.argsort(descending=True, stable=True)
    order = order[size[order] > 0]
    carried = size[order].double().cumsum(0) / max(float(size.double().sum()), 1e-300)
    wanted = min(len(order), int((carried < cover - 1e-9).sum()) + 1)
    chosen = order[:wanted]
    leaf = ledger.source.expand(min(batch, wanted), -1, -1, -1).clone().requires_grad_()
    means = tail.stage(leaf).mean(dim=(2, 3))
    steps = [_steps_into(units, means, leaf) for units in torch.split(chosen, batch)]
    empty = ledger.source.new_empty(0, len(ledger.source))
    return Search(
        chosen,
        torch.cat([empty, *steps]),
        float(carried[wanted - 1]) if wanted else 1.0,
        len(order),
    )


def _steps_into(units: Tensor, means: Tensor, leaf: Tensor) -> Tensor:
    """Contribution of every source unit to the means of some units, (units, sources).

    Each row of the batch, all of the same image, carries the product of one unit: one pass forward
    serves all, and it takes half the time of vectorising the pass backward instead.
    """
    wanted = torch.zeros_like(means)
    wanted[torch.arange(len(units)), units] = 1
    (slopes,) = torch.autograd.grad(means, leaf, grad_outputs=wanted, retain_graph=True)
    return (slopes * leaf.detach()).sum(dim=(2, 3))[: len(units)]
