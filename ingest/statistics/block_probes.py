"""Presence probes of one block: linear models that say whether a concept is at a position.

A unit labelled "polka dotted" also fires for other things; a probe reads all units of its block at
once, and is asked before anything is attributed to the concept. One ridge regression per concept
and block, on the activations at each position of a map:

    1. sums         images that fit: Σ a aᵀ (one for each set of categories that images are
                    annotated with) and Σ a y; y is whether the concept labels the position's center
    2. solve        one regression per concept, over the images annotated with its category; where
                    nobody was asked about a concept, its share elsewhere stands for y
    3. scores       held-out images: histograms of the probes' scores (`probe_scores`)
    4. thresholds   half of the held-out images choose the score above which the concept is
                    predicted, the other half state how good that is

All sums are exact: float64 sums of multiples of 2⁻²⁴, and integers. So they may be added in any
order, on any number of machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ..engine.tensors import select_images
from ..engine.workers import single_threaded
from .probe_scores import ScoreHistograms
from .ridge import Ridge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from .batch_labels import BatchLabels

POSITIONS = 98
"""Positions used of each image or annotated frame, at the most; random, others in each batch."""
_GRAIN = 2.0**24


class Positions(NamedTuple):
    """Positions of a batch's maps and what labels them.

    Attributes:
        values: float32 (images, positions, units), activations.
        labelled: bool (concepts, images, positions), whether the concept labels the position.
        annotated: bool (images, categories); on the CPU.
        unknown: as in `BatchLabels`.
        number: int64 (images,), which images of the batch they are; on the CPU.
    """

    values: Tensor
    labelled: Tensor
    annotated: Tensor
    unknown: Tensor | None
    number: Tensor

    def annotated_with(self, category: Tensor) -> Tensor:
        """Return whether images are annotated with concepts' categories, int64 (concepts,)."""
        return self.annotated.to(category.device, non_blocking=True)[:, category]


class ProbeSums(NamedTuple):
    """What images add to the sums of a block; exact, in whole units of 1 / `_GRAIN`.

    Attributes:
        squares: float64 (units + 1, units + 1), Σ a aᵀ, by the categories images are annotated
            with.
        products: float64 (concepts, units + 1), Σ a y.
        unknown: float64 (concepts, units + 1), Σ a where nobody was asked; None without such.
    """

    squares: dict[tuple[bool, ...], Tensor]
    products: Tensor
    unknown: Tensor | None


class BlockProbes:
    """The probes of one block: their sums, then the probes, then how good they are."""

    def __init__(self, units: int, category: Tensor, seed: int, scale: float = 1) -> None:
        """Start at zero.

        Args:
            units: of the block.
            category: int64 (concepts,), each concept's category, on the device of the work.
            seed: of the choice of positions.
            scale: a power of 2 that makes activations about 1, so that their sums stay exact: up to
                a sum of squares of 2²⁹.
        """
        self._category = category
        self._scale = scale
        self._seed = seed
        self._squares: dict[tuple[bool, ...], Tensor] = {}
        self._products = torch.zeros(
            len(category), units + 1, dtype=torch.float64, device=category.device
        )
        self._unknown = torch.zeros_like(self._products)
        self._solved: Tensor | None = None
        self.histograms = ScoreHistograms(len(category), category.device)

    def sums(self, maps: Tensor, labels: Sequence[BatchLabels], batch: int) -> ProbeSums:
        """Compute what images that fit the probes add to the sums (step 1).

        Args:
            maps: float32 (images, units, *grid).
            labels: of these images.
            batch: number of the batch; with the seed, it chooses the positions.
        """
        squares: dict[tuple[bool, ...], Tensor] = {}
        products = torch.zeros_like(self._products)
        unknown = None if labels[0].unknown is None else torch.zeros_like(products)
        for positions in self.positions(maps, labels, batch):
            images, count, units = positions.values.shape
            ones = positions.values.new_ones(images, count, 1)
            values = torch.cat([positions.values * self._scale, ones], dim=2)
            for key, rows in _group_equal_rows(positions.annotated).items():
                members = select_images(values, rows).view(-1, units + 1)
                square = _to_grains(members.T @ members)
                squares[key] = squares[key] + square if key in squares else square
            if unknown is not None and positions.unknown is not None:
                counted = positions.unknown & positions.annotated_with(self._category)
                unknown += _to_grains(counted.T.to(values.dtype) @ values.sum(dim=1))
            flat = values.view(images * count, units + 1)
            dense = maps.device.type != "cpu"
            products += _to_grains(sum_labelled(flat, positions.labelled.flatten(1), dense=dense))
        return ProbeSums(squares, products, unknown)

    def add_sums(self, sums: ProbeSums) -> None:
        """Add what images add."""
        for key, square in sums.squares.items():
            if key in self._squares:
                self._squares[key] += square
            else:
                self._squares[key] = square
        self._products += sums.products
        if sums.unknown is not None:
            self._unknown += sums.unknown

    def solve(self, group: ProcessGroup) -> None:
        """Solve for the probes, from the sums of all ranks (step 2).

        A probe's score is how many standard deviations it exceeds its mean over all positions it
        was fitted on. Of a concept that labels none of these, or all, it is 0 everywhere.
        """
        keys = sorted({key for keys in group.all_gather(list(self._squares)) for key in keys})
        empty = self._products.new_zeros(2 * (self._products.shape[1],))
        squares = {key: group.all_reduce(self._squares.get(key, empty)) for key in keys}
        products, unknown = (group.all_reduce(sums) for sums in (self._products, self._unknown))
        self._solved = self._solve(squares, products, unknown)

    @property
    def probes(self) -> Tensor:
        """float32 (units + 1, concepts), once solved; the last row is their constant."""
        if self._solved is None:
            message = "the probes are not solved yet"
            raise RuntimeError(message)
        return self._solved.T.float()

    def _solve(
        self, squares: Mapping[tuple[bool, ...], Tensor], products: Tensor, unknown: Tensor
    ) -> Tensor:
        probes = torch.zeros_like(products)
        groups: dict[tuple[tuple[bool, ...], ...], list[int]] = {}
        for category in sorted(set(self._category.tolist())):
            keys = tuple(sorted(key for key in squares if key[category]))
            groups.setdefault(keys, []).append(category)
        for keys, categories in groups.items():
            if keys:
                square = torch.stack([squares[key] for key in keys]).sum(dim=0) / _GRAIN
                members = torch.isin(self._category, self._category.new_tensor(categories))
                right, unasked = products[members] / _GRAIN, unknown[members] / _GRAIN
                asked = (square[-1, -1] - unasked[:, -1:]).clamp(min=1)
                right += right[:, -1:] / asked * unasked
                with single_threaded():
                    probes[members] = Ridge(square).solve(right)
        probes[:, :-1] *= self._scale
        return probes

    def scores(self, held_out: Iterable[Positions], first: int) -> Tensor:
        """Count the scores of held-out images, as `ScoreHistograms` does (step 3).

        Every other image of the run tests; `first` is the position of the batch's first one.
        """
        probes = self.probes
        counts = torch.zeros_like(self.histograms.counts)
        for positions in held_out:
            with single_threaded():  # on several, products may be summed in another order
                scores = positions.values @ probes[:-1] + probes[-1]
            half = (positions.number + first) % 2
            counted = positions.annotated_with(self._category)
            if positions.unknown is not None:
                counted &= ~positions.unknown
            counts += self.histograms.partial(scores, positions.labelled, counted, half)
        return counts

    def state_dict(self) -> State:
        """Return this rank's sums and histograms, on the CPU."""
        return {
            "keys": list(self._squares),
            "squares": [square.cpu() for square in self._squares.values()],
            "products": self._products.cpu(),
            "unknown": self._unknown.cpu(),
            "histograms": self.histograms.counts.cpu(),
        }

    def load_state_dict(self, state: State) -> None:
        """Replace sums and histograms by those of an earlier `state_dict`."""
        device = self._products.device
        squares = (square.to(device) for square in state["squares"])
        self._squares = dict(zip(state["keys"], squares, strict=True))
        self._products = state["products"].to(device)
        self._unknown = state["unknown"].to(device)
        self.histograms.counts = state["histograms"].to(device)

    def quality(self) -> pd.DataFrame:
        """Return one row per concept, in their order; columns as in `ScoreHistograms.table`."""
        return self.histograms.table()

    def positions(
        self, maps: Tensor, labels: Sequence[BatchLabels], batch: int
    ) -> Iterator[Positions]:
        """Yield positions of all images, in groups whose masks share a size; as for `sums`."""
        *times, height, width = maps.shape[2:]
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + batch)
        chosen = torch.randperm(height * width, generator=generator)[:POSITIONS].sort().values
        chosen = chosen.to(maps.device, non_blocking=True)
        everywhere = maps.flatten(2).transpose(1, 2)
        values = everywhere if times else everywhere.index_select(1, chosen).float()
        for group in labels:
            of_group = select_images(values, group.number)
            slots = group.slots(times[0] if times else None)
            if slots is not None:
                place = (slots.unsqueeze(2) * (height * width) + chosen).flatten(1)
                image = torch.arange(len(place), device=place.device).unsqueeze(1)
                of_group = of_group[image, place].float()
            yield Positions(
                of_group,
                labelled_positions(group, (height, width), chosen),
                group.has_category > 0,
                group.unknown,
                group.number,
            )


def labelled_positions(labels: BatchLabels, grid: tuple[int, int], chosen: Tensor) -> Tensor:
    """Return what labels the centers of positions of a map; as `Positions.labelled`.

    Args:
        labels: of images; of a clip, positions of each annotated frame follow one another.
        grid: height and width of the map.
        chosen: int64 (positions,), row · width + column.
    """
    height, width = grid
    frames = 1 if labels.centers is None else labels.centers.shape[1]
    rows = (2 * (chosen // width) + 1) * (labels.height // frames) // (2 * height)
    columns = (2 * (chosen % width) + 1) * labels.width // (2 * width)
    pixels = labels.height * labels.width
    first = torch.arange(frames, device=chosen.device).unsqueeze(1) * (pixels // frames)
    places = (first + rows * labels.width + columns).view(-1)
    images, concepts = labels.image_labels.shape
    label_maps = labels.label_maps.view(-1, images, pixels)
    centers = label_maps[:, :, places].flatten(1).long()
    labelled = torch.zeros(1 + concepts, centers.shape[1], dtype=torch.bool, device=centers.device)
    labelled = labelled.scatter_(0, centers, True)[1:].view(concepts, images, len(places))
    return labelled.logical_or_(labels.image_labels.T.unsqueeze(2) > 0)


def sum_labelled(values: Tensor, labelled: Tensor, *, dense: bool) -> Tensor:
    """Sum the values of the positions that each concept labels, float32 (concepts, units).

    Args:
        values: float32 (positions, units).
        labelled: bool (concepts, positions).
        dense: multiply by zeros and ones, as suits a GPU. (There products of sparse tensors have
            no fixed order, and bags took three times as long as they.)
    """
    if dense:
        return labelled.to(values.dtype) @ values
    counts = labelled.sum(dim=1)
    bags = counts.cumsum(0) - counts
    return nn.functional.embedding_bag(labelled.nonzero()[:, 1], values, bags, mode="sum")


def _group_equal_rows(flags: Tensor) -> dict[tuple[bool, ...], Tensor]:
    """Group the rows of bool (images, categories) that are equal."""
    rows: dict[tuple[bool, ...], list[int]] = {}
    for number, row in enumerate(flags.tolist()):
        rows.setdefault(tuple(row), []).append(number)
    return {key: torch.tensor(numbers) for key, numbers in rows.items()}


def _to_grains(values: Tensor) -> Tensor:
    """Convert to whole units of 1 / `_GRAIN`, float64."""
    return values.double().mul_(_GRAIN).round_()
