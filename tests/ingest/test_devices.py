"""Work on a GPU mixes no devices: seen without one, by torch's fake tensors that know theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from conceptgraph.ingest.concept_data.images import normalise
from conceptgraph.ingest.dissection.bounds import (
    LOOK_AFTER,
    LOOK_EVERY,
    RunningBounds,
    lower_bounds,
)
from conceptgraph.ingest.dissection.cells import find_cells
from conceptgraph.ingest.dissection.thresholds import RadixSelect, UnitValues
from conceptgraph.ingest.engine.tensors import bincount
from conceptgraph.ingest.statistics import block_probes, center_bias
from conceptgraph.ingest.statistics.batch_labels import BatchLabels
from conceptgraph.ingest.statistics.block_probes import BlockProbes
from conceptgraph.ingest.statistics.center_bias import CenterBias, box_areas, labelled_inside
from conceptgraph.ingest.statistics.label_statistics import image_level_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES, UNITS, CONCEPTS, CATEGORIES, SIDE = 4, 8, 5, 2, 7
EQUAL_ROWS = {(True, False): torch.tensor([0, 2]), (True, True): torch.tensor([1, 3])}


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    with FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True):
        yield torch.device("cuda")
    for cached in (center_bias.box_areas, center_bias._smallest_box):
        cached.cache_clear()  # they have no values


def maps(gpu: torch.device) -> torch.Tensor:
    return torch.rand(IMAGES, UNITS, SIDE, SIDE, device=gpu)


def labels(gpu: torch.device) -> BatchLabels:
    return BatchLabels(
        torch.arange(IMAGES),
        torch.zeros(2, IMAGES * 64, dtype=torch.int32, device=gpu),
        torch.zeros(IMAGES, CONCEPTS, dtype=torch.float64, device=gpu),
        torch.zeros(IMAGES, CONCEPTS, dtype=torch.bool, device=gpu),
        torch.ones(IMAGES, CATEGORIES, dtype=torch.float64),
        torch.ones(IMAGES, CATEGORIES, dtype=torch.float64),
        torch.arange(IMAGES) % 2 > 0,
        None,
        None,
        8,
        8,
    )


def test_a_mixture_is_seen(gpu: torch.device) -> None:
    with pytest.raises(RuntimeError, match="device"):
        maps(gpu) + torch.ones(UNITS, SIDE, SIDE)


def test_input_of_a_network(gpu: torch.device) -> None:
    pixels = torch.zeros(2, 5, 6, 3, dtype=torch.uint8, device=gpu)
    found = normalise(pixels, (0.1, 0.2, 0.3), (1, 2, 3))
    assert (found.device.type, found.shape) == ("cuda", (2, 3, 5, 6))


def test_cells_and_thresholds(gpu: torch.device) -> None:
    running = RunningBounds(lower_bounds([maps(gpu), maps(gpu)], 0.01), 0.01, SIDE * SIDE)
    cells, above = find_cells(maps(gpu), running.now)
    select = RadixSelect(UNITS, 3, gpu)
    select.update(select.partial(UnitValues(above.unit, above.value)))
    for _ in range(LOOK_EVERY):
        running.update(LOOK_AFTER, select)
    select.finish_round()
    found = (*running.first, running.now, *cells, *above, select.histogram)
    assert {each.device.type for each in found} == {"cuda"}


def test_presence_probes(gpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        block_probes, "_group_equal_rows", lambda _: EQUAL_ROWS
    )  # fake tensors have no values
    probes = BlockProbes(UNITS, torch.zeros(CONCEPTS, dtype=torch.int64, device=gpu), seed=0)
    sums = probes.sums(maps(gpu), [labels(gpu)], 0)
    probes.add_sums(sums)
    assert {each.device.type for each in (sums.products, *sums.squares.values())} == {"cuda"}
    probes._solved = torch.zeros(CONCEPTS, UNITS + 1, dtype=torch.float64, device=gpu)
    positions = probes.positions(maps(gpu), [labels(gpu)], 1)
    assert probes.scores(positions, 4).device.type == "cuda"


def test_boxes_in_the_middle(gpu: torch.device) -> None:
    category = torch.zeros(CONCEPTS, dtype=torch.int64, device=gpu)
    boxes = CenterBias(category, CATEGORIES, "paper")
    label_maps = torch.zeros(2, IMAGES, 9, 9, dtype=torch.int32, device=gpu)
    inside = labelled_inside(label_maps, CONCEPTS)
    inside += image_level_labels([], CONCEPTS, gpu).long().sum(dim=0)
    boxes.update(
        boxes.partial(inside, box_areas(9, 9, inside.device), boxes.has_category(inside[:, -1]))
    )
    assert {counts.device.type for counts in boxes.counts} == {"cuda"}


def test_occurrences(gpu: torch.device) -> None:
    numbers = torch.zeros(100, dtype=torch.int32, device=gpu)
    assert bincount(numbers, 7).shape == (7,)
