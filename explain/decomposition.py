"""Exact decomposition of a logit into paths through a network's last blocks, and bias terms.

With ReLU and batch norm in eval mode, everything after a block is piecewise affine in its output
`a`; what is not is linearised at the image (`ingest.network.linearised`). There, with a' the maps
of the next block, s the bias terms in between, and b those of the head:

    logit = Σ_b (∂logit/∂b) · b + Σ_u Σ_positions (∂logit/∂a'_u) · a'_u    (u: in the last block)
    a'_u  = Σ_v Σ_positions (∂a'_u/∂a_v) · a_v + Σ_s (∂a'_u/∂s) · s        (v: the block before)

Both are identities. The path v → u → class contributes the product of the two, in units of the
logit. All paths and all bias terms, those of the head among them, sum to the logit. `decompose`
computes both sums exactly, with one vector–Jacobian product (VJP) of the logit down to the first
block of the paths. `path_search` finds single paths. At any block on the way

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


@dataclass(frozen=True)
class Downstream:
    """All of an affine copy of a network that runs after the first block of the paths.

    Attributes:
        stages: from each block to the next one, first to last.
        head: from the last block's maps to the logits, (images, classes).
    """

    stages: Sequence[nn.Module]
    head: nn.Module

    def maps(self, activations: Tensor) -> list[Tensor]:
        """Return the outputs of all blocks, first to last, from the first block's."""
        maps = [activations]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def logits(self, activations: Tensor) -> Tensor:
        """Return (images, classes), from the first block's output."""
        logits: Tensor = self.head(self.maps(activations)[-1])
        return logits


@dataclass(frozen=True)
class Decomposition:
    """A logit of one image, or a difference of two: the sum of its evidence and of bias terms.

    Attributes:
        total: the logit itself.
        biases_after: for each block, the sum of all bias terms after it.
        direction: (classes,), by which the logits are multiplied: 1 for the class, −1 for another.
        maps: outputs of the blocks, first to last; (units, *grid) each.
        gradients: of the logit by each of `maps`, of the same shapes.
    """

    total: float
    biases_after: tuple[float, ...]
    direction: Tensor
    maps: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]

    @property
    def biases(self) -> float:
        """Sum of all bias terms after the first block, those of the head among them."""
        return self.biases_after[0]

    @property
    def by_position(self) -> Tensor:
        """What each position of the first block adds over all its paths, (units, *grid).

        Sums to total − biases.
        """
        return self.gradients[0] * self.maps[0]

    @property
    def last_gradient(self) -> Tensor:
        """(units, *grid) of the last block, ∂logit/∂a."""
        return self.gradients[-1]

    @property
    def by_last_unit(self) -> Tensor:
        """What each unit of the last block adds, (units,)."""
        return (self.gradients[-1] * self.maps[-1]).flatten(1).sum(dim=1)

    @property
    def residual(self) -> float:
        """How far evidence and biases are from `total`, as a share of what the last units add.

        It is a share of 1 at least. They come from gradients of their own.
        """
        explained = float(self.by_position.double().sum()) + self.biases
        return abs(explained - self.total) / max(1.0, float(self.by_last_unit.abs().sum()))

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
        """Class activation map (*grid) of the last block: its mean plus the biases is `total`.

        With global average pooling it is Σ_u W[u] · a_u at each position, as in CAM.
        """
        evidence = self.evidence(-1)
        return evidence * evidence.numel()


def decompose(downstream: Downstream, activations: Tensor, direction: Tensor) -> Decomposition:
    """Decompose a logit, given the output of the first block.

    Args:
        downstream: the network after that block.
        activations: (1, units, *grid).
        direction: (classes,), by which the logits are multiplied.

    Raises:
        QueryError: evidence and bias terms do not sum to the logit: a block is not piecewise
            affine.
    """
    terms = [bias_terms(part) for part in (*downstream.stages, downstream.head)]
    flat = [*chain.from_iterable(terms)]
    for term in flat:
        term.requires_grad_()
    maps = downstream.maps(activations.detach().clone().requires_grad_())
    value = downstream.head(maps[-1])[0] @ direction
    by_map_and_term = torch.autograd.grad(value, [*maps, *flat], allow_unused=True)
    gradients, by_term = by_map_and_term[: len(maps)], iter(by_map_and_term[len(maps) :])
    added = [_sum_of_products(part_terms, by_term) for part_terms in terms]
    decomposition = Decomposition(
        float(value.detach()),
        tuple(sum(added[number:]) for number in range(len(maps))),
        direction,
        tuple(block[0].detach() for block in maps),
        tuple(gradient[0] for gradient in gradients),
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
        # `grad_outputs=vectors` gives the same, but imports sympy, which takes longer.
        (gradients,) = torch.autograd.grad((output * vectors).sum(), leaf, retain_graph=True)
        products.append(gradients[: len(batch)])
    return torch.cat(products)


def _check_sum(decomposition: Decomposition) -> None:
    """Refuse evidence and biases that do not sum to the logit."""
    if decomposition.residual > 1e-3:
        explained = float(decomposition.by_position.double().sum()) + decomposition.biases
        raise QueryError(
            "paths and bias terms do not sum to the logit in this network",
            found=f"{explained:.6g}",
            expected=f"the logit, {decomposition.total:.6g}",
            remedy="Explanations need blocks of convolutions, batch norm, ReLU and additions",
        )
