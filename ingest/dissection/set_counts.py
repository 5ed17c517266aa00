"""Mask pixels of units by label set, for formulas.

Of the images that formulas are chosen on, pixels are summed over the images, once with their own
labels and, of the pixels that null samples count, once more for each draw of the permutation null,
whose first is with their own labels, too. Of the images held out they are kept image by image.

    group 0            the images chosen on
    group 1 + draw     the same, with permuted labels
    group 1 + draws …  1 + draws + position among the images held out

Counts are sparse, rows of unit, group, set and pixels, in files by ranges of units: memory is
bounded by the rows of one range, and does not grow with the number of images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..engine.tensors import bincount, divide
from ..statistics.label_sets import LabelSets, SetAreas
from ..statistics.permutation_null import (
    MOMENT_DRAWS,
    counted_step,
    label_permutations,
    label_segments,
    null_draws,
    permutation_of_units,
)
from .cells import Cells, Grid, cells_of_images, find_cells, mask_pixels
from .overlaps import join_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..statistics.batch_labels import BatchLabels

    Integers = NDArray[np.int64]

UNITS_PER_FILE = 32
WAITING = 1 << 21
"""Rows that wait in memory before they go to the files, 16 bytes each."""
PIXELS = 1 << 20
"""Mask pixels that are counted at a time, at least."""
DENSE = 1 << 22
"""Counters up to which pixels are counted by counters, and not by sorting."""


class SetRows(NamedTuple):
    """Rows of counts; each int64 (rows,)."""

    unit: Integers
    group: Integers
    set: Integers
    pixels: Integers


class UnitRows:
    """Rows of one block, kept in files by ranges of units."""

    def __init__(self, folder: Path, units: int, groups: int) -> None:
        """Start without rows; `groups` is how many groups there are."""
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [folder / str(n) for n in range(-(-units // UNITS_PER_FILE))]
        self._groups = groups
        self._waiting: list[tuple[Integers, Integers]] = []
        self.units = units

    def append(self, rows: SetRows) -> None:
        """Add rows."""
        key = (rows.unit * self._groups + rows.group) << 32 | rows.set
        self._waiting.append((key, rows.pixels))
        if sum(len(waiting) for waiting, _ in self._waiting) > WAITING:
            self._write()

    def _write(self) -> None:
        key, pixels = _added(self._waiting)
        self._waiting = []
        limits = np.arange(1, len(self._files)) * UNITS_PER_FILE * self._groups << 32
        for file, *part in zip(
            self._files, *(np.split(v, np.searchsorted(key, limits)) for v in (key, pixels)),
            strict=True,
        ):  # fmt: skip
            with file.open("ab") as stream:
                stream.write(np.stack(part, axis=1).tobytes())

    def read(self) -> Iterator[tuple[int, SetRows]]:
        """Yield the rows of each unit that has any, by group and set, each once."""
        self._write()
        for file in self._files:
            stored = np.fromfile(file, np.int64).reshape(-1, 2)
            key, pixels = _added([(stored[:, 0], stored[:, 1])])
            place = key >> 32
            unit, group = place // self._groups, place % self._groups
            units, starts = np.unique(unit, return_index=True)
            columns = (unit, group, key & 0xFFFFFFFF, pixels)
            split = [np.split(column, starts[1:]) for column in columns]
            yield from (
                (int(number), SetRows(*parts))
                for number, *parts in zip(units, *split, strict=False)
            )


def _added(rows: Sequence[tuple[Integers, Integers]]) -> tuple[Integers, Integers]:
    """Return each key once, ascending, with the sum of its pixels."""
    key = np.concatenate([np.zeros(0, np.int64), *(part for part, _ in rows)])
    pixels = np.concatenate([np.zeros(0, np.int64), *(part for _, part in rows)])
    order = np.argsort(key, kind="stable")
    key, pixels = key[order], pixels[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    return key[starts], np.add.reduceat(pixels, starts) if len(starts) else pixels


class BatchSets(NamedTuple):
    """The label sets of images of a batch whose masks share one size.

    Attributes:
        sets: the different ones, each by its concepts, ascending columns.
        of_pixel: int64 (images, height · width), their positions in `sets`.
    """

    sets: list[tuple[int, ...]]
    of_pixel: Tensor


def batch_sets(labels: BatchLabels, terms: Tensor) -> BatchSets:
    """Find the label sets of a batch.

    Args:
        labels: of the images.
        terms: bool (concepts,), concepts that formulas may have; others are no labels.
    """
    images, concepts = labels.image_labels.shape
    kept = torch.cat([terms.new_zeros(1), terms])
    label_maps = labels.label_maps * kept[labels.label_maps.long()]
    shape = (images, labels.height, labels.width)
    segments = label_segments(label_maps, *shape, concepts, step=1)
    patterns, pattern = torch.unique((labels.image_labels > 0) & terms, dim=0, return_inverse=True)
    code = segments.segment * len(patterns) + pattern.unsqueeze(1)
    code, of_pixel = torch.unique(code, return_inverse=True)
    columns = (segments.concepts[:, code // len(patterns)] - 1).T.tolist()
    whole = [row.nonzero().squeeze(1).tolist() for row in patterns.cpu()]
    sets = [
        tuple(sorted({*(c for c in of_maps if c >= 0), *whole[number]}))
        for of_maps, number in zip(columns, (code % len(patterns)).tolist(), strict=True)
    ]
    return BatchSets(sets, of_pixel)


class GroupCounts(NamedTuple):
    """What images of a batch whose masks share one size add; sets by position in `sets`.

    Attributes:
        sets: as in `BatchSets`.
        chosen_area: int64 (sets,), pixels of the images chosen on.
        null_area: int64 (sets,), those of them that null samples count.
        held_out_area: rows of the images held out, without units.
        rows: by block.
    """

    sets: list[tuple[int, ...]]
    chosen_area: Integers
    null_area: Integers
    held_out_area: SetRows
    rows: dict[str, list[SetRows]]


class SetCounts:
    """Counts of all blocks by label set.

    Attributes:
        sets: the label sets met so far.
        rows: counts of each block.
        draws: of the null of each block, the first with the images' own labels.
        held_out: rows of the images held out, unit 0.
    """

    def __init__(
        self,
        sets: LabelSets,
        terms: Tensor,
        thresholds: Mapping[str, Tensor],
        fitted: int,
        images: int,
        null_samples: int,
        folder: Path,
    ) -> None:
        """Start without pixels.

        Args:
            sets: empty.
            terms: bool (concepts,), concepts that formulas may have.
            thresholds: of each block, float32 (units,); infinite where a unit is not counted.
            fitted: images of the run that formulas are chosen on, the first ones.
            images: of the run.
            null_samples: of each block, at least.
            folder: for the files.
        """
        self.sets, self._terms, self._thresholds, self._fitted = sets, terms, thresholds, fitted
        self.draws = {
            block: 1 + null_draws(len(limits), null_samples) + MOMENT_DRAWS
            for block, limits in thresholds.items()
        }
        held_out = images - fitted
        self.rows = {
            block: UnitRows(folder / block, len(limits), 1 + self.draws[block] + held_out)
            for block, limits in thresholds.items()
        }
        self._areas = [np.zeros(0, np.int64), np.zeros(0, np.int64)]
        self._held_out_area = UnitRows(folder / "areas", 1, held_out)

    def partial(
        self, maps: Mapping[str, Tensor], labels: Sequence[BatchLabels], first: int
    ) -> list[GroupCounts]:
        """Count a batch whose first image has the place `first` in the run."""
        found = []
        cells = {block: find_cells(maps[block], self._thresholds[block])[0] for block in self.rows}
        for number, group in enumerate(labels):
            sets = batch_sets(group, self._terms)
            counter = _GroupCounter(group, sets, first, number)
            rows = {}
            for block, thresholds in self._thresholds.items():
                grid = Grid.of(maps[block])
                part = cells[block]
                if len(labels) > 1:
                    part = cells_of_images(part, grid, group.number.to(part.where.device))
                rows[block] = self._count(block, counter, part, grid, thresholds)
            found.append(
                GroupCounts(sets.sets, *counter.chosen_areas(), self._held_out_rows(counter), rows)
            )
        return found

    def _held_out_rows(self, counter: _GroupCounter) -> SetRows:
        image, label_set, pixels = counter.held_out_areas()
        group = counter.place[image] - self._fitted
        return SetRows(np.zeros_like(image), group, label_set, pixels)

    def _count(
        self, block: str, counter: _GroupCounter, cells: Cells, grid: Grid, thresholds: Tensor
    ) -> list[SetRows]:
        draws = self.draws[block]
        owner, label_set, pixels, null = counter.count(cells, grid, thresholds, draws)
        image, unit = np.divmod(owner, grid.units)
        place = counter.place[image]
        group = np.where(place < self._fitted, 0, 1 + draws + place - self._fitted)
        return [SetRows(unit, group, label_set, pixels), null]

    def update(self, partial: Sequence[GroupCounts]) -> None:
        """Add what a batch adds."""
        for counts in partial:
            number = self.sets.numbers(counts.sets)
            for place, added in enumerate((counts.chosen_area, counts.null_area)):
                area = np.zeros(len(self.sets), np.int64)
                area[: len(self._areas[place])] = self._areas[place]
                np.add.at(area, number, added)
                self._areas[place] = area
            area_rows = counts.held_out_area
            self._held_out_area.append(area_rows._replace(set=number[area_rows.set]))
            for block, parts in counts.rows.items():
                for rows in parts:
                    self.rows[block].append(rows._replace(set=number[rows.set]))

    def areas(self) -> tuple[SetAreas, SetAreas, SetRows]:
        """Return areas of the images chosen on, of their pixels that null samples count, and rows.

        The rows are those of the images held out: `group` is the image, `unit` is 0.
        """
        members = self.sets.members()
        chosen, null = (
            SetAreas(members, np.pad(area, (0, len(members) - len(area)))) for area in self._areas
        )
        empty = np.zeros(0, np.int64)
        rows = [rows for _, rows in self._held_out_area.read()]
        return chosen, null, rows[0] if rows else SetRows(empty, empty, empty, empty)


class _GroupCounter:
    """Counts the mask pixels of images of one batch whose masks share one size."""

    def __init__(self, labels: BatchLabels, sets: BatchSets, first: int, group: int) -> None:
        device = sets.of_pixel.device
        self.place = first + labels.number.numpy()
        self._size, self._labels = (labels.height, labels.width), labels
        self._sets, self._of_pixel = len(sets.sets), sets.of_pixel
        self._is_chosen = ~labels.held_out.to(device)
        chosen = (~labels.held_out).nonzero().squeeze(1)
        self._any_chosen = len(chosen) > 0
        step = counted_step(*self._size)
        counted = torch.zeros(self._size, dtype=torch.bool, device=device)
        counted[::step, ::step] = True
        self._counted = counted.view(-1)
        self._orders = torch.arange(len(labels.number)).unsqueeze(0)
        if self._any_chosen:
            has_category = labels.has_category[chosen].numpy()
            permutations = torch.from_numpy(label_permutations(has_category, (first, group)))
            orders = self._orders.repeat(1 + len(permutations), 1)
            orders[1:, chosen] = chosen[permutations]
            self._orders = orders
        self._orders = self._orders.to(device)

    def chosen_areas(self) -> tuple[Integers, Integers]:
        """Return the pixels of each set in images chosen on, and those that null samples count."""
        of_chosen = self._of_pixel[self._is_chosen]
        return tuple(
            bincount(part.reshape(-1), self._sets).cpu().numpy()
            for part in (of_chosen, of_chosen[:, self._counted])
        )  # type: ignore[return-value]

    def held_out_areas(self) -> tuple[Integers, Integers, Integers]:
        """Return image, set and pixels of the images held out."""
        images = (~self._is_chosen).nonzero().squeeze(1)
        code = self._of_pixel[images] + images.unsqueeze(1) * self._sets
        code, pixels = torch.unique(code, return_counts=True)
        image, label_set = (part.cpu().numpy() for part in divide(code, self._sets))
        return image, label_set, pixels.cpu().numpy()

    def count(
        self, cells: Cells, grid: Grid, thresholds: Tensor, draws: int
    ) -> tuple[Integers, Integers, Integers, SetRows]:
        """Count the mask pixels of a block.

        Returns:
            Owner (image · units + unit), set and pixels, of all images; and the rows of the null
            samples.
        """
        turns = permutation_of_units(grid.units, draws - 1).to(cells.where.device)
        own, null = _Counter(), [_Counter() for _ in range(draws)]
        height, width = self._size
        flat, size = self._of_pixel.view(-1), height * width
        slots = self._labels.slots(grid.times)
        parts = mask_pixels(cells, grid, thresholds, height, width, slots=slots)
        for position, owner in join_parts(parts, at_least=PIXELS):
            own.add(owner.long() * self._sets + flat.index_select(0, position))
            if not self._any_chosen:
                continue
            image, unit = divide(owner.long(), grid.units)
            place = position - image * size
            counted = self._counted.index_select(0, place) & self._is_chosen.index_select(0, image)
            kept = counted.nonzero().squeeze(1)
            image, unit, place = (part.index_select(0, kept) for part in (image, unit, place))
            for turn, counter in zip(turns, null, strict=True):
                labels_of = self._orders[turn.index_select(0, unit), image]
                code = flat.index_select(0, labels_of * size + place) + unit * self._sets
                counter.add(code, grid.units * self._sets)
        rows = [self._rows(counter) for counter in null]
        group = np.repeat(np.arange(1, draws + 1), [len(unit) for unit, _, _ in rows])
        unit_of_null, set_of_null, null_pixels = (
            np.concatenate(column) for column in zip(*rows, strict=True)
        )
        return *self._rows(own), SetRows(unit_of_null, group, set_of_null, null_pixels)

    def _rows(self, counter: _Counter) -> tuple[Integers, Integers, Integers]:
        code, pixels = counter.result()
        row, label_set = np.divmod(code, self._sets)
        return row, label_set, pixels


class _Counter:
    """Counts how often each number occurs."""

    def __init__(self) -> None:
        self._parts: list[tuple[Integers, Integers]] = []

    def add(self, code: Tensor, size: int | None = None) -> None:
        """Count numbers, int64 (n,); `size`: all are below it."""
        if size is not None and size <= DENSE:
            counts = bincount(code, size)
            numbers = counts.nonzero().squeeze(1)
            counts = counts[numbers]
        else:
            numbers, counts = torch.unique(code, return_counts=True)
        self._parts.append((numbers.cpu().numpy(), counts.cpu().numpy()))

    def result(self) -> tuple[Integers, Integers]:
        """Return the numbers that occur, ascending, and how often."""
        return _added(self._parts)
