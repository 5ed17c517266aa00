"""Presence probes: linear readings of a block that say whether a concept is at a position.

A unit labelled "polka dotted" also fires for other things; a probe looks at all units of its block
at once, and is asked before anything is put down to the concept. One ridge regression per concept
and block, on the activations at each position of a map:

    1. fit      images that fit: Σ a aᵀ (one for each set of categories that images are annotated
                with) and Σ a y; y is whether the concept labels the position's middle
    2. solve    one regression per concept, over the images annotated with its category
    3. score    images held out: what the probes say there, counted in histograms
    4. levels   half of the held-out images choose the level above which a probe says "there"
                (`presence_scores`), the other half state how good it is

All sums are exact: float64 sums of multiples of 2⁻²⁴, and integers. So they may be added in any
order, on any number of machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ..engine.tensors import select_images
from ..engine.workers import single_threaded
from .probe_scores import Histograms
from .ridge import Ridge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from .batch_labels import Labels

POSITIONS = 98
"""Positions looked at in each image, at the most; random ones, others in each batch."""
_GRAIN = 2.0**24


class Places(NamedTuple):
    """Some positions of a batch's maps and what labels them.

    Attributes:
        values: float32 (images, positions, units), activations.
        there: bool (concepts, images, positions), whether the concept labels the position.
        annotated: bool (images, categories); on the processor.
        number: int64 (images,), which images of the batch they are; on the processor.
    """

    values: Tensor
    there: Tensor
    annotated: Tensor
    number: Tensor


class Sums(NamedTuple):
    """What some images add to the sums of a block; exact, in whole units of 1 / `_GRAIN`.

    Attributes:
        squares: float64 (units + 1, units + 1), Σ a aᵀ, by the categories images are annotated for.
        products: float64 (concepts, units + 1), Σ a y.
    """

    squares: dict[tuple[bool, ...], Tensor]
    products: Tensor


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
        self._probes: Tensor | None = None
        self._histograms = Histograms(category)

    def sums(self, maps: Tensor, labels: Sequence[Labels], batch: int) -> Sums:
        """Step 1: what images add to the sums.

        Args:
            maps: float32 (images, units, height, width).
            labels: of these images.
            batch: number of the batch; with the seed, it chooses the positions.
        """
        squares: dict[tuple[bool, ...], Tensor] = {}
        products = torch.zeros_like(self._products)
        for places in self.places(maps, labels, batch):
            images, positions, units = places.values.shape
            ones = places.values.new_ones(images, positions, 1)
            values = torch.cat([places.values * self._scale, ones], dim=2)
            for key, rows in _alike(places.annotated).items():
                some = select_images(values, rows).view(-1, units + 1)
                square = _grained(some.T @ some)
                squares[key] = squares[key] + square if key in squares else square
            flat = values.view(images * positions, units + 1)
            on_gpu = maps.device.type != "cpu"
            products += _grained(summed(flat, places.there.flatten(1), dense=on_gpu))
        return Sums(squares, products)

    def fit(self, sums: Sums) -> None:
        """Step 1: take them in."""
        for key, square in sums.squares.items():
            if key in self._squares:
                self._squares[key] += square
            else:
                self._squares[key] = square
        self._products += sums.products

    def share(self, team: ProcessGroup) -> None:
        """Solve for what all members of the team have taken in."""
        keys = sorted({key for mine in team.all_gather(list(self._squares)) for key in mine})
        empty = self._products.new_zeros(2 * (self._products.shape[1],))
        squares = {key: team.all_reduce(self._squares.get(key, empty)) for key in keys}
        self._probes = self._solved(squares, team.all_reduce(self._products))

    def solve(self) -> Tensor:
        """Step 2: the probes, float32 (units + 1, concepts), the last row their constant.

        A probe says by how many standard deviations its reading exceeds the mean over all positions
        it was fitted on. Of a concept that labels none of these, or all, it is all zeros.
        """
        if self._probes is None:
            self._probes = self._solved(self._squares, self._products)
        return self._probes.T.float()

    def _solved(self, squares: Mapping[tuple[bool, ...], Tensor], products: Tensor) -> Tensor:
        probes = torch.zeros_like(products)
        groups: dict[tuple[tuple[bool, ...], ...], list[int]] = {}
        for category in sorted(set(self._category.tolist())):
            keys = tuple(sorted(key for key in squares if key[category]))
            groups.setdefault(keys, []).append(category)
        for keys, categories in groups.items():
            if keys:
                square = torch.stack([squares[key] for key in keys]).sum(dim=0) / _GRAIN
                mine = torch.isin(self._category, self._category.new_tensor(categories))
                with single_threaded():
                    probes[mine] = Ridge(square).probes(products[mine] / _GRAIN)
        probes[:, :-1] *= self._scale
        return probes

    def readings(self, held_out: Iterable[Places], first: int) -> Tensor:
        """Step 3: count what the probes say of images that were held out; as `Histograms` counts.

        Every other image of the run judges; `first` is the position of the batch's first one.
        """
        probes = self.solve()
        counts = self._histograms.none()
        for places in held_out:
            with single_threaded():  # on several, products may be summed in another order
                said = places.values @ probes[:-1] + probes[-1]
            half = (places.number + first) % 2
            counts += self._histograms.counted(said, places.there, places.annotated, half)
        return counts

    def score(self, readings: Tensor) -> None:
        """Step 3: take them in."""
        self._histograms.add(readings)

    def share_scores(self, team: ProcessGroup) -> None:
        """Make them those of all members of the team."""
        self._histograms.share(team)

    def state(self) -> State:
        """All that it has taken in, so far, of this process."""
        return {
            "keys": list(self._squares),
            "squares": [square.cpu() for square in self._squares.values()],
            "products": self._products.cpu(),
            "readings": self._histograms.counts.cpu(),
        }

    def load(self, state: State) -> None:
        """Go on from an earlier `state`."""
        device = self._products.device
        squares = (square.to(device) for square in state["squares"])
        self._squares = dict(zip(state["keys"], squares, strict=True))
        self._products = state["products"].to(device)
        self._histograms.add(state["readings"].to(device))

    def levels(self) -> pd.DataFrame:
        """Step 4: one row per concept, in their order; columns as in `Histograms.table`."""
        return self._histograms.table()

    def places(self, maps: Tensor, labels: Sequence[Labels], batch: int) -> Iterator[Places]:
        """Some positions of all images, in groups whose masks share a size; as `sums` has them."""
        height, width = maps.shape[2:]
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + batch)
        chosen = torch.randperm(height * width, generator=generator)[:POSITIONS].sort().values
        chosen = chosen.to(maps.device, non_blocking=True)
        values = maps.flatten(2).transpose(1, 2).index_select(1, chosen).float()
        for group in labels:
            yield Places(
                select_images(values, group.number),
                labelled(group, (height, width), chosen),
                group.present > 0,
                group.number,
            )


def labelled(labels: Labels, grid: tuple[int, int], chosen: Tensor) -> Tensor:
    """What labels the middles of some positions of a map; as `Places.there`.

    Args:
        labels: of some images.
        grid: height and width of the map.
        chosen: int64 (positions,), row · width + column.
    """
    height, width = grid
    rows = (2 * (chosen // width) + 1) * labels.height // (2 * height)
    columns = (2 * (chosen % width) + 1) * labels.width // (2 * width)
    images, concepts = labels.image_labels.shape
    planes = labels.planes.view(len(labels.planes), images, -1)
    at = planes[:, :, rows * labels.width + columns].flatten(1).long()
    there = torch.zeros(1 + concepts, at.shape[1], dtype=torch.bool, device=at.device)
    there = there.scatter_(0, at, True)[1:].view(concepts, images, len(chosen))
    return there.logical_or_(labels.image_labels.T.unsqueeze(2) > 0)


def summed(values: Tensor, there: Tensor, *, dense: bool) -> Tensor:
    """The sum of the values of the positions that each concept labels, float32 (concepts, units).

    Args:
        values: float32 (positions, units).
        there: bool (concepts, positions).
        dense: multiply by zeros and ones, as suits a GPU. (There products of sparse tensors have
            no fixed order, and bags took three times as long as they.)
    """
    if dense:
        return there.to(values.dtype) @ values
    counts = there.sum(dim=1)
    bags = counts.cumsum(0) - counts
    return nn.functional.embedding_bag(there.nonzero()[:, 1], values, bags, mode="sum")


def _alike(flags: Tensor) -> dict[tuple[bool, ...], Tensor]:
    """Rows of bool (images, categories) that are alike."""
    rows: dict[tuple[bool, ...], list[int]] = {}
    for row, each in enumerate(flags.tolist()):
        rows.setdefault(tuple(each), []).append(row)
    return {key: torch.tensor(numbers) for key, numbers in rows.items()}


def _grained(values: Tensor) -> Tensor:
    """In whole units of 1 / `_GRAIN`, float64."""
    return values.double().mul_(_GRAIN).round_()
