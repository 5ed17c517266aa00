"""Exact decomposition of a logit into paths through a network's last blocks, and bias terms.

With ReLU and batch norm in eval mode, everything after a block is piecewise affine in its output
`a`. At the image itself, with W the final layer's weights for the class, g the pooled maps of the
last block and s the bias terms of the blocks in between:

    logit = b + Σ_u W[u] · g[u]                                         (u: units of the last block)
    g[u]  = Σ_v Σ_positions (∂g[u]/∂a_v) · a_v + Σ_s (∂g[u]/∂s) · s     (v: the block before)

Both are identities. The path v → u → class contributes W[u] · Σ_positions (∂g[u]/∂a_v) · a_v, in
units of the logit. All paths and all bias terms, that of the final layer among them, sum to the
logit. `decompose` computes both sums exactly, with one vector–Jacobian product (VJP) of W · g down
to the first block of the paths. `path_search` finds single paths. At any block on the way

    E(p) = Σ_u (∂logit/∂a_u(p)) · a_u(p)

is the *evidence* at position p; summed over positions, it is the logit less the bias terms after
the block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import QueryError
from ..ingest.network.affine import bias_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import nn

    from ..ingest.network.architecture import Head


@dataclass(frozen=True)
class Downstream:
    """All of an affine copy of a network that runs after the first block of the paths.

    Attributes:
        stages: the later blocks, first to last.
        head: from the last block's maps to the logits.
    """

    stages: Sequence[nn.Module]
    head: Head

    def maps(self, activations: Tensor) -> list[Tensor]:
        """Return the outputs of all blocks, first to last, from the first block's."""
        maps = [activations]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def pooled(self, maps: Tensor) -> Tensor:
        """Return (images, units of the last block), from the first block's output."""
        return self.head.pool(self.maps(maps)[-1])


@dataclass(frozen=True)
class Decomposition:
    """A logit of one image, or a difference of two: the sum of its evidence and of bias terms.

    Attributes:
        total: the logit itself.
        biases_after: for each block, the sum of the head's bias and of all bias terms after it.
        weights: (units of the last block,), W of the class, less that of the other class.
        maps: outputs of the blocks, first to last; (units, *grid) each.
        gradients: of W · g by each of `maps`, of the same shapes.
        pooled: (units of the last block,), g.
    """

    total: float
    biases_after: tuple[float, ...]
    weights: Tensor
    maps: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    pooled: Tensor

    @property
    def biases(self) -> float:
        """Sum of the head's bias and of all bias terms after the first block."""
        return self.biases_after[0]

    @property
    def by_position(self) -> Tensor:
        """What each position of the first block adds over all its paths, (units, *grid).

        Sums to total − biases.
        """
        return self.gradients[0] * self.maps[0]

    @property
    def last_gradient(self) -> Tensor:
        """(units, *grid) of the last block, ∂(W · g)/∂a."""
        return self.gradients[-1]

    def evidence(self, block: int) -> Tensor:
        """Return what each position of a block adds to the logit, all units together, (*grid).

        Sums to total − biases_after[block].
        """
        return (self.gradients[block] * self.maps[block]).sum(dim=0)

    def since(self, block: int) -> Decomposition:
        """Return the decomposition that starts at a later block."""
        return replace(
            self,
            biases_after=self.biases_after[block:],
            maps=self.maps[block:],
            gradients=self.gradients[block:],
        )

    @property
    def class_activation(self) -> Tensor:
        """Class activation map (*grid) of the last block: its mean plus the head's bias is `total`.

        With global average pooling it is Σ_u W[u] · a_u at each position, as in CAM.
        """
        evidence = self.evidence(-1)
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
        QueryError: evidence and bias terms do not sum to the logit: a block is not piecewise
            affine.
    """
    terms = [bias_terms(stage) for stage in downstream.stages]
    for term in chain.from_iterable(terms):
        term.requires_grad_()
    maps = downstream.maps(activations.detach().clone().requires_grad_())
    pooled = downstream.head.pool(maps[-1])[0]
    value = weights @ pooled
    flat = [*chain.from_iterable(terms)]
    by_map_and_term = torch.autograd.grad(value, [*maps, *flat], allow_unused=True)
    gradients, by_term = by_map_and_term[: len(maps)], iter(by_map_and_term[len(maps) :])
    added = [_sum_of_products(stage_terms, by_term) for stage_terms in terms]
    decomposition = Decomposition(
        float(value.detach() + bias),
        tuple(float(bias) + sum(added[number:]) for number in range(len(maps))),
        weights,
        tuple(block[0].detach() for block in maps),
        tuple(gradient[0] for gradient in gradients),
        pooled.detach(),
    )
    _check_sum(decomposition)
    return decomposition


def _sum_of_products(terms: Sequence[Tensor], gradients: Iterator[Tensor | None]) -> float:
    """Return what bias terms add, given the gradient of each (None where nothing depends on it)."""
    return sum(
        float((gradient * term.detach()).double().sum())
        for term, gradient in zip(terms, gradients, strict=False)
        if gradient is not None
    )


def evidence_maps(value: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
    """Compute the evidence at each position of each block, for a batch of images.

    Args:
        value: sum over the images of what is explained, a scalar that depends on `maps`.
        maps: (images, units, *grid), outputs of blocks.

    Returns:
        (images, *grid) for each block.
    """
    gradients = torch.autograd.grad(value, maps)
    return [(g * a.detach()).sum(dim=1) for g, a in zip(gradients, maps, strict=True)]


def vjp(stage: nn.Module, maps: Tensor, cotangents: Iterable[Tensor]) -> Tensor:
    """Compute vector–Jacobian products through one block, all of the same image.

    Each row of a batch carries one product: one forward pass serves all of them, and it takes half
    the time of vectorising the backward pass instead.

    Args:
        stage: the block.
        maps: (sources, *grid), its input at this image.
        cotangents: batches (n, units, *grid of the output), the first one the largest.

    Returns:
        (sum of n, sources, *grid), the cotangents times the block's Jacobian.
    """
    products, leaf, output = [maps.new_empty(0, *maps.shape)], maps, maps
    for batch in cotangents:
        if len(products) == 1:
            leaf = maps.expand(len(batch), *maps.shape).clone().requires_grad_()
            output = stage(leaf)
        vectors = torch.zeros_like(output)
        vectors[: len(batch)] = batch
        (gradients,) = torch.autograd.grad(output, leaf, grad_outputs=vectors, retain_graph=True)
        products.append(gradients[: len(batch)])
    return torch.cat(products)


def _check_sum(decomposition: Decomposition) -> None:
    """Refuse evidence and biases that do not sum to the logit; each come from own gradients."""
    explained = float(decomposition.by_position.double().sum()) + decomposition.biases
    size = max(1.0, float((decomposition.weights * decomposition.pooled).abs().sum()))
    if abs(explained - decomposition.total) > 1e-3 * size:
        raise QueryError(
            "paths and bias terms do not sum to the logit in this network",
            found=f"{explained:.6g}",
            expected=f"the logit, {decomposition.total:.6g}",
            remedy="Explanations need blocks of convolutions, batch norm, ReLU and additions",
        )
