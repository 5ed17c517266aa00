"""The sparse activations of all blocks: what the forward pass stores, and the exact thresholds.

    1. calibrate    the first images give a safe lower bound of every unit's threshold
                    (`lower_bounds`)
    2. store        one forward pass of all images; of every map only the cells above the bound are
                    stored, in scratch files, and the values above it go to the first radix round
    3. thresholds   two more radix rounds over the stored values: the exact T_k; units whose T_k
                    lies below their bound are stored again without one, in a pass up to their block

All statistics are integers or order statistics: the result does not depend on how often, where or
in what order the batches are processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ...errors import ConceptGraphError
from ..engine.tensors import divide, select_images
from .cell_file import CellFile
from .cells import Cells, Grid, Values, cells_above, find_cells, native_values, select_cells
from .thresholds import RadixSelect, UnitValues, lower_bounds, values_above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..engine.scratch import DeviceCache
    from ..engine.workers import WorkerPool

    Maps = Mapping[str, Tensor]


class Calibration(NamedTuple):
    """What the first images say of a block.

    Attributes:
        grid: shape of its maps.
        lower: float32 (units,), safe lower bounds of the thresholds.
    """

    grid: Grid
    lower: Tensor


def calibrate(
    batches: Sequence[Maps], fit: Tensor, quantile: float, pool: WorkerPool | None = None
) -> dict[str, Calibration]:
    """Compute lower bounds of all units' thresholds from the first batches (step 1).

    Args:
        batches: block outputs of the first batches.
        fit: bool (images,), in the order of the run: which images fit the thresholds; on the CPU.
        quantile: wanted tail.
        pool: to work on several chunks of units at once.
    """
    calibrations = {}
    for block, first in batches[0].items():
        sample, start = [], 0
        for maps in batches:
            images = len(maps[block])
            rows = fit[start : start + images].nonzero().squeeze(1)
            sample.append(select_images(maps[block], rows))
            start += images
        lower = lower_bounds(sample, quantile, pool=pool)
        calibrations[block] = Calibration(Grid.of(first), lower)
    return calibrations


class BatchCells(NamedTuple):
    """What is stored of one block's maps of one batch.

    Attributes:
        cells: those above the lower bound.
        counters: of the values above it, as `RadixSelect.partial` gives them.
    """

    cells: Cells
    counters: Tensor


@dataclass
class BlockActivations:
    """The stored cells of one block.

    Attributes:
        grid: shape of its maps.
        lower: float32 (units,), bound above which cells are stored; infinite for units not stored.
        file: the cells, one entry per batch.
        select: the search for the thresholds.
    """

    grid: Grid
    lower: Tensor
    file: CellFile
    select: RadixSelect

    def partial(self, maps: Tensor, fit: Tensor) -> BatchCells:
        """Find what to store of a batch; `fit`, bool (images,), marks images for thresholds."""
        cells, above = find_cells(maps, self.lower)
        return BatchCells(cells, self._counters(above, fit))

    def update(self, batch: int, partial: BatchCells) -> None:
        """Store one more batch."""
        self.file.append(batch, partial.cells)
        self.select.update(partial.counters)

    def counters(self, cells: Cells, fit: Tensor) -> Tensor:
        """Return the counters of the stored values of a batch, for the next radix round."""
        unit, value = divide(cells.where, self.grid.units)[1], cells.corners[:, 3]
        wanted = self.select.wanted(UnitValues(unit, value))
        wanted &= value > self.lower.index_select(0, unit)
        cells = select_cells(cells, wanted.nonzero().squeeze(1))
        return self._counters(native_values(cells, self.grid), fit)

    def _counters(self, above: Values, fit: Tensor) -> Tensor:
        if fit.all():
            return self.select.partial(UnitValues(above.unit, above.value))
        fit = fit.to(above.image.device, non_blocking=True)
        rows = fit.index_select(0, above.image).nonzero().squeeze(1)
        values = UnitValues(above.unit.index_select(0, rows), above.value.index_select(0, rows))
        return self.select.partial(values)


class SparseActivations:
    """Steps 2 and 3 for all blocks: from block outputs to exact thresholds and stored cells.

    A block has a second part where units had to be stored again.

    Attributes:
        quantile: wanted tail.
        parts: what is stored, by block.
        wanted: blocks that the pass over the images is for; at first all of them.
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
                CPU. Those come first, so that calibration batches hold them only.
            batch_size: images per batch.
            device: of the work.
        """
        self._scratch = scratch
        self.quantile = quantile
        self._fit = fit
        self._device = device
        self._batch_size = batch_size
        self._cache = cache
        self.parts: dict[str, list[BlockActivations]] = {}
        self.wanted: tuple[str, ...] = ()

    def start(self, calibrations: Mapping[str, Calibration]) -> None:
        """Begin with the lower bounds of a calibration."""
        for block, (grid, lower) in calibrations.items():
            self.parts[block] = [self._part(block, grid, lower)]
        self.wanted = tuple(self.parts)

    def _part(
        self, block: str, grid: Grid, lower: Tensor, state: State | None = None
    ) -> BlockActivations:
        if self._batch_size * grid.cells >= 2**31:
            most = (2**31 - 1) // grid.cells
            raise ConceptGraphError(
                "batch-size too large for images of this size",
                found=self._batch_size,
                expected=f"{most} or less",
            )
        values = int(self._fit.sum()) * grid.height * grid.width
        select = RadixSelect(grid.units, values_above(self.quantile, values), lower.device)
        name = f"{block}.{len(self.parts.get(block, []))}"
        file = CellFile(self._scratch, name, self._cache, state)
        return BlockActivations(grid, lower, file, select)

    def _fit_of(self, batch: int) -> Tensor:
        return self._fit[batch * self._batch_size : (batch + 1) * self._batch_size]

    @property
    def lower(self) -> dict[str, Tensor]:
        """Lower bounds of the first parts, float32 (units,), by block."""
        return {block: parts[0].lower for block, parts in self.parts.items()}

    def partial(self, batch: int, maps: Maps) -> dict[str, BatchCells]:
        """Find what to store of a batch of that number."""
        fit = self._fit_of(batch)
        return {block: self.parts[block][-1].partial(maps[block], fit) for block in self.wanted}

    def update(self, batch: int, partial: Mapping[str, BatchCells]) -> None:
        """Store a batch."""
        for block, cells in partial.items():
            self.parts[block][-1].update(batch, cells)

    def state_dict(self) -> State:
        """Return all that step 2 has stored so far; the cells are safe on the disk."""
        return {
            block: {
                "grid": tuple(part.grid),
                "lower": part.lower.cpu(),
                "file": part.file.state_dict(),
                "select": part.select.state_dict(),
            }
            for block, (part,) in self.parts.items()
        }

    def load_state_dict(self, state: State) -> None:
        """Continue from an earlier `state_dict`."""
        for block, stored in state.items():
            lower = stored["lower"].to(self._device)
            self.parts[block] = []
            part = self._part(block, Grid(*stored["grid"]), lower, stored["file"])
            part.select.load_state_dict(stored["select"])
            self.parts[block] = [part]
        self.wanted = tuple(self.parts)

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
            repeat: runs all batches once more for the blocks `wanted`, those with units whose lower
                bound proved too high (rare, see `lower_bounds`); not called if there are none.
        """
        self._finish_rounds(batches, pool, group)
        self.wanted = tuple(filter(self._store_missed_again, self.parts))
        if not self.wanted:
            return
        for batch, cells in repeat():
            self.update(batch, cells)
        self._finish_rounds(batches, pool, group)

    def _store_missed_again(self, block: str) -> bool:
        """Prepare a second part for units whose bound was too high; return False if none was."""
        (part,) = self.parts[block]
        missed = (part.select.thresholds == 0) & (part.lower > 0)
        if not missed.any():
            return False
        part.lower[missed] = torch.inf
        again = torch.where(missed, 0.0, torch.inf)
        self.parts[block].append(self._part(block, part.grid, again))
        return True

    def _finish_rounds(self, batches: Sequence[int], pool: WorkerPool, group: ProcessGroup) -> None:
        last = [self.parts[block][-1] for block in self.wanted]

        def counters(batch: int) -> list[Tensor]:
            fit = self._fit_of(batch)
            return [part.counters(part.file.read(batch, self._device), fit) for part in last]

        while True:
            for part in last:
                part.select = part.select.all_reduce(group)
                part.select.finish_round()
            if last[0].select.done:
                return
            for counters_of_parts in pool.map(counters, batches):
                for part, part_counters in zip(last, counters_of_parts, strict=True):
                    part.select.update(part_counters)

    def thresholds(self, block: str) -> Tensor:
        """Return the exact T_k, float32 (units,)."""
        thresholds = torch.zeros_like(self.parts[block][0].lower)
        for part in self.parts[block]:
            thresholds = torch.where(torch.isfinite(part.lower), part.select.thresholds, thresholds)
        return thresholds

    def active(self, block: str) -> Tensor:
        """Return which units have a positive activation on images that fit, bool (units,)."""
        first, *others = self.parts[block]
        active = first.select.counts > 0
        for part in others:
            active |= torch.isfinite(part.lower) & (part.select.counts > 0)
        return active

    def cells(self, block: str, batch: int) -> Cells:
        """Return all cells of a batch with a corner above its unit's threshold."""
        thresholds = self.thresholds(block)
        cells = []
        for part in self.parts[block]:
            limits = torch.where(torch.isfinite(part.lower), thresholds, torch.inf)
            cells.append(cells_above(part.file.read(batch, self._device), part.grid, limits))
        return Cells(*(torch.cat(columns) for columns in zip(*cells, strict=True)))

    def grid(self, block: str) -> Grid:
        """Return the shape of a block's maps."""
        return self.parts[block][0].grid

    def close(self) -> None:
        """Delete the scratch files."""
        for parts in self.parts.values():
            for part in parts:
                part.file.close()
