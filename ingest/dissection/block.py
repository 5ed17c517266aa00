"""What a block's units do over all images: step 4 of the dissection (`dissect`).

As there, `look` is what a lane does to one batch, changing nothing; `keep` takes in what it gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cells import Cells, Grid, of_images
from .top_images import TopImages, peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..inputs import Batch
    from ..statistics.batch_labels import Labels
    from .collection import Collection
    from .overlaps import Overlaps


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

    def look(self, cells: Cells, images: int, labels: Sequence[Labels]) -> tuple[Overlaps, Tensor]:
        """Step 4, for the cells above threshold of one batch."""
        overlaps = self.overlaps.empty()
        for group in labels:
            part = cells
            if len(labels) > 1:
                number = group.number.to(cells.where.device, non_blocking=True)
                part = of_images(cells, self.grid, number)
            overlaps.add(part, self.grid, self.thresholds, group)
        return overlaps, peaks(cells, self.grid, images)

    def keep(self, first: int, found: tuple[Overlaps, Tensor]) -> None:
        """Take in what `look` gave of the batch whose first image has position `first`."""
        overlaps, strongest = found
        self.overlaps.merge(overlaps)
        self.top.add(strongest, first)

    def state(self) -> State:
        """All that it has counted so far."""
        return {"overlaps": self.overlaps.state(), "top": self.top.state()}

    def load(self, state: State) -> None:
        """Go on from an earlier `state`."""
        self.overlaps.load(state["overlaps"])
        self.top.load(state["top"])

    def share(self, team: ProcessGroup) -> None:
        """What all members of the team have counted together."""
        self.overlaps.share(team)
        self.top.share(team)


def uncounted(
    collection: Collection, overlaps: Callable[[int], Overlaps], top_images: int
) -> dict[str, Dissection]:
    """Step 4 of all blocks, before the first batch.

    Args:
        collection: with its thresholds.
        overlaps: makes empty counts for so many units.
        top_images: kept per unit.
    """
    result = {}
    for block in collection.parts:
        thresholds, grid = collection.thresholds(block), collection.grid(block)
        top = TopImages(grid.units, top_images, thresholds.device)
        result[block] = Dissection(
            grid, thresholds, collection.active(block), overlaps(grid.units), top
        )
    return result


def count_batch(
    collection: Collection,
    blocks: Mapping[str, Dissection],
    batch: Batch,
    labels: Sequence[Labels],
) -> dict[str, tuple[Overlaps, Tensor]]:
    """Step 4, for one batch and all blocks."""
    images = len(batch.images)
    return {
        block: found.look(collection.cells(block, batch.number), images, labels)
        for block, found in blocks.items()
    }
