"""Network dissection of all blocks in one pass over the images.

    1. pilot       the first images give a safe lower bound T_lo of every unit's threshold
                   (`lower_bounds`)
    2. collect     one forward pass of all images; of every map only the cells above T_lo are kept,
                   in scratch files, and the first radix round of the values above T_lo
    3. thresholds  two more radix rounds over the kept values: the exact T_k; units whose T_k lies
                   below their T_lo are collected again without a bound
    4. count       mask pixels from the cells above T_k, overlaps with the labels, top images
                   (`block_counts`)

Images come in batches of a fixed (seeded) order, all statistics are integers or order statistics:
the result does not depend on how often, where or in what order the batches are processed. Of each
step, `look` is what a lane does to one batch, changing nothing; `keep` takes in what it gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ...errors import ConceptGraphError
from ..engine.tensors import divided, select_images
from .cell_file import CellFile
from .cells import Cells, Grid, Values, above, find_cells, native_values, some
from .thresholds import RadixSelect, lower_bounds, values_above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..engine.scratch import DeviceCache
    from ..engine.workers import WorkerPool

    Maps = Mapping[str, Tensor]


class Kept(NamedTuple):
    """What is kept of one block's maps of one batch.

    Attributes:
        cells: those above T_lo.
        digits: of the values above T_lo, as `RadixSelect.digits` gives them.
    """

    cells: Cells
    digits: Tensor


@dataclass
class BlockCells:
    """The kept cells of one block.

    Attributes:
        grid: shape of its maps.
        lower: float32 (units,), bound above which cells were kept; infinite for units not kept.
        file: the cells, one entry per batch.
        select: the search for the thresholds.
    """

    grid: Grid
    lower: Tensor
    file: CellFile
    select: RadixSelect

    def look(self, maps: Tensor, fitted: Tensor) -> Kept:
        """What to keep of a batch; `fitted`, bool (images,), marks images that fit thresholds."""
        cells, above = find_cells(maps, self.lower)
        return Kept(cells, self._digits(above, fitted))

    def keep(self, batch: int, kept: Kept) -> None:
        """Keep one more batch."""
        self.file.append(batch, kept.cells)
        self.select.add(kept.digits)

    def digits(self, cells: Cells, fitted: Tensor) -> Tensor:
        """The kept values of a batch, as the search for the thresholds counts them."""
        unit, value = divided(cells.where, self.grid.units)[1], cells.corners[:, 3]
        wanted = self.select.wanted(unit, value) & (value > self.lower.index_select(0, unit))
        keep = wanted.nonzero().squeeze(1)
        return self._digits(native_values(some(cells, keep), self.grid), fitted)

    def _digits(self, above: Values, fitted: Tensor) -> Tensor:
        if fitted.all():
            return self.select.digits(above.unit, above.value)
        fitted = fitted.to(above.image.device, non_blocking=True)
        mine = fitted.index_select(0, above.image).nonzero().squeeze(1)
        return self.select.digits(
            above.unit.index_select(0, mine), above.value.index_select(0, mine)
        )


class Collection:
    """Steps 1 to 3 for all blocks: from block outputs to exact thresholds and kept cells."""

    def __init__(
        self,
        scratch: Path,
        room: DeviceCache,
        quantile: float,
        fitted: Tensor,
        batch_size: int,
        device: torch.device,
    ) -> None:
        """Prepare; then `start`, or `load` what an earlier one kept.

        Args:
            scratch: folder for the cells.
            room: on the device, for cells that need not be there.
            quantile: wanted tail.
            fitted: bool (images,), in the order of the run: which images fit the thresholds; on the
                processor. Those come first, so that the pilot holds them only.
            device: of the work.
            batch_size: images per batch.
        """
        self._scratch = scratch
        self._quantile = quantile
        self._fitted = fitted
        self._device = device
        self._batch_size = batch_size
        self._room = room
        self.parts: dict[str, list[BlockCells]] = {}

    def _fitted_of(self, batch: int) -> Tensor:
        return self._fitted[batch * self._batch_size : (batch + 1) * self._batch_size]

    def start(self, pilot: Sequence[Maps], lanes: WorkerPool | None = None) -> None:
        """Step 1, from the outputs of the first batches."""
        for block, first in pilot[0].items():
            sample = []
            for batch, maps in enumerate(pilot):
                mine = self._fitted_of(batch).nonzero().squeeze(1)
                sample.append(select_images(maps[block], mine))
            grid = Grid(first.shape[2], first.shape[3], first.shape[1])
            lower = lower_bounds(sample, self._quantile, lanes=lanes)
            self.parts[block] = [self._part(block, grid, lower)]

    def _part(
        self, block: str, grid: Grid, lower: Tensor, state: State | None = None
    ) -> BlockCells:
        if self._batch_size * grid.cells >= 2**31:
            most = (2**31 - 1) // grid.cells
            raise ConceptGraphError(
                "batch-size too large for images of this size",
                found=self._batch_size,
                expected=f"{most} or less",
            )
        values = int(self._fitted.sum()) * grid.height * grid.width
        select = RadixSelect(grid.units, values_above(self._quantile, values), lower.device)
        name = f"{block}.{len(self.parts.get(block, []))}"
        return BlockCells(grid, lower, CellFile(self._scratch, name, self._room, state), select)

    def look(self, batch: int, maps: Maps) -> dict[str, Kept]:
        """Step 2, for one batch."""
        fitted = self._fitted_of(batch)
        return {block: parts[-1].look(maps[block], fitted) for block, parts in self.parts.items()}

    def keep(self, batch: int, kept: Mapping[str, Kept]) -> None:
        """Take in what `look` gave."""
        for block, each in kept.items():
            self.parts[block][-1].keep(batch, each)

    def state(self) -> State:
        """All that step 2 has kept so far."""
        return {
            block: {
                "grid": tuple(part.grid),
                "lower": part.lower.cpu(),
                "file": part.file.state(),
                "histogram": part.select.histogram.cpu(),
            }
            for block, (part,) in self.parts.items()
        }

    def load(self, state: State) -> None:
        """Go on from an earlier `state`."""
        device = self._device
        for block, kept in state.items():
            lower = kept["lower"].to(device)
            part = self._part(block, Grid(*kept["grid"]), lower, kept["file"])
            part.select.histogram = kept["histogram"].to(device)
            self.parts[block] = [part]

    def find_thresholds(
        self,
        batches: Sequence[int],
        lanes: WorkerPool,
        team: ProcessGroup,
        again: Callable[[], Iterable[tuple[int, dict[str, Kept]]]],
    ) -> None:
        """Step 3.

        Args:
            batches: whose cells were kept here.
            lanes: to read them with.
            team: who keeps the others.
            again: looks at all batches once more, for units whose lower bound proved too high
                (rare, see `lower_bounds`).
        """
        self._finish_rounds(batches, lanes, team)
        redo = {block: parts[0].lower.clone() for block, parts in self.parts.items()}
        for block, parts in self.parts.items():
            enough = parts[0].select.thresholds > 0
            redo[block] = torch.where(enough | (parts[0].lower == 0), torch.inf, 0.0)
        if all(torch.isinf(lower).all() for lower in redo.values()):
            return
        for block, parts in self.parts.items():
            parts[0].lower[torch.isfinite(redo[block])] = torch.inf
            parts.append(self._part(block, parts[0].grid, redo[block]))
        for batch, kept in again():
            self.keep(batch, kept)
        self._finish_rounds(batches, lanes, team)

    def _finish_rounds(self, batches: Sequence[int], lanes: WorkerPool, team: ProcessGroup) -> None:
        last = [parts[-1] for parts in self.parts.values()]

        def digits(batch: int) -> list[Tensor]:
            fitted = self._fitted_of(batch)
            return [part.digits(part.file.read(batch, part.lower.device), fitted) for part in last]

        while True:
            for part in last:
                part.select.histogram = team.all_reduce(part.select.histogram)
                part.select.finish_round()
            if last[0].select.done:
                return
            for found in lanes.map(digits, batches):
                for part, each in zip(last, found, strict=True):
                    part.select.add(each)

    def thresholds(self, block: str) -> Tensor:
        """The exact T_k, float32 (units,)."""
        result = torch.zeros_like(self.parts[block][0].lower)
        for part in self.parts[block]:
            result = torch.where(torch.isfinite(part.lower), part.select.thresholds, result)
        return result

    def active(self, block: str) -> Tensor:
        """Which units, bool (units,), have any positive activation on the images that fit."""
        first = self.parts[block][0]
        seen = first.select.counts > 0
        for part in self.parts[block][1:]:
            seen |= torch.isfinite(part.lower) & (part.select.counts > 0)
        return seen

    def cells(self, block: str, batch: int) -> Cells:
        """All cells of a batch with a corner above its unit's threshold."""
        thresholds = self.thresholds(block)
        found = []
        for part in self.parts[block]:
            mine = torch.where(torch.isfinite(part.lower), thresholds, torch.inf)
            found.append(above(part.file.read(batch, thresholds.device), part.grid, mine))
        return Cells(*(torch.cat(pieces) for pieces in zip(*found, strict=True)))

    def grid(self, block: str) -> Grid:
        """Shape of a block's maps."""
        return self.parts[block][0].grid

    def close(self) -> None:
        """Delete the scratch files."""
        for parts in self.parts.values():
            for part in parts:
                part.file.close()
