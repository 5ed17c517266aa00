"""Exact accounting of a logit over the paths through a network's last blocks.

With ReLU and batch norm as it is when evaluated, everything after a block is piecewise affine in
its output `a`. At the image itself, with W the final layer and g the means of the last block:

    logit = b + Σ_u W[u] · g[u]                                         (u: units of the last block)
    g[u]  = Σ_v Σ_positions (∂g[u]/∂a_v) · a_v + Σ_shifts (∂g[u]/∂s) · s   (v: the block before)

Both are identities. The path v → u → class carries W[u] · Σ_positions (∂g[u]/∂a_v) · a_v, in units
of the logit; all paths and all shifts, the final bias among them, add up to the logit. A longer
path goes on from there: ∂(W[u] g[u])/∂a_v, on the map of v alone, is pulled back through the block
before. What that block's shifts add to v is a bias of the longer paths.

    1. account   one vector–Jacobian product for Σ_u W[u] g[u] down to the first block of the
                 paths: all paths and all shifts, exactly
    2. search    from the class backwards, one product for each ending of a path that is followed:
                 at each block the `beam` endings that carry most
    3. measure   what really happens without a path's first unit
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import QueryError
from .explanation import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ingest.network.architecture import Head

_BATCH = 64


@dataclass(frozen=True)
class Tail:
    """The end of a network as an affine copy, from the output of the first block of the paths.

    Attributes:
        stages: the later blocks, first to last.
        head: from the last block's maps to the logits.
        shifts: every additive parameter of `stages`.
    """

    stages: Sequence[nn.Module]
    head: Head
    shifts: Sequence[Tensor]


@dataclass(frozen=True)
class Decomposition:
    """A logit, or a difference of two, accounted for at one image.

    Attributes:
        total: the logit itself.
        biases: what the final bias and all shifts after the first block add.
        by_position: (units, height, width) of the first block, what each position adds, over all
            its paths; sums to total − biases.
        weights: (units of the last block,), W; of the class, less that of the other class.
        maps: outputs of the blocks, first to last; (units, *grid) each.
        means: (units of the last block,), g.
        last_slopes: (units, *grid) of the last block, ∂(W · g)/∂a.
    """

    total: float
    biases: float
    by_position: Tensor
    weights: Tensor
    maps: tuple[Tensor, ...]
    means: Tensor
    last_slopes: Tensor


@dataclass(frozen=True)
class Search:
    """Contributions of single paths.

    Attributes:
        endings: int64 (searched, blocks − 1), the units of each ending of a path that was followed,
            from the second block to the last.
        carried: (searched, blocks − 1), for each of these units, what all ways through it and the
            units after it carry.
        contributions: (searched, units of the first block), what each whole path carries.
        levels: how far each block but the first was searched, last block first.
    """

    endings: Tensor
    carried: Tensor
    contributions: Tensor
    levels: tuple[Level, ...]


def account(tail: Tail, source: Tensor, weights: Tensor, bias: Tensor) -> Decomposition:
    """Step 1, from the output of the first block.

    Args:
        tail: the rest of the network.
        source: (1, units, height, width).
        weights: (units of the last block,), the row of the final layer, or the difference of two.
        bias: scalar, likewise.

    Raises:
        QueryError: the identity does not hold: a block is not piecewise affine.
    """
    leaf = source.detach().clone().requires_grad_()
    for shift in tail.shifts:
        shift.requires_grad_()
    maps = [leaf]
    for stage in tail.stages:
        maps.append(stage(maps[-1]))
    means = tail.head.pool(maps[-1])[0]
    value = weights @ means
    slopes = torch.autograd.grad(value, [leaf, *tail.shifts, maps[-1]], allow_unused=True)
    shifted = sum(
        float((slope * shift.detach()).double().sum())
        for slope, shift in zip(slopes[1:-1], tail.shifts, strict=True)
        if slope is not None
    )
    ledger = Decomposition(
        float(value.detach() + bias),
        shifted + float(bias),
        (slopes[0] * leaf)[0].detach(),
        weights,
        tuple(each[0].detach() for each in maps),
        means.detach(),
        slopes[-1][0],
    )
    _check(ledger)
    return ledger


def _check(ledger: Decomposition) -> None:
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


def search(tail: Tail, ledger: Decomposition, beam: int) -> Search:
    """Step 2; of endings that carry the same, the one with the lower units is followed."""
    last = ledger.weights * ledger.means
    if not tail.stages:
        empty = torch.zeros(1, 0, dtype=torch.int64)
        return Search(empty, last.new_zeros(1, 0), last.unsqueeze(0), ())
    rows, level = _followed(last.unsqueeze(0), beam)
    endings = rows[:, 1:]
    carried = last[endings]
    pulled = ledger.last_slopes[endings[:, 0]]
    levels = [level]
    for number in range(len(tail.stages) - 1, -1, -1):
        slopes = pull(tail.stages[number], ledger.maps[number], endings[:, 0], pulled)
        contributions = (slopes * ledger.maps[number]).flatten(2).sum(dim=2)
        if number == 0:
            break
        rows, level = _followed(contributions, beam)
        levels.append(level)
        row, unit = rows.unbind(1)
        endings = torch.cat([unit.unsqueeze(1), endings[row]], dim=1)
        carried = torch.cat([contributions[row, unit].unsqueeze(1), carried[row]], dim=1)
        pulled = slopes[row, unit]
    return Search(endings, carried, contributions, tuple(levels))


def search_edges(edges: Sequence[Tensor], weights: Tensor, activation: Tensor, beam: int) -> Search:
    """The same over given edges instead of products through the network.

    Args:
        edges: (units, units of the next block) for each step between blocks, first to last.
        weights: (units of the last block,), W.
        activation: (units of the first block,), by which each path is multiplied.
        beam: endings of paths to follow at each block.
    """
    if not edges:
        empty = torch.zeros(1, 0, dtype=torch.int64)
        return Search(empty, weights.new_zeros(1, 0), (weights * activation).unsqueeze(0), ())
    rows, level = _followed(weights.unsqueeze(0), beam)
    endings, levels = rows[:, 1:], [level]
    carried = weights[endings]
    for edge in reversed(edges[1:]):
        values = carried[:, :1] * edge.T[endings[:, 0]]
        rows, level = _followed(values, beam)
        levels.append(level)
        row, unit = rows.unbind(1)
        endings = torch.cat([unit.unsqueeze(1), endings[row]], dim=1)
        carried = torch.cat([values[row, unit].unsqueeze(1), carried[row]], dim=1)
    values = carried[:, :1] * edges[0].T[endings[:, 0]] * activation
    return Search(endings, carried, values, tuple(levels))


def strongest(values: Tensor, count: int) -> Tensor:
    """Rows and columns of the `count` entries of largest size but 0, in that order; int64 (n, 2).

    Ties go to the lower row, then the lower column.
    """
    size = values.abs().flatten()
    order = size.argsort(descending=True, stable=True)[:count]
    order = order[size[order] > 0]
    return torch.stack([order // values.shape[1], order % values.shape[1]], dim=1)


def _followed(values: Tensor, beam: int) -> tuple[Tensor, Level]:
    rows = strongest(values, beam + 1)
    size = values.double().abs()
    kept = float(size[rows[:beam, 0], rows[:beam, 1]].sum())
    left = float(size[rows[beam, 0], rows[beam, 1]]) if len(rows) > beam else 0.0
    alive = int((size > 0).sum())
    share = kept / float(size.sum()) if alive else 1.0
    return rows[:beam], Level(min(beam, alive), alive, share, left)


def pull(stage: nn.Module, before: Tensor, units: Tensor, pulled: Tensor) -> Tensor:
    """What reaches a block's input through one unit of its output each.

    Each row of the batch, all of the same image, carries the product of one unit: one pass forward
    serves all, and it takes half the time of vectorising the pass backward instead.

    Args:
        stage: the block.
        before: (sources, height, width), its input at this image.
        units: int64 (n,), of its output.
        pulled: (n, rows, columns), ∂value/∂(the unit's map).

    Returns:
        (n, sources, height, width), ∂value/∂before by way of that unit.
    """
    leaf = before.expand(min(_BATCH, len(units)), -1, -1, -1).clone().requires_grad_()
    maps = stage(leaf)
    found = [before.new_empty(0, *before.shape)]
    for some, values in zip(torch.split(units, _BATCH), torch.split(pulled, _BATCH), strict=True):
        wanted = torch.zeros_like(maps)
        wanted[torch.arange(len(some)), some] = values
        (slopes,) = torch.autograd.grad(maps, leaf, grad_outputs=wanted, retain_graph=True)
        found.append(slopes[: len(some)])
    return torch.cat(found)


def measure(tail: Tail, ledger: Decomposition, units: Tensor) -> Tensor:
    """What really happens to the value when a path's first unit is taken away.

    The change may flow through the path's own units alone: at each block every other unit keeps the
    map it had (path patching), so nothing is read that the path does not claim.

    Args:
        tail: the rest of the network.
        ledger: from `account`.
        units: int64 (paths, blocks), the units of each path, first block to last.

    Returns:
        (paths,), the value less the value without: positive where the path speaks for the class.
    """
    with torch.no_grad():
        firsts, where = torch.unique(units[:, 0], return_inverse=True)
        maps = ledger.maps[0].repeat(len(firsts), 1, 1, 1)
        maps[torch.arange(len(firsts)), firsts] = 0
        for number, stage in enumerate(tail.stages, start=1):
            out = torch.cat([stage(part) for part in torch.split(maps, _BATCH)])
            begun, where_next = torch.unique(units[:, : number + 1], dim=0, return_inverse=True)
            rows = where.new_empty(len(begun))
            rows[where_next] = where
            unit = begun[:, number]
            maps = ledger.maps[number].repeat(len(begun), 1, 1, 1)
            maps[torch.arange(len(begun)), unit] = out[rows, unit]
            where = where_next
        last = units[:, -1]
        changed = tail.head.pool(maps)[where, last]
        return ledger.weights[last] * (ledger.means[last] - changed)
