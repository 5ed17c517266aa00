"""Exact decomposition at every length of path, against finite differences and plain slow sums."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conceptgraph.errors import QueryError
from conceptgraph.explain.decomposition import Decomposition, Downstream, decompose
from conceptgraph.explain.path_search import (
    measure_paths,
    search_edges,
    search_paths,
    strongest,
)
from conceptgraph.ingest.network.affine import affine_copy
from conceptgraph.ingest.network.forward import record_outputs
from tests.random_networks import KINDS, CustomNetwork, random_network

if TYPE_CHECKING:
    from conceptgraph.ingest.network.loading import Network

ALL = 10**9


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class Squared(CustomNetwork):
    """A last block that is no affine map at an image."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__(num_classes)
        self.layer3 = nn.Sequential(*self.layer3, Square())


def run_network(
    network: Network, length: int, dtype: torch.dtype
) -> tuple[Tensor, Downstream, Tensor]:
    """Logits of a random image; of the last `length` blocks, what follows the first; its output."""
    module = affine_copy(network.module).to(dtype)
    blocks = network.blocks[-length:]
    architecture = network.architecture
    first = architecture.stage(module, blocks[0])
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    with record_outputs({"first": first}) as outputs, torch.no_grad():
        logits = module(image)[0]
    *between, head = (architecture.segment(module, *step) for step in network.steps(blocks))
    downstream = Downstream(between, head)
    return logits, downstream, outputs["first"]


def decomposed(
    network: Network, length: int, dtype: torch.dtype = torch.float64, versus: int | None = None
) -> tuple[float, Downstream, Decomposition]:
    """The logit of class 1 (less that of another class), and its decomposition."""
    logits, downstream, activations = run_network(network, length, dtype)
    direction = torch.zeros_like(logits)
    direction[1] = 1
    if versus is not None:
        direction[versus] = -1
    return float(logits @ direction), downstream, decompose(downstream, activations, direction)


@cache
def small_network() -> Network:
    """A network with so few units that every path can be checked."""
    return random_network("factory", seed=5)


@pytest.mark.parametrize("kind", KINDS)
def test_paths_and_biases_are_the_logit_at_every_length(kind: str) -> None:
    network = random_network(kind)
    for length in range(1, len(network.blocks) + 1):
        for versus in (None, 2):
            for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
                logit, _, decomposition = decomposed(network, length, dtype, versus)
                amounts = float(decomposition.by_position.abs().double().sum())
                last = float(decomposition.by_last_unit.abs().sum())
                size = max(1.0, last, amounts)
                paths = float(decomposition.by_position.double().sum())
                assert abs(paths + decomposition.biases - logit) <= tolerance * size
                assert abs(decomposition.total - logit) <= tolerance * size
                assert abs(decomposition.biases) > 1e-3  # far from trivial


@pytest.mark.parametrize("kind", KINDS)
def test_all_paths_together_are_what_the_first_block_adds(kind: str) -> None:
    """Two blocks: every single path."""
    _, downstream, decomposition = decomposed(random_network(kind), 2)
    paths = search_paths(downstream, decomposition, ALL)
    size = float(decomposition.by_position.abs().sum())
    by_first_unit = decomposition.by_position.sum(dim=(1, 2))
    np.testing.assert_allclose(paths.contributions.sum(dim=0), by_first_unit, atol=1e-9 * size)


def test_longer_paths_add_up_to_the_unit_they_start_from() -> None:
    """Three blocks: every path there is, also those through a unit that adds nothing itself."""
    network = small_network()
    _, downstream, decomposition = decomposed(network, 3)
    paths = search_paths(downstream, decomposition, ALL)
    middle, last = len(decomposition.maps[1]), len(decomposition.maps[2])
    assert len(paths.suffixes) <= middle * last
    size = float(decomposition.by_position.abs().sum())
    by_first_unit = decomposition.by_position.sum(dim=(1, 2))
    np.testing.assert_allclose(paths.contributions.sum(dim=0), by_first_unit, atol=1e-9 * size)
    _, downstream, decomposition = decomposed(network, 2)
    shorter = search_paths(downstream, decomposition, ALL)
    rows = shorter.suffixes.squeeze(1).tolist()
    for (v, u), (contribution, _) in zip(
        paths.suffixes.tolist(), paths.suffix_contributions.tolist(), strict=True
    ):
        expected = float(shorter.contributions[rows.index(u), v])
        assert contribution == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_each_path_is_what_a_small_change_of_its_unit_does(kind: str) -> None:
    _, downstream, decomposition = decomposed(random_network(kind, seed=2), 2)
    paths = search_paths(downstream, decomposition, ALL)
    targets = paths.suffixes[:, 0]
    small_change = 1e-7
    for v in range(len(decomposition.maps[0])):
        maps = decomposition.maps[0].clone()
        maps[v] *= 1 + small_change
        with torch.no_grad():
            output = downstream.stages[0](maps.unsqueeze(0))[0]
        weights = decomposition.last_gradient
        slope = (weights * (output - decomposition.maps[1])).sum((1, 2)) / small_change
        np.testing.assert_allclose(paths.contributions[:, v], slope[targets], atol=1e-5, rtol=1e-5)


def test_a_longer_path_is_what_a_small_change_does_along_it() -> None:
    """A small change of the first unit, let through the path's units only."""
    _, downstream, decomposition = decomposed(small_network(), 3)
    paths = search_paths(downstream, decomposition, 20)
    small_change = 1e-6
    for row, first in strongest(paths.contributions, 10).tolist():
        middle, last = paths.suffixes[row].tolist()
        maps = decomposition.maps[0].clone()
        maps[first] *= 1 + small_change
        with torch.no_grad():
            patched = decomposition.maps[1].clone()
            patched[middle] = downstream.stages[0](maps.unsqueeze(0))[0, middle]
            output = downstream.stages[1](patched.unsqueeze(0))[0, last]
        change = float(
            (decomposition.last_gradient[last] * (output - decomposition.maps[2][last])).sum()
        )
        slope = change / small_change
        assert float(paths.contributions[row, first]) == pytest.approx(slope, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_measured_effects_are_those_of_patching_one_path_at_a_time(length: int) -> None:
    _, downstream, decomposition = decomposed(small_network(), length)
    search = search_paths(downstream, decomposition, 9)
    rows, firsts = strongest(search.contributions, 30).unbind(1)
    paths = search.paths(rows, firsts)
    effects = measure_paths(downstream, decomposition, paths)
    for path, effect in zip(paths.tolist(), effects.tolist(), strict=True):
        maps = decomposition.maps[0].clone()
        maps[path[0]] = 0
        for stage, unit, original in zip(
            downstream.stages, path[1:], decomposition.maps[1:], strict=True
        ):
            with torch.no_grad():
                output = stage(maps.unsqueeze(0))[0]
            maps = original.clone()
            maps[unit] = output[unit]
        last = path[-1]
        lost = decomposition.maps[-1][last] - maps[last]
        expected = float((decomposition.last_gradient[last] * lost).sum())
        assert effect == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("beam", [1, 3, 10])
def test_the_search_extends_the_suffixes_with_the_largest_contributions(beam: int) -> None:
    _, downstream, decomposition = decomposed(small_network(), 3)
    everything = search_paths(downstream, decomposition, ALL)
    search = search_paths(downstream, decomposition, beam)
    last = decomposition.by_last_unit.abs().numpy()
    order = np.argsort(-last, kind="stable")
    block = search.searched[0]
    assert (block.followed, block.of) == (min(beam, (last > 0).sum()), (last > 0).sum())
    assert block.share == pytest.approx(last[order[:beam]].sum() / last.sum())
    assert block.next == pytest.approx(last[order[beam]])
    followed = set(order[:beam].tolist())
    through = {
        (middle, last): contribution
        for (middle, last), (contribution, _) in zip(
            everything.suffixes.tolist(), everything.suffix_contributions.tolist(), strict=True
        )
        if last in followed
    }
    strongest_first = sorted(through, key=lambda suffix: -abs(through[suffix]))[:beam]
    assert {tuple(suffix) for suffix in search.suffixes.tolist()} == set(strongest_first)
    expected = {
        tuple(suffix): contributions
        for suffix, contributions in zip(
            everything.suffixes.tolist(), everything.contributions, strict=True
        )
    }
    for suffix, contributions in zip(search.suffixes.tolist(), search.contributions, strict=True):
        np.testing.assert_allclose(contributions, expected[tuple(suffix)], rtol=1e-9, atol=1e-12)


def test_given_edges_are_multiplied_along_every_path() -> None:
    rng = torch.Generator().manual_seed(3)
    first, second = torch.randn(4, 3, generator=rng), torch.randn(3, 5, generator=rng)
    weights, activation = torch.randn(5, generator=rng), torch.rand(4, generator=rng)
    search = search_edges([first, second], weights, activation, ALL)
    paths = set()
    for (v, u), values in zip(search.suffixes.tolist(), search.contributions.tolist(), strict=True):
        for w, value in enumerate(values):
            product = activation[w] * first[w, v] * second[v, u] * weights[u]
            assert value == pytest.approx(float(product), rel=1e-5)
            paths.add((w, v, u))
    assert len(paths) == 4 * 3 * 5


def test_equal_sizes_keep_their_order() -> None:
    values = torch.tensor([[1.0, -2.0, 0.0], [2.0, 1.0, -1.0]])
    assert strongest(values, 9).tolist() == [[0, 1], [1, 0], [0, 0], [1, 1], [1, 2]]
    assert strongest(values, 2).tolist() == [[0, 1], [1, 0]]


def test_a_block_that_is_no_affine_map_is_refused() -> None:
    network = dataclasses.replace(random_network("factory"), module=Squared().eval())
    _, downstream, activations = run_network(network, 2, torch.float64)
    direction = torch.tensor([100.0, 0, 0, 0, 0], dtype=torch.float64)
    with pytest.raises(QueryError, match="do not sum to the logit"):
        decompose(downstream, activations, direction)


def test_maps_may_have_three_grid_axes() -> None:
    """As those of a video network: (units, times, height, width)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        convolutions = [nn.Conv3d(a, b, 3, padding=1).double() for a, b in ((3, 4), (4, 5))]
        stages = [nn.Sequential(convolution, nn.ReLU()) for convolution in convolutions]
        linear = nn.Linear(5, 2).double()
        head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), linear)
        downstream = Downstream(stages, head)
        activations = torch.rand(1, 3, 4, 6, 5).double()
    decomposition = decompose(downstream, activations, torch.tensor([0.0, 1.0]).double())
    paths = search_paths(downstream, decomposition, ALL)
    size = float(decomposition.by_position.abs().sum())
    summed = float(paths.contributions.sum()) + decomposition.biases
    assert summed == pytest.approx(decomposition.total, abs=1e-9 * size)
    with torch.no_grad():
        logit = float(head(stages[1](stages[0](activations)))[0, 1])
    assert decomposition.total == pytest.approx(logit)
    cam = decomposition.class_activation
    assert cam.shape == (4, 6, 5)
    assert float(cam.mean()) + linear.bias[1].item() == pytest.approx(logit)
    units = paths.paths(*strongest(paths.contributions, 5).unbind(1))
    assert measure_paths(downstream, decomposition, units).shape == (5,)
