"""Concept flows: what reaches a class from a concept in one block by way of a concept in the next.

The evidence of a region of a block, pulled back through the block, is evidence at the positions of
the block before:

    F_k(p) = Σ_v (∂/∂a_v(p) Σ_{q in k} (∂logit/∂a(q)) · a(q)) · a_v(p)      k: a region of the block

with one vector–Jacobian product (VJP) for each region, the gradient masked to it. Gathered over the
regions j of the block before, F_k is the flow j → k → class. The regions of one category share out
all positions, so for any two categories

    Σ flows + bias terms after the block before = logit
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .decomposition import vjp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .decomposition import Decomposition, Downstream
    from .regions import Partition

_BATCH = 64


class FlowNode(NamedTuple):
    """A region of a block: where a concept of a category is found, or none of them (None)."""

    block: str
    category: str
    name: str | None


class Flow(NamedTuple):
    """What reaches the class from one region by way of another one of the next block.

    Attributes:
        source: the region of the earlier block.
        target: the region of the later block.
        evidence: in units of the logit.
    """

    source: FlowNode
    target: FlowNode
    evidence: float


class RegionPath(NamedTuple):
    """A path through regions of neighbouring blocks to the class.

    Attributes:
        nodes: regions, first block to last; None where the weaker suffixes are taken together.
        evidence: what all unit paths through these regions add to the logit.
    """

    nodes: tuple[FlowNode | None, ...]
    evidence: float


def concept_flows(
    downstream: Downstream,
    decomposition: Decomposition,
    blocks: Sequence[str],
    number: int,
    divided: Sequence[Sequence[Partition]],
) -> list[Flow]:
    """Compute all flows from a block to the next one, for each pair of categories.

    Args:
        downstream: the network after the first block.
        decomposition: from `decompose`.
        blocks: names of the blocks of the decomposition.
        number: of the earlier block, from 0.
        divided: for each block, its positions divided among the concepts of each category.
    """
    targets = [(part, row) for part in divided[number + 1] for row in range(len(part.names))]
    if not targets:
        return []
    weights = torch.stack([part.weights[row] for part, row in targets])
    pulled = _pull_back(downstream, decomposition, number, _masked(decomposition, number, weights))
    evidence = (pulled * decomposition.maps[number]).sum(dim=1).flatten(1).double()
    return [
        Flow(
            FlowNode(blocks[number], source.category, name),
            FlowNode(blocks[number + 1], target.category, target.names[row]),
            amount,
        )
        for source in divided[number]
        for (target, row), amounts in zip(
            targets, (evidence @ source.weights.T).tolist(), strict=True
        )
        for name, amount in zip(source.names, amounts, strict=True)
    ]


def concept_paths(
    downstream: Downstream,
    decomposition: Decomposition,
    blocks: Sequence[str],
    divided: Sequence[Partition],
    beam: int = 8,
) -> list[RegionPath]:
    """Compute the paths through regions of all blocks; they add up to the logit less the biases.

    Args:
        downstream: the network after the first block.
        decomposition: from `decompose`.
        blocks: names of the blocks of the decomposition.
        divided: for each block, its positions divided among the concepts of one category.
        beam: how many path suffixes to extend singly at each block; the others together.

    Returns:
        Paths with the largest |evidence| first.
    """
    nodes = [
        [FlowNode(block, part.category, name) for name in part.names]
        for block, part in zip(blocks, divided, strict=True)
    ]
    last = len(blocks) - 1
    gradient = decomposition.last_gradient
    seeds = _spread(divided[last].weights, gradient) * gradient
    suffixes: list[tuple[FlowNode | None, ...]] = [(node,) for node in nodes[last]]
    for number in reversed(range(last)):
        strength = (seeds * decomposition.maps[number + 1]).flatten(1).double().sum(dim=1).abs()
        order = strength.argsort(descending=True, stable=True).tolist()
        chosen, rest = order[:beam], order[beam:]
        together = [seeds[rest].sum(dim=0, keepdim=True)] if rest else []
        gathered = [(None,) * (last - number)] if rest else []
        pulled = _pull_back(
            downstream, decomposition, number, torch.cat([seeds[chosen], *together])
        )
        parts = _spread(divided[number].weights, pulled[0])
        seeds = (pulled.unsqueeze(1) * parts).flatten(0, 1)
        kept = [*(suffixes[i] for i in chosen), *gathered]
        suffixes = [(node, *suffix) for suffix in kept for node in nodes[number]]
    amounts = (seeds * decomposition.maps[0]).flatten(1).double().sum(dim=1).tolist()
    paths = [RegionPath(*path) for path in zip(suffixes, amounts, strict=True)]
    return sorted(paths, key=lambda path: -abs(path.evidence))


def _masked(decomposition: Decomposition, number: int, weights: Tensor) -> Tensor:
    """Return the gradient by the next block, masked to regions, (regions, units, *grid)."""
    gradient = decomposition.gradients[number + 1]
    return _spread(weights, gradient) * gradient


def _spread(weights: Tensor, maps: Tensor) -> Tensor:
    """Return (regions, positions) as (regions, 1, *grid) of maps (units, *grid)."""
    return weights.to(maps).view(-1, 1, *maps.shape[1:])


def _pull_back(
    downstream: Downstream, decomposition: Decomposition, number: int, cotangents: Tensor
) -> Tensor:
    stage, maps = downstream.stages[number], decomposition.maps[number]
    return vjp(stage, maps, torch.split(cotangents, _BATCH))
