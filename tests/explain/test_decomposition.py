"""Exact accounting at every length of path, against finite differences and plain slow sums."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptgraph.errors import QueryError
from conceptgraph.explain.decomposition import (
    Decomposition,
    Tail,
    account,
    measure,
    search,
    search_edges,
    strongest,
)
from conceptgraph.ingest.network.affine import affine_copy, shifts
from conceptgraph.ingest.network.forward import watching
from tests.random_networks import KINDS, CustomNetwork, random_network

if TYPE_CHECKING:
    from conceptgraph.ingest.network.loading import Network

ALL = 10**9


class Gated(CustomNetwork):
    """A last block that no accounting by paths and shifts can explain."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__(num_classes)
        self.layer3 = nn.Sequential(*self.layer3, nn.Sigmoid())


def prepare(network: Network, length: int, dtype: torch.dtype) -> tuple[Tensor, Tail, Tensor]:
    """Logits of a random image, what follows the first of the last `length` blocks, its output."""
    module = affine_copy(network.module).to(dtype)
    blocks = network.blocks[-length:]
    architecture = network.architecture
    stages = [architecture.stage(module, block) for block in blocks]
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    with watching(module, {"first": stages[0]}) as outputs, torch.no_grad():
        logits = module(image)[0]
    found = [shift for stage in stages[1:] for shift in shifts(stage)]
    return logits, Tail(stages[1:], architecture.head_of(module), found), outputs["first"]


def accounted(
    network: Network, length: int, dtype: torch.dtype = torch.float64, other: int | None = None
) -> tuple[float, Tail, Decomposition]:
    """The logit of class 1 (less another one's), and its account."""
    logits, tail, source = prepare(network, length, dtype)
    weights, bias = tail.head.weight[1].detach(), tail.head.bias[1].detach()
    logit = float(logits[1])
    if other is not None:
        weights, bias = weights - tail.head.weight[other], bias - tail.head.bias[other]
        logit -= float(logits[other])
    return logit, tail, account(tail, source, weights.detach(), bias.detach())


@cache
def small() -> Network:
    """Few units, so that every path can be looked at."""
    return random_network("factory", seed=5)


@pytest.mark.parametrize("kind", KINDS)
def test_paths_and_biases_are_the_logit_at_every_length(kind: str) -> None:
    network = random_network(kind)
    for length in range(1, len(network.blocks) + 1):
        for other in (None, 2):
            for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
                logit, _, ledger = accounted(network, length, dtype, other)
                parts = ledger.by_position.abs().double().sum()
                size = max(1.0, float((ledger.weights * ledger.means).abs().sum()), float(parts))
                everything = float(ledger.by_position.double().sum()) + ledger.biases
                assert abs(everything - logit) <= tolerance * size
                assert abs(ledger.total - logit) <= tolerance * size
                assert abs(ledger.biases) > 1e-3  # far from trivial


@pytest.mark.parametrize("kind", KINDS)
def test_all_paths_together_are_what_the_first_block_adds(kind: str) -> None:
    """Two blocks: every single path."""
    _, tail, ledger = accounted(random_network(kind), 2)
    every = search(tail, ledger, ALL)
    size = float(ledger.by_position.abs().sum())
    summed = every.contributions.sum(dim=0)
    np.testing.assert_allclose(summed, ledger.by_position.sum(dim=(1, 2)), atol=1e-9 * size)


def test_longer_paths_add_up_to_the_unit_they_start_from() -> None:
    """Three blocks: every path there is, also those through a unit that adds nothing itself."""
    network = small()
    _, tail, ledger = accounted(network, 3)
    every = search(tail, ledger, ALL)
    middle, last = len(ledger.maps[1]), len(ledger.maps[2])
    assert len(every.endings) <= middle * last
    summed = every.contributions.sum(dim=0)
    size = float(ledger.by_position.abs().sum())
    np.testing.assert_allclose(summed, ledger.by_position.sum(dim=(1, 2)), atol=1e-9 * size)
    shorter = search(*_shorter(network), ALL)
    for (v, u), (carried, _) in zip(every.endings.tolist(), every.carried.tolist(), strict=True):
        row = shorter.endings.squeeze(1).tolist().index(u)
        assert carried == pytest.approx(float(shorter.contributions[row, v]), rel=1e-9, abs=1e-12)


def _shorter(network: Network) -> tuple[Tail, Decomposition]:
    _, tail, ledger = accounted(network, 2)
    return tail, ledger


@pytest.mark.parametrize("kind", KINDS)
def test_each_path_is_what_a_small_change_of_its_unit_does(kind: str) -> None:
    _, tail, ledger = accounted(random_network(kind, seed=2), 2)
    found = search(tail, ledger, ALL)
    targets = found.endings[:, 0]
    small_change = 1e-7
    for v in range(len(ledger.maps[0])):
        moved = ledger.maps[0].clone()
        moved[v] *= 1 + small_change
        with torch.no_grad():
            means = tail.stages[0](moved.unsqueeze(0)).mean((2, 3))[0]
        slope = ledger.weights * (means - ledger.means) / small_change
        np.testing.assert_allclose(found.contributions[:, v], slope[targets], atol=1e-5, rtol=1e-5)


def test_a_longer_path_is_what_a_small_change_does_along_it() -> None:
    """A small change of the first unit, let through the path's units only."""
    _, tail, ledger = accounted(small(), 3)
    found = search(tail, ledger, 20)
    small_change = 1e-6
    for row, first in strongest(found.contributions, 10).tolist():
        middle, last = found.endings[row].tolist()
        maps = ledger.maps[0].clone()
        maps[first] *= 1 + small_change
        with torch.no_grad():
            changed = ledger.maps[1].clone()
            changed[middle] = tail.stages[0](maps.unsqueeze(0))[0, middle]
            mean = tail.stages[1](changed.unsqueeze(0))[0, last].mean()
        slope = float(ledger.weights[last] * (mean - ledger.means[last])) / small_change
        assert float(found.contributions[row, first]) == pytest.approx(slope, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_measured_effects_are_those_of_one_path_taken_at_a_time(length: int) -> None:
    _, tail, ledger = accounted(small(), length)
    found = search(tail, ledger, 9)
    picked = strongest(found.contributions, 30)
    units = torch.cat([picked[:, 1:], found.endings[picked[:, 0]]], dim=1)
    measured = measure(tail, ledger, units)
    for path, effect in zip(units.tolist(), measured.tolist(), strict=True):
        maps = ledger.maps[0].clone()
        maps[path[0]] = 0
        for stage, unit, original in zip(tail.stages, path[1:], ledger.maps[1:], strict=True):
            with torch.no_grad():
                out = stage(maps.unsqueeze(0))[0]
            maps = original.clone()
            maps[unit] = out[unit]
        last = path[-1]
        lost = float(ledger.weights[last] * (ledger.means[last] - maps[last].mean()))
        assert effect == pytest.approx(lost, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("beam", [1, 3, 10])
def test_the_search_follows_the_endings_that_carry_most(beam: int) -> None:
    _, tail, ledger = accounted(small(), 3)
    every, found = search(tail, ledger, ALL), search(tail, ledger, beam)
    last = (ledger.weights * ledger.means).abs().numpy()
    order = np.argsort(-last, kind="stable")
    level = found.levels[0]
    assert (level.followed, level.of) == (min(beam, (last > 0).sum()), (last > 0).sum())
    assert level.share == pytest.approx(last[order[:beam]].sum() / last.sum())
    assert level.next == pytest.approx(last[order[beam]])
    followed = set(order[:beam].tolist())
    carried = {
        (middle, last): through
        for (middle, last), (through, _) in zip(
            every.endings.tolist(), every.carried.tolist(), strict=True
        )
        if last in followed
    }
    strongest_first = sorted(carried, key=lambda ending: -abs(carried[ending]))[:beam]
    assert {tuple(ending) for ending in found.endings.tolist()} == set(strongest_first)
    whole = {tuple(e): c for e, c in zip(every.endings.tolist(), every.contributions, strict=True)}
    for ending, values in zip(found.endings.tolist(), found.contributions, strict=True):
        np.testing.assert_allclose(values, whole[tuple(ending)], rtol=1e-9, atol=1e-12)


def test_given_edges_are_multiplied_along_every_path() -> None:
    rng = torch.Generator().manual_seed(3)
    first, second = torch.randn(4, 3, generator=rng), torch.randn(3, 5, generator=rng)
    weights, activation = torch.randn(5, generator=rng), torch.rand(4, generator=rng)
    found = search_edges([first, second], weights, activation, ALL)
    seen = set()
    for (v, u), values in zip(found.endings.tolist(), found.contributions.tolist(), strict=True):
        for w, value in enumerate(values):
            product = activation[w] * first[w, v] * second[v, u] * weights[u]
            assert value == pytest.approx(float(product), rel=1e-5)
            seen.add((w, v, u))
    assert len(seen) == 4 * 3 * 5


def test_equal_sizes_keep_their_order() -> None:
    values = torch.tensor([[1.0, -2.0, 0.0], [2.0, 1.0, -1.0]])
    assert strongest(values, 9).tolist() == [[0, 1], [1, 0], [0, 0], [1, 1], [1, 2]]
    assert strongest(values, 2).tolist() == [[0, 1], [1, 0]]


def test_a_block_that_is_not_piecewise_affine_is_refused() -> None:
    network = dataclasses.replace(random_network("factory"), module=Gated().eval())
    _, tail, source = prepare(network, 2, torch.float64)
    with pytest.raises(QueryError, match="does not add up"):
        account(tail, source, tail.head.weight[0].detach() * 100, tail.head.weight.new_zeros(()))
