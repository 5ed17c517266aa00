"""Lower bounds, and thresholds that are exact whatever they promised, against plain loops."""

from __future__ import annotations

import dataclasses
import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from conceptgraph.ingest.dissection import bounds
from conceptgraph.ingest.dissection.activations import (
    BatchCells,
    Calibration,
    SparseActivations,
    calibrate,
)
from conceptgraph.ingest.dissection.bounds import (
    ERRORS,
    FURTHER,
    LARGEST_TAIL,
    TAILS,
    lower_bounds,
)
from conceptgraph.ingest.dissection.thresholds import values_above
from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.engine.scratch import DeviceCache
from conceptgraph.ingest.engine.workers import WorkerPool
from tests import reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CPU = torch.device("cpu")


def safe_bounds(maps: list[list[float]], quantile: float) -> tuple[float, float]:
    """Compute one unit's bounds from its values in each image, as they are defined."""
    positions = len(maps[0])
    ranked_values = sorted(((v, i) for i, values in enumerate(maps) for v in values), reverse=True)
    tails = [tail for tail in TAILS if tail * quantile <= LARGEST_TAIL]
    for tail in tails if len(maps) > 1 else []:
        loud = ranked_values[: values_above(tail * quantile, len(ranked_values)) + 1]
        counts = [sum(image == i for _, image in loud) for i in range(len(maps))]
        error = statistics.stdev(counts) / math.sqrt(len(counts))
        if statistics.mean(counts) - ERRORS * error >= quantile * positions:
            further = [later for later in tails if later >= FURTHER * tail]
            last = values_above(further[0] * quantile, len(ranked_values)) if further else -1
            return loud[-1][0], ranked_values[last][0] if further else 0
    return 0, 0


@pytest.mark.parametrize("quantile", [0.005, 0.05, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("shape", [(6, 7, 5, 4), (1, 3, 1, 1), (2, 1, 3, 3), (50, 3, 6, 5)])
def test_lower_bounds_are_safe_by_so_many_errors(shape: tuple[int, ...], quantile: float) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).relu()
    by_unit = maps.transpose(0, 1).flatten(2).tolist()
    exact = torch.tensor([safe_bounds(unit, quantile) for unit in by_unit])
    expected, fallback = (exact * (1 - torch.finfo(torch.float32).eps)).T.tolist()
    last = maps.contiguous(memory_format=torch.channels_last)
    for chunk in (1, 2, 64):
        for found in (
            lower_bounds([maps[:1], maps[1:]], quantile, chunk),
            lower_bounds([last], quantile, chunk, WorkerPool(CPU)),
        ):
            assert [found.lower.tolist(), found.fallback.tolist()] == [expected, fallback]
    assert all(expected <= reference.thresholds(maps.numpy(), quantile))
    assert all(low <= first for low, first in zip(fallback, expected, strict=True))
    if shape[0] == 50 and quantile in (0.05, 0.1):
        assert min(expected) > 0


def test_a_unit_that_fires_in_few_images_gets_a_lower_bound() -> None:
    steady = torch.rand((100, 1, 6, 6), generator=torch.Generator().manual_seed(0))
    rare = steady * (torch.arange(100) % 10 == 0).view(-1, 1, 1, 1) + 0.1 * steady
    above = [(maps > lower_bounds([maps], 0.02).lower).float().mean() for maps in (steady, rare)]
    assert 0.02 < above[0] < 0.04 < above[1]


def test_lower_bounds_of_half_precision_leave_what_is_equal_to_them() -> None:
    maps = torch.rand((40, 3, 6, 6), generator=torch.Generator().manual_seed(0)).bfloat16()
    maps = (maps * 8).round() / 8  # nine different values
    lower = lower_bounds([maps], 0.05).lower
    assert torch.equal(lower.bfloat16().float(), lower)
    thresholds = torch.tensor(reference.thresholds(maps.float().numpy(), 0.05))
    assert (lower < thresholds).all()
    assert (lower > 0.8 * thresholds).all()


def test_lower_bounds_are_never_negative() -> None:
    assert lower_bounds([-torch.ones(2, 3, 4, 4)], 0.1).lower.tolist() == [0, 0, 0]


class Passes:
    """Stores the sparse activations of blocks' maps, in as many passes as they ask for.

    Attributes:
        numbers: of its batches.
        group: the rank that has them.
        repeated: batch numbers that were asked for once more, and of which blocks.
        cells: stored in all.
    """

    def __init__(
        self,
        folder: Path,
        maps: dict[str, Tensor],
        size: int,
        quantile: float,
        fit: Tensor | None = None,
    ) -> None:
        images = len(next(iter(maps.values())))
        fit = torch.ones(images, dtype=torch.bool) if fit is None else fit
        self.maps, self._size = maps, size
        self.numbers = range(-(-images // size))
        self.group = ProcessGroup()
        self.activations = SparseActivations(folder, DeviceCache(0), quantile, fit, size, CPU)
        self.repeated: list[tuple[int, tuple[str, ...]]] = []
        self.cells = 0

    def batch(self, number: int) -> dict[str, Tensor]:
        start = number * self._size
        return {name: maps[start : start + self._size] for name, maps in self.maps.items()}

    def calibrate(self, numbers: list[int]) -> dict[str, Calibration]:
        fit = [self.activations.fit_of(number) for number in numbers]
        batches = [self.batch(number) for number in numbers]
        return calibrate(batches, fit, self.activations.quantile)

    def run(
        self, calibrations: dict[str, Calibration], resume_after: int | None = None
    ) -> SparseActivations:
        self.activations.start(calibrations)
        for number in self.numbers:
            cells = self.activations.partial(number, self.batch(number))
            self.cells += sum(len(part.cells.where) for part in cells.values())
            self.activations.update(number, cells)
            if number == resume_after:
                self.activations.load_state_dict(self.activations.state_dict())
        self.activations.find_thresholds(self.numbers, WorkerPool(CPU), self.group, self.repeat)
        return self.activations

    def repeat(self) -> Iterator[tuple[int, dict[str, BatchCells]]]:
        for number in self.numbers:
            missed = self.activations.missed(number)
            if missed:
                self.repeated.append((number, missed))
                batch = self.batch(number)
                maps = {name: batch[name] for name in missed}
                yield number, self.activations.partial(number, maps)

    def check(self, quantile: float, fit: Tensor | None = None) -> None:
        """Compare thresholds, dead units, and cells above the thresholds with plain loops."""
        found = self.activations
        for name, maps in self.maps.items():
            fitted = maps if fit is None else maps[fit]
            expected = reference.thresholds(fitted.float().numpy(), quantile)
            assert found.thresholds(name).tolist() == expected.tolist()
            assert found.active(name).tolist() == fitted.amax((0, 2, 3)).gt(0).tolist()
            for number in self.numbers:
                check_cells(found, name, number, self.batch(number)[name])


def check_cells(found: SparseActivations, block: str, batch: int, maps: Tensor) -> None:
    """Check that the cells above the thresholds are those of the maps, each once."""
    cells, grid = found.cells(block, batch), found.grid(block)
    assert len(set(cells.where.tolist())) == len(cells.where)
    thresholds = found.thresholds(block)
    assert (cells.corners.amax(1) > thresholds[cells.where % grid.units]).all()
    loud = (maps > thresholds.view(-1, 1, 1)).any(3).any(2).nonzero().tolist()
    owners = {(int(w) // grid.cells, int(w) % grid.units) for w in cells.where}
    assert owners == {(image, unit) for image, unit in loud}


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
@pytest.mark.parametrize(("size", "calibration"), [(1, [0]), (1, [0, 1]), (5, [0]), (4, [0, 2])])
@pytest.mark.parametrize("look", [False, True])
def test_thresholds_are_exact_whatever_calibration_promised(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quantile: float,
    size: int,
    calibration: list[int],
    errors: float,
    look: bool,
) -> None:
    monkeypatch.setattr(bounds, "ERRORS", errors)
    if look:
        monkeypatch.setattr(bounds, "LOOK_EVERY", 1)
        monkeypatch.setattr(bounds, "LOOK_AFTER", 1)
    passes = Passes(tmp_path, {"block1": fading_maps()}, size, quantile)
    found = passes.run(passes.calibrate(calibration), resume_after=2)
    if errors < 0 and calibration == [0, 1] and quantile == 0.1:
        assert passes.repeated  # or this test would show nothing
    passes.check(quantile)
    found.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("calibration", [[0], [0, 1]])
def test_only_the_images_that_fit_decide(tmp_path: Path, calibration: list[int]) -> None:
    fit = torch.arange(12) < 5
    passes = Passes(tmp_path, {"block1": fading_maps()}, 3, 0.1, fit)
    passes.run(passes.calibrate(calibration))
    passes.check(0.1, fit)


def drawn_maps(dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(120, 16, 6, 6, generator=generator).relu().to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("look_after", "again"), [(16, range(4, 15)), (1000, [30])])
def test_a_wrong_bound_costs_its_block_and_the_batches_until_it_is_noticed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    look_after: int,
    again: Sequence[int],
) -> None:
    monkeypatch.setattr(bounds, "LOOK_AFTER", look_after)
    maps = {f"block{number}": drawn_maps(dtype, number) for number in (1, 2, 3)}
    passes = Passes(tmp_path, maps, 4, 0.05)
    calibrations = passes.calibrate([2, 7, 12, 17, 22, 27])
    calibrations["block2"].bounds.lower[3] *= 2
    passes.run(calibrations)
    passes.check(0.05)
    numbers = [number for number, _ in passes.repeated]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) in again
    assert {missed for _, missed in passes.repeated} == {("block2",)}


@dataclass(frozen=True)
class ThreadRank(ProcessGroup):
    """A rank that is a thread: it leaves its values where the others find them."""

    values: dict[int, Any] = field(default_factory=dict)
    turn: Barrier = field(default_factory=lambda: Barrier(2))

    def all_gather(self, value: Any) -> list[Any]:
        self.values[self.rank] = value
        self.turn.wait(60)
        gathered = [self.values[rank] for rank in range(self.world_size)]
        self.turn.wait(60)
        return gathered

    def all_reduce(self, values: Tensor) -> Tensor:
        return torch.stack(self.all_gather(values)).sum(dim=0)


def test_ranks_find_the_same_where_one_has_a_wrong_bound(tmp_path: Path) -> None:
    maps = {"block1": drawn_maps(), "block2": drawn_maps(seed=1)}
    first = ThreadRank(0, 2)
    second = dataclasses.replace(first, rank=1)
    ranks = []
    for group in (first, second):
        passes = Passes(tmp_path / str(group.rank), maps, 4, 0.05)
        passes.group, passes.numbers = group, range(group.rank, 30, 2)
        ranks.append(passes)

    def run(passes: Passes) -> None:
        calibrations = passes.calibrate([5, 15, 25])
        if passes.group.rank:
            calibrations["block2"].bounds.lower[3] *= 2
        passes.run(calibrations)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, ranks))
    for passes in ranks:
        passes.check(0.05)
    assert not ranks[0].repeated
    assert ranks[1].repeated


def test_bounds_rise_with_what_is_certain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = []
    for look_every in (2, 1000):
        monkeypatch.setattr(bounds, "LOOK_EVERY", look_every)
        passes = Passes(tmp_path, {"block1": drawn_maps()}, 4, 0.02)
        passes.run(passes.calibrate([5, 15, 25]))
        passes.check(0.02)
        assert not passes.repeated
        cells.append(passes.cells)
    assert cells[0] < 0.8 * cells[1]
