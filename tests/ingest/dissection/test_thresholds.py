"""Thresholds against sorting: the radix select, lower bounds, and the search over batches."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from conceptgraph.ingest.dissection import thresholds
from conceptgraph.ingest.dissection.activations import BatchCells, SparseActivations, calibrate
from conceptgraph.ingest.dissection.thresholds import (
    ERRORS,
    LARGEST_TAIL,
    TAILS,
    RadixSelect,
    UnitValues,
    lower_bounds,
    values_above,
)
from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.engine.scratch import DeviceCache
from conceptgraph.ingest.engine.workers import WorkerPool
from tests import reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CPU = torch.device("cpu")

anything = st.floats(0, width=32, allow_nan=False, allow_infinity=True)
few = st.sampled_from(np.array([0, 1e-45, 1e-40, 1, 1 + 2**-23, 3e38], np.float32).tolist())
tails = st.integers(1, 999_999).map(lambda millionths: millionths / 1_000_000)


def select(shards: Sequence[tuple[Tensor, Tensor]], units: int, rank: int) -> Tensor:
    """Find thresholds of (unit, values) shards, each seen by its own select; histograms add up."""
    selects = [RadixSelect(units, rank, CPU) for _ in shards]
    while not selects[0].done:
        for one, (unit, values) in zip(selects, shards, strict=True):
            near = one.wanted(UnitValues(unit, values))
            one.update(one.partial(UnitValues(unit[near], values[near])))
        total = sum((one.histogram for one in selects), torch.zeros((), dtype=torch.int64))
        for one in selects:
            one.histogram = total.clone()
            one.finish_round()
    for one in selects:
        torch.testing.assert_close(one.thresholds, selects[0].thresholds, rtol=0, atol=0)
    return selects[0].thresholds


def ranked(values: Sequence[float], rank: int) -> float:
    """Return the `rank`-th largest (0 = the largest), 0 where there are not so many."""
    return sorted(values, reverse=True)[rank] if rank < len(values) else 0.0


@given(
    units=st.lists(st.one_of(st.lists(anything), st.lists(few, max_size=60)), min_size=1),
    rank=st.integers(0, 70),
    shards=st.integers(1, 4),
)
def test_the_ranked_value_from_any_number_of_shards(
    units: list[list[float]], rank: int, shards: int
) -> None:
    unit = torch.tensor([k for k, values in enumerate(units) for _ in values], dtype=torch.int64)
    values = torch.tensor([value for values in units for value in values])
    parts = [(unit[i::shards], values[i::shards]) for i in range(shards)]
    found = select(parts, len(units), rank)
    assert found.tolist() == [ranked(values, rank) for values in units]


def test_neighbouring_floats_are_told_apart() -> None:
    start = int(np.float32(1.7).view(np.int32))
    values = torch.arange(start, start + 5000, dtype=torch.int32).view(torch.float32)
    unit = torch.zeros(5000, dtype=torch.int64)
    for rank in (0, 1, 2500, 4999):
        assert select([(unit, values)], 1, rank).item() == values[4999 - rank].item()


def test_positive_values_are_counted_once() -> None:
    search = RadixSelect(3, 0, CPU)
    while not search.done:
        values = UnitValues(torch.tensor([0, 2, 2]), torch.tensor([1.0, 2.0, 2.0]))
        assert search.wanted(values).all()
        search.update(search.partial(values))
        search.finish_round()
    assert search.counts.tolist() == [1, 0, 2]
    assert search.thresholds.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("quantile", "count", "above"),
    [(0.005, 200, 1), (0.005, 199, 0), (0.29, 100, 29), (0.1, 30, 3), (0.5, 3, 1), (0.005, 0, 0)],
)
def test_values_above(quantile: float, count: int, above: int) -> None:
    assert values_above(quantile, count) == above


@given(quantile=tails, values=st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_no_more_than_the_quantile_lies_above(quantile: float, values: list[int]) -> None:
    limit = reference.threshold(values, quantile)
    exceeding = sum(value > limit for value in values)
    assert exceeding <= values_above(quantile, len(values)) <= quantile * len(values) + 1e-9
    assert sorted(values)[-1 - values_above(quantile, len(values))] == limit


def safe_bound(maps: list[list[float]], quantile: float) -> float:
    """Compute one unit's bound from its values in each image, as it is defined."""
    positions = len(maps[0])
    ranked_values = sorted(((v, i) for i, values in enumerate(maps) for v in values), reverse=True)
    for tail in TAILS:
        if tail * quantile > LARGEST_TAIL or len(maps) == 1:
            break
        loud = ranked_values[: values_above(tail * quantile, len(ranked_values)) + 1]
        counts = [sum(image == i for _, image in loud) for i in range(len(maps))]
        error = statistics.stdev(counts) / math.sqrt(len(counts))
        if statistics.mean(counts) - ERRORS * error >= quantile * positions:
            return loud[-1][0]
    return 0


@pytest.mark.parametrize("quantile", [0.005, 0.05, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("shape", [(6, 7, 5, 4), (1, 3, 1, 1), (2, 1, 3, 3), (50, 3, 6, 5)])
def test_lower_bounds_are_safe_by_so_many_errors(shape: tuple[int, ...], quantile: float) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).relu()
    by_unit = maps.transpose(0, 1).flatten(2).tolist()
    exact = torch.tensor([safe_bound(unit, quantile) for unit in by_unit])
    expected = (exact * (1 - torch.finfo(torch.float32).eps)).tolist()
    last = maps.contiguous(memory_format=torch.channels_last)
    for chunk in (1, 2, 64):
        assert lower_bounds([maps[:1], maps[1:]], quantile, chunk).tolist() == expected
        assert lower_bounds([last], quantile, chunk, WorkerPool(CPU)).tolist() == expected
    assert all(expected <= reference.thresholds(maps.numpy(), quantile))
    if shape[0] == 50 and quantile in (0.05, 0.1):
        assert min(expected) > 0


def test_a_unit_that_fires_in_few_images_gets_a_lower_bound() -> None:
    steady = torch.rand((100, 1, 6, 6), generator=torch.Generator().manual_seed(0))
    rare = steady * (torch.arange(100) % 10 == 0).view(-1, 1, 1, 1) + 0.1 * steady
    above = [(maps > lower_bounds([maps], 0.02)).float().mean() for maps in (steady, rare)]
    assert 0.02 < above[0] < 0.035 < above[1]


def test_lower_bounds_of_half_precision_leave_what_is_equal_to_them() -> None:
    maps = torch.rand((40, 3, 6, 6), generator=torch.Generator().manual_seed(0)).bfloat16()
    maps = (maps * 8).round() / 8  # nine different values
    lower = lower_bounds([maps], 0.05)
    assert torch.equal(lower.bfloat16().float(), lower)
    thresholds = torch.tensor(reference.thresholds(maps.float().numpy(), 0.05))
    assert (lower < thresholds).all()
    assert (lower > 0.8 * thresholds).all()


def test_lower_bounds_are_never_negative() -> None:
    assert lower_bounds([-torch.ones(2, 3, 4, 4)], 0.1).tolist() == [0, 0, 0]


class Passes:
    """Stores the sparse activations of one block's maps, in as many passes as they ask for."""

    def __init__(
        self, folder: Path, maps: Tensor, size: int, quantile: float, fit: Tensor | None = None
    ) -> None:
        self.number = 0
        self._quantile = quantile
        self._fit = torch.ones(len(maps), dtype=torch.bool) if fit is None else fit
        self._parts = torch.split(maps, size)
        self.activations = SparseActivations(folder, DeviceCache(0), quantile, self._fit, size, CPU)

    def __call__(self) -> Iterator[tuple[int, dict[str, BatchCells]]]:
        self.number += 1
        for batch, part in enumerate(self._parts):
            yield batch, self.activations.partial(batch, {"block1": part})

    def run(self, calibration_images: int) -> SparseActivations:
        number = max(1, -(-calibration_images // len(self._parts[0])))
        batches = [{"block1": part} for part in self._parts[:number]]
        self.activations.start(calibrate(batches, self._fit, self._quantile))
        for batch, cells in self():
            self.activations.update(batch, cells)
        numbers = range(len(self._parts))
        self.activations.find_thresholds(numbers, WorkerPool(CPU), ProcessGroup(), self)
        return self.activations


def fading_maps(images: int = 12, units: int = 9) -> Tensor:
    """Draw maps whose first images are by far the strongest: they promise too much.

    Unit 1 is dead, unit 2 fires at one position, unit 3 is the same everywhere, unit 4 is loud only
    at the end.
    """
    maps = torch.randn(images, units, 5, 6, generator=torch.Generator().manual_seed(1)).relu()
    maps *= torch.logspace(3, 0, images).view(-1, 1, 1, 1)
    maps[:, 1:3] = 0
    maps[4, 2, 3, 3] = 1
    maps[:, 3] = 2
    maps[:, 4] = maps[:, 4].flip(0)
    return maps


@pytest.mark.parametrize("errors", [ERRORS, -1000])
@pytest.mark.parametrize("quantile", [0.01, 0.1, 0.4])
@pytest.mark.parametrize(
    ("size", "calibration_images"), [(1, 1), (1, 2), (5, 1), (4, 8), (12, 128)]
)
def test_thresholds_are_exact_whatever_calibration_promised(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quantile: float,
    size: int,
    calibration_images: int,
    errors: float,
) -> None:
    monkeypatch.setattr(thresholds, "ERRORS", errors)
    maps = fading_maps()
    passes = Passes(tmp_path, maps, size, quantile)
    found = passes.run(calibration_images)
    if errors < 0 and calibration_images == 2 and quantile == 0.1:
        assert passes.number == 2  # or this test would show nothing
    expected = reference.thresholds(maps.numpy(), quantile)
    assert found.thresholds("block1").tolist() == expected.tolist()
    assert found.active("block1").tolist() == maps.amax((0, 2, 3)).gt(0).tolist()
    for batch, part in enumerate(torch.split(maps, size)):
        check_cells(found, batch, part)
    found.close()
    assert list(tmp_path.iterdir()) == []


def test_only_blocks_with_a_wrong_bound_are_stored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "ERRORS", -1000)
    steady = torch.ones(12, 2, 3, 4)
    maps = {"block1": steady, "block2": fading_maps(), "block3": steady}
    passes = Passes(tmp_path, maps["block2"], 2, 0.1)
    activations = passes.activations
    batches = [{name: part[2 * n : 2 * n + 2] for name, part in maps.items()} for n in range(6)]
    activations.start(calibrate(batches[:1], torch.ones(12, dtype=torch.bool), 0.1))
    for number, batch in enumerate(batches):
        activations.update(number, activations.partial(number, batch))
    asked: list[tuple[str, ...]] = []

    def repeat() -> Iterator[tuple[int, dict[str, BatchCells]]]:
        asked.append(activations.wanted)
        for number, batch in enumerate(batches):
            yield number, activations.partial(number, {"block2": batch["block2"]})

    activations.find_thresholds(range(6), WorkerPool(CPU), ProcessGroup(), repeat)
    assert asked == [("block2",)]
    assert {block: len(parts) for block, parts in activations.parts.items()} == {
        "block1": 1,
        "block2": 2,
        "block3": 1,
    }
    for block, block_maps in maps.items():
        expected = reference.thresholds(block_maps.numpy(), 0.1)
        assert activations.thresholds(block).tolist() == expected.tolist()


def check_cells(found: SparseActivations, batch: int, maps: Tensor) -> None:
    """Check that the cells above the thresholds are those of the maps, each once."""
    cells, grid = found.cells("block1", batch), found.grid("block1")
    assert len(set(cells.where.tolist())) == len(cells.where)
    thresholds_of_units = found.thresholds("block1")
    assert (cells.corners.amax(1) > thresholds_of_units[cells.where % grid.units]).all()
    loud = (maps > thresholds_of_units.view(-1, 1, 1)).any(3).any(2).nonzero().tolist()
    owners = {(int(w) // grid.cells, int(w) % grid.units) for w in cells.where}
    assert owners == {(image, unit) for image, unit in loud}


@pytest.mark.parametrize("calibration_images", [1, 6])
def test_only_the_images_that_fit_decide(tmp_path: Path, calibration_images: int) -> None:
    maps = fading_maps()
    found = Passes(tmp_path, maps, 3, 0.1, torch.arange(12) < 5).run(calibration_images)
    expected = reference.thresholds(maps[:5].numpy(), 0.1)
    assert found.thresholds("block1").tolist() == expected.tolist()
    for batch, part in enumerate(torch.split(maps, 3)):
        check_cells(found, batch, part)
