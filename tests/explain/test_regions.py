"""Regions and flows: exact sums, against plain slow ones, for every kind of network and length."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from conceptgraph.explain.decomposition import Decomposition, Downstream, decompose, evidence_maps
from conceptgraph.explain.flows import FlowNode, concept_flows, concept_paths
from conceptgraph.explain.places import region_places
from conceptgraph.explain.presence import ConceptName
from conceptgraph.explain.regions import Partition, partitions, region_evidence
from tests.explain.test_decomposition import decomposed, run_network
from tests.random_networks import KINDS, random_network

CONCEPTS = tuple(
    ConceptName(name, category)
    for category, names in (("object", "abc"), ("texture", "de"), ("color", "f"))
    for name in names
)


def random_partitions(decomposition: Decomposition, seed: int = 0) -> list[tuple[Partition, ...]]:
    """Where concepts are found at each block: at random, some nowhere, some together."""
    generator = torch.Generator().manual_seed(seed)
    return [
        partitions(CONCEPTS, torch.rand(len(CONCEPTS), *maps.shape[1:], generator=generator) < 0.4)
        for maps in decomposition.maps
    ]


def setting(
    kind: str, length: int, versus: int | None = None
) -> tuple[list[str], Downstream, Decomposition, list[tuple[Partition, ...]]]:
    network = random_network(kind)
    _, downstream, decomposition = decomposed(network, length, versus=versus)
    blocks = list(network.blocks[-length:])
    return blocks, downstream, decomposition, random_partitions(decomposition)


@pytest.mark.parametrize("versus", [None, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_regions_of_each_category_and_biases_are_the_logit(kind: str, versus: int | None) -> None:
    length = len(random_network(kind).blocks)
    blocks, _, decomposition, divided = setting(kind, length, versus)
    for number, block in enumerate(blocks):
        regions = region_evidence(block, divided[number], decomposition.evidence(number), {})
        for category in ("object", "texture", "color"):
            rows = [region for region in regions if region.category == category]
            assert rows[-1].name is None
            total = sum(row.evidence for row in rows) + decomposition.biases_after[number]
            assert total == pytest.approx(decomposition.total, abs=1e-9)


@pytest.mark.parametrize("versus", [None, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_flows_of_any_two_categories_and_biases_are_the_logit(
    kind: str, versus: int | None
) -> None:
    length = len(random_network(kind).blocks)
    blocks, downstream, decomposition, divided = setting(kind, length, versus)
    for number in range(length - 1):
        flows = concept_flows(downstream, decomposition, blocks, number, divided)
        for source, target in product(("object", "texture", "color"), repeat=2):
            rows = [f for f in flows if (f.source.category, f.target.category) == (source, target)]
            total = sum(row.evidence for row in rows) + decomposition.biases_after[number]
            assert total == pytest.approx(decomposition.total, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_concept_paths_of_every_length_and_biases_are_the_logit(kind: str) -> None:
    for length in range(1, len(random_network(kind).blocks) + 1):
        blocks, downstream, decomposition, divided = setting(kind, length)
        for category, beam in product((0, 1), (1, 2, 100)):
            parts = [block[category] for block in divided]
            paths = concept_paths(downstream, decomposition, blocks, parts, beam)
            total = sum(path.evidence for path in paths) + decomposition.biases
            assert total == pytest.approx(decomposition.total, abs=1e-9)


def test_a_flow_is_the_plain_sum_over_units_and_positions() -> None:
    blocks, downstream, decomposition, divided = setting("factory", 2)
    stage, maps = downstream.stages[0], decomposition.maps[0]
    flows = concept_flows(downstream, decomposition, blocks, 0, divided)
    amounts = {(flow.source, flow.target): flow.evidence for flow in flows}
    leaf = maps.unsqueeze(0).clone().requires_grad_()
    output = stage(leaf)[0]
    target, source = divided[1][0], divided[0][1]
    expected = np.zeros((len(source.names), len(target.names)))
    for unit, row, column in product(*map(range, output.shape)):
        (jacobian,) = torch.autograd.grad(output[unit, row, column], leaf, retain_graph=True)
        reached = jacobian[0] * maps * decomposition.gradients[1][unit, row, column]
        from_regions = source.weights @ reached.sum(dim=0).flatten()
        to_regions = target.weights[:, row * output.shape[2] + column]
        expected += np.outer(from_regions.numpy(), to_regions.numpy())
    for (i, name), (j, other) in product(enumerate(source.names), enumerate(target.names)):
        key = FlowNode(blocks[0], "texture", name), FlowNode(blocks[1], "object", other)
        assert amounts[key] == pytest.approx(expected[i, j], abs=1e-10)


def test_concept_paths_of_two_blocks_are_flows() -> None:
    blocks, downstream, decomposition, divided = setting("basic", 2)
    parts = [divided[0][0], divided[1][0]]
    paths = concept_paths(downstream, decomposition, blocks, parts, 100)
    flows = concept_flows(downstream, decomposition, blocks, 0, divided)
    amounts: dict[tuple[FlowNode | None, ...], float] = {}
    amounts = {(f.source, f.target): f.evidence for f in flows}
    assert len(paths) == len(parts[0].names) * len(parts[1].names)
    for path in paths:
        assert path.evidence == pytest.approx(amounts[path.nodes], abs=1e-12)


def test_positions_that_concepts_share_are_divided_among_them() -> None:
    found = torch.tensor([[True, True, False, False], [True, False, False, False], [False] * 4])
    (objects,) = partitions(CONCEPTS[:3], found.view(3, 2, 2))
    assert objects.names == ("a", "b", None)
    assert objects.weights.tolist() == [[0.5, 1, 0, 0], [0.5, 0, 0, 0], [0, 0, 1, 1]]
    assert objects.coverage == (0.5, 0.25, 0.5)


def test_evidence_of_a_batch_is_that_of_each_image() -> None:
    network = random_network("basic")
    _, downstream, activations = run_network(network, 3, torch.float64)
    batch = torch.cat([activations, activations.flip(-1) * 2])
    directions = torch.eye(5, dtype=torch.float64)[[1, 3]]
    maps = downstream.maps(batch.requires_grad_())
    evidence = evidence_maps((directions * downstream.head(maps[-1])).sum(), maps)
    for image, direction in enumerate(directions):
        one = decompose(downstream, batch[image : image + 1], direction)
        for number, block_maps in enumerate(evidence):
            expected: Tensor = one.evidence(number)
            torch.testing.assert_close(block_maps[image], expected, rtol=0, atol=1e-12)


def test_places_name_the_units_that_carry_a_region_and_the_rest() -> None:
    blocks, _, decomposition, divided = setting("basic", 2)
    amounts = decomposition.gradients[0] * decomposition.maps[0]
    places = region_places(blocks[0], divided[0], amounts)
    regions = region_evidence(blocks[0], divided[0], decomposition.evidence(0), {})
    assert [(node.category, node.name) for node in places] == [
        (region.category, region.name) for region in regions
    ]
    for region, (node, place) in zip(regions, places.items(), strict=True):
        carried = sum(unit.evidence for unit in place.carriers)
        assert carried + place.others == pytest.approx(region.evidence, abs=1e-9)
        part = next(p for p in divided[0] if p.category == node.category)
        weights = part.weights[part.names.index(node.name)]
        assert place.mask.ravel().tolist() == (weights > 0).tolist()
        by_unit = (amounts.flatten(1).double() @ weights).abs()
        strongest = [int(unit.unit.split("/")[1]) for unit in place.carriers]
        assert strongest == by_unit.argsort(descending=True)[: len(strongest)].tolist()
