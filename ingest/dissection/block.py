"""What a block's units do over all images: overlaps with the concepts, and top images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .cells import Cells, Grid, cells_of_images
from .peak_histogram import PeakHistogram
from .top_images import BatchPeaks, TopImages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..inputs import Batch
    from ..statistics.batch_labels import BatchLabels
    from .activations import SparseActivations
    from .overlaps import Overlaps, UnitCounts


class BlockPartial(NamedTuple):
    """What a batch adds to a block."""

    overlaps: UnitCounts
    peaks: BatchPeaks


@dataclass
class BlockDissection:
    """What one block's units do, over all images.

    Attributes:
        grid: shape of the block's maps.
        thresholds: float32 (units,).
        active: bool (units,), False for dead units.
        overlaps: counts with the concepts.
        top: strongest images.
        histogram: images by the largest activation.
    """

    grid: Grid
    thresholds: Tensor
    active: Tensor
    overlaps: Overlaps
    top: TopImages
    histogram: PeakHistogram

    def partial(self, cells: Cells, batch: Batch, labels: Sequence[BatchLabels]) -> BlockPartial:
        """Count a batch, given its cells above threshold."""
        groups = [(cells, group) for group in labels]
        if len(labels) > 1:
            groups = [(self._cells_of(cells, group), group) for group in labels]
        return BlockPartial(
            self.overlaps.partial(groups, self.grid, self.thresholds),
            self.top.partial(cells, self.grid, len(batch.images), batch.first),
        )

    def _cells_of(self, cells: Cells, labels: BatchLabels) -> Cells:
        number = labels.number.to(cells.where.device, non_blocking=True)
        return cells_of_images(cells, self.grid, number)

    def update(self, partial: BlockPartial) -> None:
        """Add what a batch adds."""
        self.overlaps.update(partial.overlaps)
        self.top.update(partial.peaks)
        self.histogram.update(partial.peaks.activation)

    def all_reduce(self, group: ProcessGroup) -> BlockDissection:
        """Return the block over all ranks."""
        return BlockDissection(
            self.grid,
            self.thresholds,
            self.active,
            self.overlaps.all_reduce(group),
            self.top.all_reduce(group),
            self.histogram.all_reduce(group),
        )

    def state_dict(self) -> State:
        """Return this rank's counts, on the CPU."""
        return {
            "overlaps": self.overlaps.state_dict(),
            "top": self.top.state_dict(),
            "histogram": self.histogram.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Replace the counts by those of an earlier `state_dict`."""
        self.overlaps.load_state_dict(state["overlaps"])
        self.top.load_state_dict(state["top"])
        self.histogram.load_state_dict(state["histogram"])


class BlockDissections:
    """The dissections of all blocks; `blocks` by name."""

    def __init__(self, blocks: Mapping[str, BlockDissection]) -> None:
        self.blocks = dict(blocks)

    @classmethod
    def of(
        cls, activations: SparseActivations, overlaps: Callable[[int], Overlaps], top_images: int
    ) -> BlockDissections:
        """Prepare all blocks, before the first batch.

        Args:
            activations: with their thresholds.
            overlaps: makes empty counts for so many units.
            top_images: per unit.
        """
        blocks = {}
        for block in activations.blocks:
            thresholds, grid = activations.thresholds(block), activations.grid(block)
            top = TopImages(grid.units, top_images, thresholds.device)
            active, counts = activations.active(block), overlaps(grid.units)
            histogram = PeakHistogram(thresholds)
            blocks[block] = BlockDissection(grid, thresholds, active, counts, top, histogram)
        return cls(blocks)

    def partial(
        self, activations: SparseActivations, batch: Batch, labels: Sequence[BatchLabels]
    ) -> dict[str, BlockPartial]:
        """Count a batch."""
        return {
            block: dissection.partial(activations.cells(block, batch.number), batch, labels)
            for block, dissection in self.blocks.items()
        }

    def update(self, partial: Mapping[str, BlockPartial]) -> None:
        """Add what a batch adds."""
        for block, added in partial.items():
            self.blocks[block].update(added)

    def all_reduce(self, group: ProcessGroup) -> BlockDissections:
        """Return the blocks over all ranks."""
        return BlockDissections(
            {block: dissection.all_reduce(group) for block, dissection in self.blocks.items()}
        )

    def state_dict(self) -> State:
        """Return this rank's counts, on the CPU."""
        return {block: dissection.state_dict() for block, dissection in self.blocks.items()}

    def load_state_dict(self, state: State) -> None:
        """Replace the counts by those of an earlier `state_dict`."""
        for block, saved in state.items():
            self.blocks[block].load_state_dict(saved)
