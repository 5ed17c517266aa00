"""Network dissection of all blocks in one pass over the images.

    1. pilot       the first images give a safe lower bound T_lo of every unit's threshold
    2. collect     one forward pass of all images; of every map only the cells above T_lo are kept,
                   in scratch files, and the first radix round of the values above T_lo
    3. thresholds  two more radix rounds over the kept values: the exact T_k; units whose T_k lies
                   below their T_lo are collected again without a bound
    4. count       mask pixels from the cells above T_k, overlaps with the labels, top images

Images come in batches of a fixed (seeded) order, all statistics are integers or order statistics:
the result does not depend on how often or where the batches are processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .cells import Cells, Grid, above, find_cells, native_values, of_images
from .scratch import CellFile
from .thresholds import RadixSelect, lower_bounds, values_above
from .top_images import TopImages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from .counting import Labels, Overlaps
    from .progress import Advance

    BatchOutputs = Iterable[Mapping[str, Tensor]]


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

    def add(self, maps: Tensor, fitted: Tensor) -> None:
        """Keep one more batch; `fitted`, bool (images,), marks images that fit the thresholds."""
        cells = find_cells(maps, self.lower)
        self.file.append(cells)
        self.select_from(cells, fitted)

    def select_from(self, cells: Cells, fitted: Tensor) -> None:
        """Feed the kept values of a batch to the search for the thresholds."""
        where, values = native_values(cells, self.grid)
        wanted = (values > self.lower[where.unit]) & fitted[where.image]
        self.select.add(where.unit[wanted], values[wanted])


class Collection:
    """Steps 1 to 3 for all blocks: from block outputs to exact thresholds and kept cells."""

    def __init__(
        self, scratch: Path, quantile: float, fitted: Tensor, batch_size: int, pilot: int
    ) -> None:
        """Prepare.

        Args:
            scratch: folder for the cells.
            quantile: wanted tail.
            fitted: bool (images,), in the order of the run: which images fit the thresholds. Those
                come first, so that the pilot holds them only.
            batch_size: images per batch.
            pilot: images from which lower bounds are read; rounded up to whole batches.
        """
        self._scratch = scratch
        self._quantile = quantile
        self._fitted = fitted
        self._batch_size = batch_size
        self._pilot = pilot
        self._rounds = 0
        self.parts: dict[str, list[BlockCells]] = {}

    def _fitted_of(self, batch: int) -> Tensor:
        return self._fitted[batch * self._batch_size : (batch + 1) * self._batch_size]

    @property
    def batches(self) -> int:
        """Batches of one pass."""
        return -(-len(self._fitted) // self._batch_size)

    def collect(self, outputs: BatchOutputs) -> None:
        """Steps 1 and 2: one pass over the block outputs of all batches, in order."""
        waiting: list[Mapping[str, Tensor]] = []
        needed = min(-(-self._pilot // self._batch_size), self.batches)
        for batch, maps in enumerate(outputs):
            waiting.append(maps)
            if batch + 1 < needed:
                continue
            if not self.parts:
                self._start(waiting)
            for number, held in enumerate(waiting, start=batch + 1 - len(waiting)):
                self._keep(number, held)
            waiting.clear()

    def _start(self, pilot: list[Mapping[str, Tensor]]) -> None:
        fitted = torch.cat([self._fitted_of(batch) for batch in range(len(pilot))])
        for block in pilot[0]:
            sample = torch.cat([maps[block] for maps in pilot])[fitted]
            bounds = lower_bounds(sample, self._quantile)
            self.parts[block] = [
                self._part(block, Grid(sample.shape[2], sample.shape[3], sample.shape[1]), bounds)
            ]

    def _part(self, block: str, grid: Grid, lower: Tensor) -> BlockCells:
        values = int(self._fitted.sum()) * grid.height * grid.width
        rank = values_above(self._quantile, values)
        file = CellFile(self._scratch, f"{block}.{len(self.parts.get(block, []))}")
        return BlockCells(grid, lower, file, RadixSelect(grid.units, rank, lower.device))

    def _keep(self, batch: int, maps: Mapping[str, Tensor]) -> None:
        fitted = self._fitted_of(batch)
        for block, parts in self.parts.items():
            parts[-1].add(maps[block], fitted)

    def find_thresholds(self, again: Callable[[], BatchOutputs]) -> None:
        """Step 3.

        Args:
            again: gives the block outputs of all batches once more, for units whose lower bound
                proved too high (rare: the bound is twice the wanted tail of a random sample).
        """
        self._finish_rounds()
        redo = {block: parts[0].lower.clone() for block, parts in self.parts.items()}
        for block, parts in self.parts.items():
            enough = parts[0].select.thresholds > 0
            redo[block] = torch.where(enough | (parts[0].lower == 0), torch.inf, 0.0)
        if all(torch.isinf(lower).all() for lower in redo.values()):
            return
        for block, parts in self.parts.items():
            parts[0].lower[torch.isfinite(redo[block])] = torch.inf
            parts.append(self._part(block, parts[0].grid, redo[block]))
        for batch, maps in enumerate(again()):
            self._keep(batch, maps)
        self._finish_rounds()

    def _finish_rounds(self) -> None:
        for parts in self.parts.values():
            part = parts[-1]
            part.select.finish_round()
            while not part.select.done:
                for batch in range(self.batches):
                    cells = part.file.read(batch, part.lower.device)
                    part.select_from(cells, self._fitted_of(batch))
                part.select.finish_round()

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


@dataclass
class Dissection:
    """What one block's units do, over all images.

    Attributes:
        grid: shape of the block's maps.
        thresholds: float32 (units,).
        active: bool (units,), False for dead units.
        overlaps: counts with the concepts.
        top: strongest images.
    """

    grid: Grid
    thresholds: Tensor
    active: Tensor
    overlaps: Overlaps
    top: TopImages


def count(
    collection: Collection,
    labels: Iterator[tuple[int, int, list[Labels]]],
    overlaps: Callable[[int], Overlaps],
    top_images: int,
    advance: Advance,
) -> dict[str, Dissection]:
    """Step 4.

    Args:
        collection: cells and thresholds.
        labels: per batch: position of its first image, its number of images, their labels.
        overlaps: makes empty counts for so many units.
        top_images: kept per unit.
        advance: told the images of each batch done.
    """
    result = {}
    for block in collection.parts:
        thresholds, grid = collection.thresholds(block), collection.grid(block)
        top = TopImages(grid.units, top_images, thresholds.device)
        result[block] = Dissection(
            grid, thresholds, collection.active(block), overlaps(grid.units), top
        )
    for batch, (first, images, groups) in enumerate(labels):
        for block, found in result.items():
            cells = collection.cells(block, batch)
            found.top.add(cells, found.grid, first, images)
            for group in groups:
                part = cells if len(groups) == 1 else of_images(cells, found.grid, group.number)
                found.overlaps.add(part, found.grid, found.thresholds, group)
        advance(images)
    return result
