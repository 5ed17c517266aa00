"""Overlap counts of units with concepts, in integers.

Per image, with M the mask of unit k:

    both[k, c]           += pixels of M labelled c (in each plane) + |M| if c labels the whole image
    activation[k, cat]   += |M| if the image counts for the category

An image counts for a category (anchor: NetDissect's `makeresult.py`, and -Lite's `tally_job`):
`paper`: it has any label of the category anywhere; `lite`: some such label lies inside M, or labels
the whole image; `unrestricted`: always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..engine.tensors import bincount, divided
from ..statistics.permutation_null import BatchChance, ChanceCounts
from .cells import Pixels, mask_pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...settings import IouVariant
    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..statistics.batch_labels import Labels
    from .cells import Cells, Grid


class Overlaps:
    """Counts of one block, summed over batches.

    Attributes:
        both: int64 (units, concepts).
        activation: int64 (units, categories).
        pixels: int64 (units,), mask pixels on over all images.
        chance: the same with swapped labels.
    """

    def __init__(
        self,
        units: int,
        category: Tensor,
        categories: int,
        iou: IouVariant,
        null_samples: int = 0,
    ) -> None:
        """Start at zero.

        Args:
            units: of the block.
            category: int64 (concepts,), each concept's category, on the device of the work.
            categories: how many there are.
            iou: which images count for a category.
            null_samples: null values per concept, at least; 0 for none.
        """
        device = category.device
        self._make = (units, category, categories, iou, null_samples)
        self.both = torch.zeros(units, len(category), dtype=torch.int64, device=device)
        self.activation = torch.zeros(units, categories, dtype=torch.int64, device=device)
        self.pixels = torch.zeros(units, dtype=torch.int64, device=device)
        self.chance = ChanceCounts(units, len(category), null_samples, device)
        self._category = category
        self._iou = iou

    def empty(self) -> Overlaps:
        """Others of the same kind, at zero."""
        return Overlaps(*self._make)

    @property
    def counts(self) -> tuple[Tensor, ...]:
        """All counts."""
        return self.both, self.activation, self.pixels, *self.chance.counts

    def merge(self, other: Overlaps) -> None:
        """Add what others have counted, of other images."""
        for mine, theirs in zip(self.counts, other.counts, strict=True):
            mine.add_(theirs)

    def share(self, team: ProcessGroup) -> None:
        """Make it the sum over the team."""
        for mine in self.counts:
            mine.copy_(team.all_reduce(mine))

    def state(self) -> State:
        """Its counts."""
        return {"counts": [each.cpu() for each in self.counts]}

    def load(self, state: State) -> None:
        """Go on from an earlier `state`."""
        for mine, kept in zip(self.counts, state["counts"], strict=True):
            mine.copy_(kept)

    def add(self, cells: Cells, grid: Grid, thresholds: Tensor, labels: Labels) -> None:
        """Count the images of `labels`, given their cells, numbered as the images are there."""
        images, categories = len(labels.number), self.activation.shape[1]
        owners = images * grid.units
        area = torch.zeros(owners, dtype=torch.int64, device=cells.where.device)
        inside = torch.zeros(owners * categories, dtype=torch.bool, device=area.device)
        chance = None
        if labels.segments is not None and labels.swapped is not None:
            chance = BatchChance(self.chance, labels.segments, labels.swapped, labels.image_labels)
        parts = mask_pixels(cells, grid, thresholds, labels.height, labels.width)
        for on in gathered(parts, at_least=self.both.numel()):
            area += bincount(on.owner, owners)
            row = divided(on.owner, grid.units)[1] * (len(self._category) + 1)
            for plane in labels.planes:
                label = plane.index_select(0, on.position)
                self._count(row + label)
                if self._iou == "lite":
                    self._mark(on.owner, label, inside)
            if chance:
                chance.add(on.position, on.owner)
        area = area.view(images, grid.units)
        self.pixels += area.sum(dim=0)
        self.both += _times(area, labels.image_labels)
        if chance:
            self.chance.add(chance.both)
        if self._iou == "lite":
            here = inside.view(images, grid.units, categories)
            here |= (labels.image_labels @ self._one_hot() > 0).unsqueeze(1)
            self.activation += (here * area.unsqueeze(2)).sum(dim=0)
        elif self._iou == "paper":
            self.activation += _times(area, labels.present.to(area.device, non_blocking=True))
        else:
            self.activation += area.sum(dim=0).unsqueeze(1)

    def _count(self, cell: Tensor) -> None:
        """Add pixels to `both`, each in the row of its unit and column of its concept + 1."""
        units, columns = len(self.both), len(self._category) + 1
        found = bincount(cell, units * columns)
        self.both += found.view(units, columns)[:, 1:]

    def _mark(self, owner: Tensor, label: Tensor, inside: Tensor) -> None:
        """Set where any label of a category lies inside a mask.

        Args:
            owner: int32 (pixels,), image · units + unit.
            label: int32 (pixels,), concept column + 1, 0 unlabelled.
            inside: bool (images · units · categories,), written to.
        """
        categories = self.activation.shape[1] + 1
        category = torch.cat([self._category.new_zeros(1), self._category + 1])
        owners = len(inside) // self.activation.shape[1]
        cell = owner.long() * categories + category.index_select(0, label)
        seen = bincount(cell, owners * categories)
        inside |= (seen.view(owners, categories)[:, 1:] > 0).reshape(-1)

    def _one_hot(self) -> Tensor:
        return torch.nn.functional.one_hot(self._category, self.activation.shape[1]).double()


def gathered(parts: Iterable[Pixels], at_least: int) -> Iterator[Pixels]:
    """Pixels in parts of no fewer than `at_least`, but for the last.

    A count costs as much as it has counters, however few the pixels: with many concepts, small
    parts would spend their time on that.
    """
    held: list[Pixels] = []
    for part in parts:
        held.append(part)
        if sum(len(each.owner) for each in held) >= at_least:
            yield Pixels(*(torch.cat(pieces) for pieces in zip(*held, strict=True)))
            held = []
    if held:
        yield Pixels(*(torch.cat(pieces) for pieces in zip(*held, strict=True)))


def _times(area: Tensor, flags: Tensor) -> Tensor:
    """areaᵀ · flags in integers, int64; float64 products are exact far beyond any pixel count."""
    return (area.double().T @ flags).round().long()
