"""Exact decomposition of a logit into paths through a network's last blocks, and bias terms.

With ReLU and batch norm in eval mode, everything after a block is piecewise affine in its output
`a`. At the image itself, with W the final layer's weights for the class, g the pooled maps of the
last block and s the bias terms of the blocks in between:

    logit = b + Σ_u W[u] · g[u]                                         (u: units of the last block)
    g[u]  = Σ_v Σ_positions (∂g[u]/∂a_v) · a_v + Σ_s (∂g[u]/∂s) · s     (v: the block before)

Both are identities. The path v → u → class contributes W[u] · Σ_positions (∂g[u]/∂a_v) · a_v, in
units of the logit. All paths and all bias terms, that of the final layer among them, sum to the
logit. Longer paths continue to earlier blocks: ∂(W[u] · g[u])/∂a_v, restricted to the map of v, is
the cotangent of the next vector–Jacobian product (VJP). The bias terms of v's block then join those
of the other blocks.

    1. decompose      one VJP of W · g, down to the first block of the paths: the sum of all paths
                      and the sum of all bias terms, exactly
    2. search_paths   from the class backwards, one VJP for each path suffix that is extended: at
                      each block the `beam` suffixes with the largest |contribution|
    3. measure_paths  what the value loses when a path's first unit is ablated
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import QueryError
from .explanation import SearchedBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ingest.network.architecture import Head

_BATCH = 64


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


@dataclass(frozen=True)
class PathSearch:
    """Contributions of single paths.

    Attributes:
        suffixes: int64 (suffixes, blocks − 1), units from the second block to the last, of each
            path suffix that was extended into the first block.
        suffix_contributions: (suffixes, blocks − 1), for each of these units, what all paths
            through it and the units after it add.
        contributions: (suffixes, units of the first block), what each whole path adds.
        searched: how far the search went at each block but the first, last block first.
    """

    suffixes: Tensor
    suffix_contributions: Tensor
    contributions: Tensor
    searched: tuple[SearchedBlock, ...]

    def paths(self, rows: Tensor, firsts: Tensor) -> Tensor:
        """Return the units of whole paths, int64 (paths, blocks), first block to last.

        Args:
            rows: int64 (paths,), rows of `contributions`.
            firsts: int64 (paths,), its columns.
        """
        return torch.cat([firsts.unsqueeze(1), self.suffixes[rows]], dim=1)


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


def search_paths(downstream: Downstream, decomposition: Decomposition, beam: int) -> PathSearch:
    """Search the strongest paths; of equal suffixes those with the lower units are extended.

    Args:
        downstream: the network after the first block.
        decomposition: from `decompose`.
        beam: how many path suffixes to extend at each block.
    """
    last = decomposition.weights * decomposition.pooled
    if not downstream.stages:
        return _paths_of_one_block(last)
    rows, searched = _strongest_suffixes(last.unsqueeze(0), beam)
    suffixes = rows[:, 1:]
    through = last[suffixes]
    cotangents = decomposition.last_gradient[suffixes[:, 0]]
    blocks = [searched]
    for number in range(len(downstream.stages) - 1, -1, -1):
        maps = decomposition.maps[number]
        gradients = vjp(downstream.stages[number], maps, suffixes[:, 0], cotangents)
        contributions = (gradients * maps).flatten(2).sum(dim=2)
        if number == 0:
            break
        rows, searched = _strongest_suffixes(contributions, beam)
        blocks.append(searched)
        row, unit = rows.unbind(1)
        suffixes = torch.cat([unit.unsqueeze(1), suffixes[row]], dim=1)
        through = torch.cat([contributions[row, unit].unsqueeze(1), through[row]], dim=1)
        cotangents = gradients[row, unit]
    return PathSearch(suffixes, through, contributions, tuple(blocks))


def search_edges(
    edges: Sequence[Tensor], weights: Tensor, activation: Tensor, beam: int
) -> PathSearch:
    """Search the strongest products of edges along paths: the same with edges in place of VJPs.

    Args:
        edges: (units, units of the next block) for each step between blocks, first to last.
        weights: (units of the last block,), W.
        activation: (units of the first block,), by which each path is multiplied.
        beam: how many path suffixes to extend at each block.
    """
    if not edges:
        return _paths_of_one_block(weights * activation)
    rows, searched = _strongest_suffixes(weights.unsqueeze(0), beam)
    suffixes, blocks = rows[:, 1:], [searched]
    through = weights[suffixes]
    for edge in reversed(edges[1:]):
        values = through[:, :1] * edge.T[suffixes[:, 0]]
        rows, searched = _strongest_suffixes(values, beam)
        blocks.append(searched)
        row, unit = rows.unbind(1)
        suffixes = torch.cat([unit.unsqueeze(1), suffixes[row]], dim=1)
        through = torch.cat([values[row, unit].unsqueeze(1), through[row]], dim=1)
    values = through[:, :1] * edges[0].T[suffixes[:, 0]] * activation
    return PathSearch(suffixes, through, values, tuple(blocks))


def _paths_of_one_block(contributions: Tensor) -> PathSearch:
    """Return paths that are one unit long, given what each unit of the block adds."""
    no_suffix = torch.zeros(1, 0, dtype=torch.int64)
    return PathSearch(no_suffix, contributions.new_zeros(1, 0), contributions.unsqueeze(0), ())


def strongest(values: Tensor, count: int) -> Tensor:
    """Return rows and columns of the `count` largest |values|, in that order; int64 (n, 2).

    Zeros are left out. Ties go to the lower row, then to the lower column.
    """
    size = values.abs().flatten()
    order = size.argsort(descending=True, stable=True)[:count]
    order = order[size[order] > 0]
    return torch.stack([order // values.shape[1], order % values.shape[1]], dim=1)


def _strongest_suffixes(values: Tensor, beam: int) -> tuple[Tensor, SearchedBlock]:
    """Return rows and columns of the `beam` strongest suffixes, and what was left out."""
    rows = strongest(values, beam + 1)
    size = values.double().abs()
    followed = float(size[rows[:beam, 0], rows[:beam, 1]].sum())
    left = float(size[rows[beam, 0], rows[beam, 1]]) if len(rows) > beam else 0.0
    count = int((size > 0).sum())
    share = followed / float(size.sum()) if count else 1.0
    return rows[:beam], SearchedBlock(min(beam, count), count, share, left)


def vjp(stage: nn.Module, maps: Tensor, units: Tensor, cotangents: Tensor) -> Tensor:
    """Compute vector–Jacobian products through one block, each through one unit of its output.

    Each row of a batch, all of the same image, carries the product of one unit: one forward pass
    serves all of them, and it takes half the time of vectorising the backward pass instead.

    Args:
        stage: the block.
        maps: (sources, *grid), its input at this image.
        units: int64 (n,), of its output.
        cotangents: (n, *grid of the output), ∂value/∂(the unit's map).

    Returns:
        (n, sources, *grid), ∂value/∂maps by way of that unit.
    """
    leaf = maps.expand(min(_BATCH, len(units)), *maps.shape).clone().requires_grad_()
    output = stage(leaf)
    products = [maps.new_empty(0, *maps.shape)]
    for batch_units, batch_cotangents in zip(
        torch.split(units, _BATCH), torch.split(cotangents, _BATCH), strict=True
    ):
        vectors = torch.zeros_like(output)
        vectors[torch.arange(len(batch_units)), batch_units] = batch_cotangents
        (gradients,) = torch.autograd.grad(output, leaf, grad_outputs=vectors, retain_graph=True)
        products.append(gradients[: len(batch_units)])
    return torch.cat(products)


def measure_paths(downstream: Downstream, decomposition: Decomposition, paths: Tensor) -> Tensor:
    """Measure what the value loses when a path's first unit is ablated, along the path alone.

    This is path patching: at each block, the path's unit takes its changed map, and every other
    unit keeps the map it had. So only what the path claims is measured.

    Args:
        downstream: the network after the first block.
        decomposition: from `decompose`.
        paths: int64 (paths, blocks), the units of each path, first block to last.

    Returns:
        (paths,), the value less the value with the unit ablated: positive where the path is
        evidence for the class.
    """
    with torch.no_grad():
        firsts, row_of_path = torch.unique(paths[:, 0], return_inverse=True)
        maps = _copies(decomposition.maps[0], len(firsts))
        maps[torch.arange(len(firsts)), firsts] = 0
        for number, stage in enumerate(downstream.stages, start=1):
            output = torch.cat([stage(batch) for batch in torch.split(maps, _BATCH)])
            prefixes, prefix_of_path = torch.unique(
                paths[:, : number + 1], dim=0, return_inverse=True
            )
            rows = row_of_path.new_empty(len(prefixes))
            rows[prefix_of_path] = row_of_path
            unit = prefixes[:, number]
            maps = _copies(decomposition.maps[number], len(prefixes))
            maps[torch.arange(len(prefixes)), unit] = output[rows, unit]
            row_of_path = prefix_of_path
        last = paths[:, -1]
        ablated = downstream.head.pool(maps)[row_of_path, last]
        return decomposition.weights[last] * (decomposition.pooled[last] - ablated)


def _copies(maps: Tensor, count: int) -> Tensor:
    """Return a batch of `count` copies of one image's maps."""
    return maps.repeat(count, *[1] * maps.ndim)
