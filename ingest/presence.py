"""Presence probes: linear readings of a block that say whether a concept is at a position.

A unit labelled "polka dotted" also fires for other things; a probe looks at all units of its block
at once, and is asked before anything is put down to the concept. One ridge regression per concept
and block, on the activations at each position of a map:

    1. add      images that fit: Σ a aᵀ (one for each set of categories that images are annotated
                with) and Σ a y; y is whether the concept labels the position's middle
    2. solve    one regression per concept, over the images annotated with its category
    3. add      images held out: what the probes say there, counted in histograms
    4. levels   half of the held-out images choose the level above which a probe says "there"
                (`presence_scores`), the other half state how good it is

All sums are exact: float64 sums of multiples of 2⁻²⁴, and integers. So they may be added in any
order, on any number of machines.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .presence_scores import Histograms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from .counting import Labels

RIDGE = 0.01
"""Ridge penalty, where every unit's activation has variance 1."""
POSITIONS = 98
"""Positions looked at in each image, at the most; random ones, others in each batch."""
_GRAIN = 2.0**24
_STEADY = 1e-6  # variance, in units of 1 + mean², that is no more than rounding


class Places(NamedTuple):
    """Some positions of a batch's maps and what labels them.

    Attributes:
        values: float32 (images, positions, units), activations.
        found: int64 (n,), concept · images · positions + image · positions + position, for each
            concept that labels a position; ascending.
        annotated: bool (images, categories).
        number: int64 (images,), which images of the batch they are.
    """

    values: Tensor
    found: Tensor
    annotated: Tensor
    number: Tensor


class BlockProbes:
    """The probes of one block: their sums, then the probes, then how good they are."""

    def __init__(self, units: int, category: Tensor, seed: int) -> None:
        """Start at zero.

        Args:
            units: of the block.
            category: int64 (concepts,), each concept's category, on the device of the work.
            seed: of the choice of positions.
        """
        self._category = category
        self._seed = seed
        self._squares: dict[tuple[bool, ...], Tensor] = {}
        self._products = torch.zeros(
            len(category), units + 1, dtype=torch.float64, device=category.device
        )
        self._probes: Tensor | None = None
        self._histograms = Histograms(category)

    def fit(self, maps: Tensor, labels: Sequence[Labels], batch: int) -> None:
        """Step 1: add images to the sums.

        Args:
            maps: float32 (images, units, height, width).
            labels: of these images.
            batch: number of the batch; with the seed, it chooses the positions.
        """
        for places in self._places(maps, labels, batch):
            images, positions, units = places.values.shape
            ones = places.values.new_ones(images, positions, 1)
            values = torch.cat([places.values, ones], dim=2)
            for key, rows in _alike(places.annotated).items():
                some = values[rows].view(-1, units + 1)
                square = self._squares.setdefault(
                    key, torch.zeros(units + 1, units + 1, dtype=torch.float64, device=maps.device)
                )
                square += _grained(some.T @ some)
            size = images * positions
            index = torch.stack([places.found // size, places.found % size])
            weights = torch.ones(len(places.found), device=maps.device)
            shape = (len(self._category), size)
            flags = torch.sparse_coo_tensor(
                index, weights, shape, is_coalesced=True, check_invariants=False
            )
            self._products += _grained(torch.sparse.mm(flags, values.view(size, units + 1)))

    def solve(self) -> Tensor:
        """Step 2: the probes, float32 (units + 1, concepts), the last row their constant.

        A probe says by how many standard deviations its reading exceeds the mean over all positions
        it was fitted on. Of a concept that labels none of these, or all, it is all zeros.
        """
        if self._probes is None:
            self._probes = torch.zeros_like(self._products)
            groups: dict[tuple[tuple[bool, ...], ...], list[int]] = {}
            for category in sorted(set(self._category.tolist())):
                keys = tuple(key for key in self._squares if key[category])
                groups.setdefault(keys, []).append(category)
            for keys, categories in groups.items():
                if keys:
                    square = torch.stack([self._squares[key] for key in keys]).sum(dim=0) / _GRAIN
                    mine = torch.isin(self._category, self._category.new_tensor(categories))
                    self._probes[mine] = _Solver(square).probes(self._products[mine] / _GRAIN)
        return self._probes.T.float()

    def score(self, maps: Tensor, labels: Sequence[Labels], batch: int, first: int) -> None:
        """Step 3: count what the probes say of images that were held out, as in `fit`.

        Every other image of the run judges; `first` is the position of the batch's first one.
        """
        probes = self.solve()
        for places in self._places(maps, labels, batch):
            said = places.values @ probes[:-1] + probes[-1]
            half = (places.number + first) % 2
            self._histograms.add(said, places.found, places.annotated, half)

    def levels(self) -> pd.DataFrame:
        """Step 4: one row per concept, in their order; columns as in `Histograms.table`."""
        return self._histograms.table()

    def _places(self, maps: Tensor, labels: Sequence[Labels], batch: int) -> Iterator[Places]:
        """Some positions of all images, in groups whose masks share a size."""
        height, width = maps.shape[2:]
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + batch)
        chosen = torch.randperm(height * width, generator=generator)[:POSITIONS].sort().values
        chosen = chosen.to(maps.device)
        values = maps.permute(0, 2, 3, 1).reshape(len(maps), height * width, -1)[:, chosen]
        for group in labels:
            yield Places(
                values[group.number] if len(group.number) < len(maps) else values,
                labelled(group, (height, width), chosen),
                group.present > 0,
                group.number,
            )


class PresenceProbes:
    """The probes of all blocks, filled as the block outputs of a run go by.

    Attributes:
        blocks: probes by block, once its first output has been seen.
        seconds: spent on them so far.
    """

    def __init__(self, fitted: int, category: Tensor, seed: int) -> None:
        """Prepare.

        Args:
            fitted: the first so many images fit the probes; the others are held out.
            category: int64 (concepts,), each concept's category, on the device of the work.
            seed: of the choice of positions.
        """
        self._fitted = fitted
        self._category = category
        self._seed = seed
        self.blocks: dict[str, BlockProbes] = {}
        self.seconds = 0.0

    def watch(
        self, outputs: Iterable[Mapping[str, Tensor]], labels: Iterable[list[Labels]]
    ) -> Iterator[Mapping[str, Tensor]]:
        """Pass the outputs of all batches on, having looked at them.

        Args:
            outputs: float32 (images, units, height, width) by block, batch by batch.
            labels: of the same batches.
        """
        first = 0
        for batch, (maps, groups) in enumerate(zip(outputs, labels, strict=True)):
            begun = time.perf_counter()
            images = len(next(iter(maps.values())))
            fit, held_out = _parted(groups, self._fitted - first)
            for block, values in maps.items():
                if block not in self.blocks:
                    units = values.shape[1]
                    self.blocks[block] = BlockProbes(units, self._category, self._seed)
                if fit:
                    self.blocks[block].fit(values, fit, batch)
                if held_out:
                    self.blocks[block].score(values, held_out, batch, first)
            first += images
            self.seconds += time.perf_counter() - begun
            yield maps


class _Solver:
    """Ridge regressions that share their positions."""

    def __init__(self, square: Tensor) -> None:
        """Factorise.

        Args:
            square: float64 (units + 1, units + 1), Σ a aᵀ with a constant 1 behind each a.
        """
        self._positions = square[-1, -1]
        self._mean = square[-1, :-1] / self._positions
        self._covariance = square[:-1, :-1] / self._positions - torch.outer(self._mean, self._mean)
        variance = self._covariance.diagonal()
        steady = variance <= _STEADY * (1 + self._mean**2)
        self._spread = torch.where(steady, torch.inf, variance.clamp(min=0).sqrt())
        scaled = self._covariance / torch.outer(self._spread, self._spread)
        scaled.diagonal().add_(RIDGE)
        self._factors = torch.linalg.lu_factor(scaled)

    def probes(self, products: Tensor) -> Tensor:
        """Probes (concepts, units + 1) of Σ a y, likewise; zeros where nothing can be read."""
        share = products[:, -1:] / self._positions
        slopes = (products[:, :-1] / self._positions - share * self._mean) / self._spread
        weights = torch.linalg.lu_solve(*self._factors, slopes.T).T / self._spread
        variance = ((weights @ self._covariance) * weights).sum(dim=1, keepdim=True)
        told_apart = (share > 0) & (share < 1) & (variance > 0)
        weights = torch.where(told_apart, weights / variance.clamp(min=1e-30).sqrt(), 0.0)
        return torch.cat([weights, -(weights @ self._mean)[:, None]], dim=1)


def labelled(labels: Labels, grid: tuple[int, int], chosen: Tensor) -> Tensor:
    """What labels the middles of some positions of a map; as `Places.found`.

    Args:
        labels: of some images.
        grid: height and width of the map.
        chosen: int64 (positions,), row · width + column.
    """
    height, width = grid
    rows = (2 * (chosen // width) + 1) * labels.height // (2 * height)
    columns = (2 * (chosen % width) + 1) * labels.width // (2 * width)
    images, positions = len(labels.number), len(chosen)
    planes = labels.planes.view(len(labels.planes), images, -1)
    at = planes[:, :, rows * labels.width + columns].view(len(planes), images * positions)
    plane, place = (at > 0).nonzero(as_tuple=True)
    size = images * positions
    found = (at[plane, place].long() - 1) * size + place
    image, concept = labels.scalars.nonzero(as_tuple=True)
    every = torch.arange(positions, device=chosen.device)
    whole = (concept * size + image * positions)[:, None] + every
    keys: Tensor = torch.cat([found, whole.flatten()]).unique()  # type: ignore[no-untyped-call]
    return keys


def _parted(groups: Sequence[Labels], fitted: int) -> tuple[list[Labels], list[Labels]]:
    """Labels of the first `fitted` images of a batch, and of the others."""
    fit: list[Labels] = []
    held_out: list[Labels] = []
    for group in groups:
        for parts, wanted in ((fit, group.number < fitted), (held_out, group.number >= fitted)):
            if wanted.all():
                parts.append(group)
            elif wanted.any():
                parts.append(_some(group, wanted.nonzero().squeeze(1)))
    return fit, held_out


def _some(labels: Labels, rows: Tensor) -> Labels:
    planes = labels.planes.view(len(labels.planes), len(labels.number), -1)[:, rows]
    return labels._replace(
        number=labels.number[rows],
        planes=planes.reshape(len(planes), -1),
        scalars=labels.scalars[rows],
        present=labels.present[rows],
    )


def _alike(flags: Tensor) -> dict[tuple[bool, ...], list[int]]:
    """Rows of bool (images, categories) that are alike."""
    rows: dict[tuple[bool, ...], list[int]] = {}
    for row, each in enumerate(flags.tolist()):
        rows.setdefault(tuple(each), []).append(row)
    return rows


def _grained(values: Tensor) -> Tensor:
    """In whole units of 1 / `_GRAIN`, float64."""
    return values.double().mul_(_GRAIN).round_()
