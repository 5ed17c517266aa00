"""Overlaps of units with concepts, counted in integers.

Per image, with M the mask of unit k:

    intersection[k, c]         += pixels of M labelled c (in each label map) + |M| if c labels the
                                  whole image
    activation_area[k, cat]    += |M| if the image counts for the category

An image counts for a category (anchor: NetDissect's `makeresult.py`, and -Lite's `tally_job`):
`paper`: it has any label of the category anywhere; `lite`: some such label lies inside M, or labels
the whole image; `unrestricted`: always.

Images held out (from the presence probes) are counted once more on their own, over the images
annotated with each category: they decide which names hold (`statistics.names`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..engine.tensors import bincount, divide
from ..statistics.permutation_null import BatchNull, NullCounts
from .cells import Pixels, mask_pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...settings import IouVariant
    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..statistics.batch_labels import BatchLabels
    from .cells import Cells, Grid


class HeldOutCounts(NamedTuple):
    """Counts of one block over the images held out.

    Attributes:
        intersection: int64 (units, concepts).
        activation_area: int64 (units, categories), mask pixels in images annotated with the
            category.
        squares: int64 (units, categories), the sum over these images of their mask pixels squared:
            how few images an area comes from.
    """

    intersection: Tensor
    activation_area: Tensor
    squares: Tensor


class UnitCounts(NamedTuple):
    """Counts of one block.

    Attributes:
        intersection: int64 (units, concepts).
        activation_area: int64 (units, categories).
        pixels: int64 (units,), mask pixels over all images.
        held_out: of the images held out.
        null: intersections with permuted labels.
    """

    intersection: Tensor
    activation_area: Tensor
    pixels: Tensor
    held_out: HeldOutCounts
    null: NullCounts

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All counts."""
        return *self[:3], *self.held_out, *self.null


class Overlaps:
    """Counts of one block, summed over images; `counts` as in `UnitCounts`."""

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
            null_samples: per concept, at least; 0 for none.
        """
        self._units = units
        self._category = category
        self._categories = categories
        self._iou = iou
        self._null_samples = null_samples
        self.counts = self._zeros()

    def _zeros(self) -> UnitCounts:
        units, concepts, device = self._units, len(self._category), self._category.device
        by_concept = self._category.new_zeros(units, concepts)
        by_category = self._category.new_zeros(units, self._categories)
        return UnitCounts(
            by_concept,
            by_category,
            self._category.new_zeros(units),
            HeldOutCounts(by_concept.clone(), by_category.clone(), by_category.clone()),
            NullCounts.zeros(units, concepts, self._null_samples, device),
        )

    def partial(
        self, groups: Iterable[tuple[Cells, BatchLabels]], grid: Grid, thresholds: Tensor
    ) -> UnitCounts:
        """Count a batch.

        Args:
            groups: images whose masks share a size: their cells, numbered as the images are in
                their labels, and their labels.
            grid: shape of the maps.
            thresholds: float32 (units,).
        """
        counts = self._zeros()
        for cells, labels in groups:
            self._count_group(counts, cells, grid, thresholds, labels)
        return counts

    def update(self, partial: UnitCounts) -> None:
        """Add what a batch adds."""
        for count, added in zip(self.counts.tensors, partial.tensors, strict=True):
            count.add_(added)

    def all_reduce(self, group: ProcessGroup) -> Overlaps:
        """Return the sum over all ranks."""
        total = Overlaps(
            self._units, self._category, self._categories, self._iou, self._null_samples
        )
        intersection, area, pixels, *others = map(group.all_reduce, self.counts.tensors)
        held_out, null = HeldOutCounts(*others[:3]), NullCounts(*others[3:])
        total.counts = UnitCounts(intersection, area, pixels, held_out, null)
        return total

    def state_dict(self) -> State:
        """Return this rank's counts, on the CPU."""
        return {"counts": [count.cpu() for count in self.counts.tensors]}

    def load_state_dict(self, state: State) -> None:
        """Replace the counts by those of an earlier `state_dict`."""
        for count, saved in zip(self.counts.tensors, state["counts"], strict=True):
            count.copy_(saved)

    def _count_group(
        self,
        counts: UnitCounts,
        cells: Cells,
        grid: Grid,
        thresholds: Tensor,
        labels: BatchLabels,
    ) -> None:
        images = len(labels.number)
        owners = images * grid.units
        area = torch.zeros(owners, dtype=torch.int64, device=cells.where.device)
        inside = torch.zeros(owners * self._categories, dtype=torch.bool, device=area.device)
        null = None
        if labels.segments is not None and labels.permutations is not None:
            null = BatchNull(counts.null, labels.segments, labels.permutations, labels.image_labels)
        held_out = labels.held_out.to(area.device, non_blocking=True)
        any_held_out = bool(labels.held_out.any())
        slots = labels.slots(grid.times)
        parts = mask_pixels(cells, grid, thresholds, labels.height, labels.width, slots=slots)
        for pixels in join_parts(parts, at_least=counts.intersection.numel()):
            area += bincount(pixels.owner, owners)
            image, unit = divide(pixels.owner, grid.units)
            row = unit * (len(self._category) + 1)
            tested = held_out.index_select(0, image) if any_held_out else None
            for label_map in labels.label_maps:
                label = label_map.index_select(0, pixels.position)
                self._count_labelled(counts.intersection, row + label)
                if tested is not None:
                    self._count_labelled(counts.held_out.intersection, (row + label)[tested])
                if self._iou == "lite":
                    self._mark_categories(pixels.owner, label, inside)
            if null:
                null.add(pixels.position, pixels.owner)
        area = area.view(images, grid.units)
        counts.pixels.add_(area.sum(dim=0))
        counts.intersection.add_(_integer_product(area, labels.image_labels))
        self._count_held_out(counts.held_out, area, labels)
        if null:
            counts.null.add(null.intersections)
        counts.activation_area.add_(self._activation_area(area, inside, labels))

    def _count_held_out(self, counts: HeldOutCounts, area: Tensor, labels: BatchLabels) -> None:
        """Count what image-level labels and areas (images, units) add to the images held out."""
        tested = labels.held_out.double().unsqueeze(1).to(area.device, non_blocking=True)
        annotated = labels.annotated.to(area.device, non_blocking=True) * tested
        counts.intersection.add_(_integer_product(area, labels.image_labels * tested))
        counts.activation_area.add_(_integer_product(area, annotated))
        counts.squares.add_(_integer_product(area * area, annotated))

    def _activation_area(self, area: Tensor, inside: Tensor, labels: BatchLabels) -> Tensor:
        """Count the mask pixels of images that count for each category, (units, categories)."""
        if self._iou == "lite":
            counted = inside.view(*area.shape, self._categories)
            counted |= (labels.image_labels @ self._one_hot() > 0).unsqueeze(1)
            return (counted * area.unsqueeze(2)).sum(dim=0)
        if self._iou == "paper":
            has_category = labels.has_category.to(area.device, non_blocking=True)
            return _integer_product(area, has_category)
        return area.sum(dim=0).unsqueeze(1)

    def _count_labelled(self, intersection: Tensor, counter: Tensor) -> None:
        """Count pixels, each at the row of its unit and the column of its concept + 1."""
        units, columns = len(intersection), len(self._category) + 1
        pixels = bincount(counter, units * columns)
        intersection.add_(pixels.view(units, columns)[:, 1:])

    def _mark_categories(self, owner: Tensor, label: Tensor, inside: Tensor) -> None:
        """Set where any label of a category lies inside a mask.

        Args:
            owner: int32 (pixels,), image · units + unit.
            label: int32 (pixels,), concept column + 1, 0 unlabelled.
            inside: bool (images · units · categories,), written to.
        """
        categories = self._categories + 1
        category = torch.cat([self._category.new_zeros(1), self._category + 1])
        owners = len(inside) // self._categories
        counter = owner.long() * categories + category.index_select(0, label)
        pixels = bincount(counter, owners * categories)
        inside |= (pixels.view(owners, categories)[:, 1:] > 0).reshape(-1)

    def _one_hot(self) -> Tensor:
        return torch.nn.functional.one_hot(self._category, self._categories).double()


def join_parts(parts: Iterable[Pixels], at_least: int) -> Iterator[Pixels]:
    """Yield pixels in parts of no fewer than `at_least`, but for the last.

    A count costs as much as it has counters, however few the pixels: with many concepts, small
    parts would spend their time on that.
    """
    waiting: list[Pixels] = []
    for part in parts:
        waiting.append(part)
        if sum(len(pixels.owner) for pixels in waiting) >= at_least:
            yield Pixels(*(torch.cat(columns) for columns in zip(*waiting, strict=True)))
            waiting = []
    if waiting:
        yield Pixels(*(torch.cat(columns) for columns in zip(*waiting, strict=True)))


def _integer_product(area: Tensor, flags: Tensor) -> Tensor:
    """Compute areaᵀ · flags, int64; float64 products are exact far beyond any pixel count."""
    return (area.double().T @ flags).round().long()
