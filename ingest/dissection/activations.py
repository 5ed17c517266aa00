"""The sparse activations of all blocks: what the forward pass stores, and the exact thresholds.

    1. calibrate    some images give a safe lower bound of every unit's threshold (`bounds`)
    2. store        one forward pass of all images; of every map only the cells above the bound are
                    stored, in scratch files, and the values above it go to the first radix round;
                    meanwhile bounds rise and fall
    3. thresholds   two more radix rounds over the stored values. Of values stored above too high
                    bounds the radix select finds too low a threshold: where it lies below the
                    bound of a batch, this batch is stored again above it, in a pass up to the
                    block, and the search repeated. All others are exact

All statistics are integers or order statistics: the result does not depend on how often, where or
in what order the batches are processed, nor on the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ...errors import ConceptGraphError
from ..engine.tensors import divide, select_images
from .bounds import LowerBounds, RunningBounds, lower_bounds
from .cell_file import CellFile
from .cells import Cells, Grid, Values, cells_above, find_cells, native_values, select_cells
from .thresholds import RadixSelect, UnitValues, values_above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..engine.scratch import DeviceCache
    from ..engine.workers import WorkerPool

    Maps = Mapping[str, Tensor]


class Calibration(NamedTuple):
    """What a sample of images says of a block.

    Attributes:
        grid: shape of its maps.
        bounds: lower bounds of the thresholds.
    """

    grid: Grid
    bounds: LowerBounds


def calibrate(
    batches: Sequence[Maps],
    fit: Sequence[Tensor],
    quantile: float,
    pool: WorkerPool | None = None,
) -> dict[str, Calibration]:
    """Compute lower bounds of all units' thresholds from some batches (step 1).

    Args:
        batches: block outputs of each.
        fit: of each, bool (images,), which images fit the thresholds; on the CPU.
        quantile: wanted tail.
        pool: to work on several chunks of units at once.
    """
    calibrations = {}
    rows = [flags.nonzero().squeeze(1) for flags in fit]
    for block, first in batches[0].items():
        sample = [select_images(maps[block], r) for maps, r in zip(batches, rows, strict=True)]
        bounds = lower_bounds(sample, quantile, pool=pool)
        calibrations[block] = Calibration(Grid.of(first), bounds)
    return calibrations


class BatchCells(NamedTuple):
    """What is stored of one block's maps of one batch.

    Attributes:
        cells: those above the lower bound.
        counters: of the values above it, as `RadixSelect.partial` gives them.
        lower: float32 (units,), the bound; infinite for units not stored.
    """

    cells: Cells
    counters: Tensor
    lower: Tensor


@dataclass
class StoredCells:
    """Cells of one block, and above which bounds they were stored.

    Attributes:
        file: the cells, one entry per batch.
        lower: float32 (units,) by batch; infinite for units of which another part has the cells.
    """

    file: CellFile
    lower: dict[int, Tensor] = field(default_factory=dict)

    def append(self, batch: int, partial: BatchCells) -> None:
        """Store one more batch."""
        self.file.append(batch, partial.cells)
        self.lower[batch] = partial.lower


@dataclass
class BlockActivations:
    """What is stored of one block.

    Attributes:
        grid: shape of its maps.
        bounds: above which cells are stored.
        select: the search for the thresholds.
        parts: the cells; where batches had to be stored again, in a second part.
        again: by batch that has to be, the bounds above which; as `StoredCells.lower`.
    """

    grid: Grid
    bounds: RunningBounds
    select: RadixSelect
    parts: list[StoredCells]
    again: dict[int, Tensor] = field(default_factory=dict)

    def partial(self, batch: int, maps: Tensor, fit: Tensor) -> BatchCells:
        """Find what to store of a batch; `fit`, bool (images,), marks images for thresholds."""
        lower = self.again.get(batch, self.bounds.now)
        cells, above = find_cells(maps, lower)
        return BatchCells(cells, self._counters(above, fit), lower)

    def update(self, batch: int, partial: BatchCells, fit: Tensor) -> None:
        """Store one more batch, in the pass of all images."""
        self.parts[0].append(batch, partial)
        self.select.update(partial.counters)
        self.bounds.update(int(fit.sum()), self.select)

    def counters(self, batch: int, fit: Tensor, device: torch.device) -> list[Tensor]:
        """Return the counters of the stored values of a batch, for this radix round."""
        return [
            self._stored_counters(part.file.read(batch, device), part.lower[batch], fit)
            for part in self.parts
            if batch in part.lower
        ]

    def _stored_counters(self, cells: Cells, lower: Tensor, fit: Tensor) -> Tensor:
        unit, value = divide(cells.where, self.grid.units)[1], cells.corners[:, 3]
        wanted = self.select.wanted(UnitValues(unit, value))
        wanted &= value > lower.index_select(0, unit)
        cells = select_cells(cells, wanted.nonzero().squeeze(1))
        return self._counters(native_values(cells, self.grid), fit)

    def _counters(self, above: Values, fit: Tensor) -> Tensor:
        if fit.all():
            return self.select.partial(UnitValues(above.unit, above.value))
        fit = fit.to(above.image.device, non_blocking=True)
        rows = fit.index_select(0, above.image).nonzero().squeeze(1)
        values = UnitValues(above.unit.index_select(0, rows), above.value.index_select(0, rows))
        return self.select.partial(values)

    def find_missed(self, group: ProcessGroup) -> bool:
        """Find the batches of this rank to store `again`; return whether any rank has some."""
        found = self.select.thresholds
        for batch, lower in self.parts[0].lower.items():
            missed = lower > found
            if missed.any():
                self.again[batch] = torch.where(missed, found, torch.inf)
                self.parts[0].lower[batch] = torch.where(missed, torch.inf, lower)
        return any(group.all_gather(bool(self.again)))

    def cells(self, batch: int, thresholds: Tensor, device: torch.device) -> Cells:
        """Return all cells of a batch with a corner above its unit's threshold."""
        cells = []
        for part in self.parts:
            if batch in part.lower:
                limits = torch.where(torch.isfinite(part.lower[batch]), thresholds, torch.inf)
                cells.append(cells_above(part.file.read(batch, device), self.grid, limits))
        return Cells(*(torch.cat(columns) for columns in zip(*cells, strict=True)))


class SparseActivations:
    """Steps 2 and 3 for all blocks: from block outputs to exact thresholds and stored cells.

    Attributes:
        quantile: wanted tail.
        blocks: what is stored, by block.
    """

    def __init__(
        self,
        scratch: Path,
        cache: DeviceCache,
        quantile: float,
        fit: Tensor,
        batch_size: int,
        device: torch.device,
    ) -> None:
        """Prepare; then `start`, or `load_state_dict`.

        Args:
            scratch: folder for the cells.
            cache: on the device, for cells.
            quantile: wanted tail.
            fit: bool (images,), in the order of the run: which images fit the thresholds; on the
                CPU.
            batch_size: images per batch.
            device: of the work.
        """
        self._scratch = scratch
        self.quantile = quantile
        self._fit = fit
        self._device = device
        self._batch_size = batch_size
        self._cache = cache
        self.blocks: dict[str, BlockActivations] = {}

    def start(self, calibrations: Mapping[str, Calibration]) -> None:
        """Begin with the lower bounds of a calibration."""
        for block, (grid, bounds) in calibrations.items():
            self.blocks[block] = self._block(grid, bounds, self._file(block, 0))

    def _file(self, block: str, part: int, state: State | None = None) -> CellFile:
        return CellFile(self._scratch, f"{block}.{part}", self._cache, state)

    def _block(self, grid: Grid, bounds: LowerBounds, file: CellFile) -> BlockActivations:
        if self._batch_size * grid.cells >= 2**31:
            most = (2**31 - 1) // grid.cells
            raise ConceptGraphError(
                "batch-size too large for images of this size",
                found=self._batch_size,
                expected=f"{most} or less",
            )
        running = RunningBounds(bounds, self.quantile, grid.positions)
        return BlockActivations(grid, running, self._select(grid), [StoredCells(file)])

    def _select(self, grid: Grid) -> RadixSelect:
        values = int(self._fit.sum()) * grid.positions
        return RadixSelect(grid.units, values_above(self.quantile, values), self._device)

    def fit_of(self, batch: int) -> Tensor:
        """Return which images of a batch fit the thresholds, bool (images,); on the CPU."""
        return self._fit[batch * self._batch_size : (batch + 1) * self._batch_size]

    @property
    def first_bounds(self) -> dict[str, LowerBounds]:
        """The bounds of the calibration, by block."""
        return {name: block.bounds.first for name, block in self.blocks.items()}

    def partial(self, batch: int, maps: Maps) -> dict[str, BatchCells]:
        """Find what to store of a batch of that number, of the blocks in `maps`."""
        fit = self.fit_of(batch)
        return {block: self.blocks[block].partial(batch, maps[block], fit) for block in maps}

    def update(self, batch: int, partial: Mapping[str, BatchCells]) -> None:
        """Store a batch."""
        for block, cells in partial.items():
            self.blocks[block].update(batch, cells, self.fit_of(batch))

    def state_dict(self) -> State:
        """Return all that step 2 has stored so far; the cells are safe on the disk."""
        return {
            name: {
                "grid": tuple(block.grid),
                "bounds": block.bounds.state_dict(),
                "lower": {batch: lower.cpu() for batch, lower in block.parts[0].lower.items()},
                "file": block.parts[0].file.state_dict(),
                "select": block.select.state_dict(),
            }
            for name, block in self.blocks.items()
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from an earlier `state_dict`."""
        for name, stored in state.items():
            bounds = LowerBounds(*(stored["bounds"][part].to(self._device)
                                   for part in LowerBounds._fields))  # fmt: skip
            file = self._file(name, 0, stored["file"])
            self.blocks[name] = block = self._block(Grid(*stored["grid"]), bounds, file)
            block.bounds.load_state_dict(stored["bounds"])
            block.select.load_state_dict(stored["select"])
            for batch, lower in stored["lower"].items():
                block.parts[0].lower[batch] = lower.to(self._device)

    def find_thresholds(
        self,
        batches: Sequence[int],
        pool: WorkerPool,
        group: ProcessGroup,
        repeat: Callable[[], Iterable[tuple[int, Mapping[str, BatchCells]]]],
    ) -> None:
        """Find the exact thresholds (step 3).

        Args:
            batches: whose cells are stored here.
            pool: to read them with.
            group: ranks that have stored the others.
            repeat: runs batches once more for the blocks that are `missed` (rare, see `bounds`);
                not called if no rank has missed any.
        """
        self._finish_rounds(list(self.blocks.values()), batches, pool, group)
        missed = {name: block for name, block in self.blocks.items() if block.find_missed(group)}
        if not missed:
            return
        for block in missed.values():
            block.select = self._select(block.grid)
        self._count(list(missed.values()), batches, pool)
        for name, block in missed.items():
            block.parts.append(StoredCells(self._file(name, 1)))
        for batch, partial in repeat():
            for name, cells in partial.items():
                missed[name].parts[1].append(batch, cells)
                missed[name].select.update(cells.counters)
        self._finish_rounds(list(missed.values()), batches, pool, group)

    def missed(self, batch: int) -> tuple[str, ...]:
        """Return the blocks of which a batch has to be stored again."""
        return tuple(name for name, block in self.blocks.items() if batch in block.again)

    def _finish_rounds(
        self,
        blocks: Sequence[BlockActivations],
        batches: Sequence[int],
        pool: WorkerPool,
        group: ProcessGroup,
    ) -> None:
        while True:
            for block in blocks:
                block.select = block.select.all_reduce(group)
                block.select.finish_round()
            if blocks[0].select.done:
                return
            self._count(blocks, batches, pool)

    def _count(
        self, blocks: Sequence[BlockActivations], batches: Sequence[int], pool: WorkerPool
    ) -> None:
        """Count the stored values of batches in this radix round."""

        def counters(batch: int) -> list[list[Tensor]]:
            fit = self.fit_of(batch)
            return [block.counters(batch, fit, self._device) for block in blocks]

        for counters_of_blocks in pool.map(counters, batches):
            for block, counters_of_parts in zip(blocks, counters_of_blocks, strict=True):
                for part in counters_of_parts:
                    block.select.update(part)

    def thresholds(self, block: str) -> Tensor:
        """Return the exact T_k, float32 (units,)."""
        return self.blocks[block].select.thresholds

    def active(self, block: str) -> Tensor:
        """Return which units have a positive activation on images that fit, bool (units,)."""
        return self.blocks[block].select.counts > 0

    def cells(self, block: str, batch: int) -> Cells:
        """Return all cells of a batch with a corner above its unit's threshold."""
        return self.blocks[block].cells(batch, self.thresholds(block), self._device)

    def grid(self, block: str) -> Grid:
        """Return the shape of a block's maps."""
        return self.blocks[block].grid

    def close(self) -> None:
        """Delete the scratch files."""
        for block in self.blocks.values():
            for part in block.parts:
                part.file.close()
