"""The strongest single paths of a decomposition, and what they do when the network is run.

A path suffix is the part of a path from some unit to the class. Its gradient, restricted to the map
of that unit, is the cotangent of the vector–Jacobian product (VJP) through the unit's block, which
gives the contributions of the suffix extended by each unit of the block before.

    search_paths   from the class backwards, one VJP for each suffix that is extended: at each block
                   the `beam` suffixes with the largest |contribution|
    measure_paths  what the value loses when a path's first unit is ablated
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .decomposition import vjp
from .explanation import SearchedBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .decomposition import Decomposition, Downstream

_BATCH = 64


@dataclass(frozen=True)
class PathSearch:
    """Contributions of single paths.

    Attributes:
        suffixes: int64 (suffixes, blocks − 1), units from the second block to the last, of each
            path suffix that was extended into the first block.
        suffix_contributions: (suffixes, blocks − 1), for each of these units, what all paths
            through it and the units after it add.
        contributions: (suffixes, units of the first block), what each whole path adds.
        searched: how far the search went at each block but the first, last block first.
    """

    suffixes: Tensor
    suffix_contributions: Tensor
    contributions: Tensor
    searched: tuple[SearchedBlock, ...]

    def paths(self, rows: Tensor, firsts: Tensor) -> Tensor:
        """Return the units of whole paths, int64 (paths, blocks), first block to last.

        Args:
            rows: int64 (paths,), rows of `contributions`.
            firsts: int64 (paths,), its columns.
        """
        return torch.cat([firsts.unsqueeze(1), self.suffixes[rows]], dim=1)


def search_paths(downstream: Downstream, decomposition: Decomposition, beam: int) -> PathSearch:
    """Search the strongest paths; of equal suffixes those with the lower units are extended.

    Args:
        downstream: the network after the first block.
        decomposition: from `decompose`.
        beam: how many path suffixes to extend at each block.
    """
    gradients = decomposition.last_gradient.unsqueeze(0)

    def extend(number: int, row: Tensor, unit: Tensor) -> Tensor:
        nonlocal gradients
        maps, output = decomposition.maps[number], decomposition.maps[number + 1]
        vectors = unit_cotangents(output, unit, gradients[row, unit])
        gradients = vjp(downstream.stages[number], maps, vectors)
        return (gradients * maps).flatten(2).sum(dim=2)

    return _search(decomposition.by_last_unit, len(downstream.stages), extend, beam)


def search_edges(
    edges: Sequence[Tensor], weights: Tensor, activation: Tensor, beam: int
) -> PathSearch:
    """Search the strongest products of edges along paths: the same with edges in place of VJPs.

    Args:
        edges: (units, units of the next block) for each step between blocks, first to last.
        weights: (units of the last block,), the last edges, to the class.
        activation: (units of the first block,), by which each path is multiplied.
        beam: how many path suffixes to extend at each block.
    """
    products = weights.unsqueeze(0)

    def extend(number: int, row: Tensor, unit: Tensor) -> Tensor:
        nonlocal products
        products = products[row, unit].unsqueeze(1) * edges[number].T[unit]
        return products

    search = _search(weights, len(edges), extend, beam)
    return replace(search, contributions=search.contributions * activation)


def _search(
    last: Tensor, steps: int, extend: Callable[[int, Tensor, Tensor], Tensor], beam: int
) -> PathSearch:
    """Search backwards from the class.

    Args:
        last: (units of the last block,), contributions of the shortest suffixes.
        steps: how many blocks come before the last one.
        extend: computes the contributions of suffixes extended by each unit of a block,
            (suffixes, units). It takes the block's number, from 0, and for each suffix its row and
            column in the contributions at the block after.
        beam: how many suffixes to extend at each block.
    """
    contributions, blocks = last.unsqueeze(0), []
    suffixes, through = torch.zeros(1, 0, dtype=torch.int64), last.new_zeros(1, 0)
    for number in reversed(range(steps)):
        rows, searched = _strongest_suffixes(contributions, beam)
        blocks.append(searched)
        row, unit = rows.unbind(1)
        suffixes = torch.cat([unit.unsqueeze(1), suffixes[row]], dim=1)
        through = torch.cat([contributions[row, unit].unsqueeze(1), through[row]], dim=1)
        contributions = extend(number, row, unit)
    return PathSearch(suffixes, through, contributions, tuple(blocks))


def strongest(values: Tensor, count: int) -> Tensor:
    """Return rows and columns of the `count` largest |values|, in that order; int64 (n, 2).

    Zeros are left out. Ties go to the lower row, then to the lower column.
    """
    size = values.abs().flatten()
    order = size.argsort(descending=True, stable=True)[:count]
    order = order[size[order] > 0]
    return torch.stack([order // values.shape[1], order % values.shape[1]], dim=1)


def _strongest_suffixes(values: Tensor, beam: int) -> tuple[Tensor, SearchedBlock]:
    """Return rows and columns of the `beam` strongest suffixes, and what was left out."""
    rows = strongest(values, beam + 1)
    size = values.double().abs()
    followed = float(size[rows[:beam, 0], rows[:beam, 1]].sum())
    left = float(size[rows[beam, 0], rows[beam, 1]]) if len(rows) > beam else 0.0
    count = int((size > 0).sum())
    share = followed / float(size.sum()) if count else 1.0
    return rows[:beam], SearchedBlock(min(beam, count), count, share, left)


def unit_cotangents(output: Tensor, units: Tensor, cotangents: Tensor) -> Iterator[Tensor]:
    """Yield batches of maps that are 0 but for the map of one unit each, as `vjp` takes them.

    Args:
        output: (units, *grid) of the block.
        units: int64 (n,).
        cotangents: (n, *grid), ∂value/∂(the unit's map).
    """
    for batch_units, batch in zip(
        torch.split(units, _BATCH), torch.split(cotangents, _BATCH), strict=True
    ):
        vectors = output.new_zeros(len(batch), *output.shape)
        vectors[torch.arange(len(batch)), batch_units] = batch
        yield vectors


def measure_paths(downstream: Downstream, decomposition: Decomposition, paths: Tensor) -> Tensor:
    """Measure what the value loses when a path's first unit is ablated, along the path alone.

    This is path patching: at each block, the path's unit takes its changed map, and every other
    unit keeps the map it had. So only what the path claims is measured.

    Args:
        downstream: the network after the first block.
        decomposition: from `decompose`.
        paths: int64 (paths, blocks), the units of each path, first block to last.

    Returns:
        (paths,), the value less the value with the unit ablated: positive where the path is
        evidence for the class.
    """
    with torch.no_grad():
        firsts, row_of_path = torch.unique(paths[:, 0], return_inverse=True)
        maps = _repeat(decomposition.maps[0], len(firsts))
        maps[torch.arange(len(firsts)), firsts] = 0
        for number, stage in enumerate(downstream.stages, start=1):
            output = torch.cat([stage(batch) for batch in torch.split(maps, _BATCH)])
            prefixes, prefix_of_path = torch.unique(
                paths[:, : number + 1], dim=0, return_inverse=True
            )
            rows = row_of_path.new_empty(len(prefixes))
            rows[prefix_of_path] = row_of_path
            unit = prefixes[:, number]
            maps = _repeat(decomposition.maps[number], len(prefixes))
            maps[torch.arange(len(prefixes)), unit] = output[rows, unit]
            row_of_path = prefix_of_path
        logits = torch.cat([downstream.head(batch) for batch in torch.split(maps, _BATCH)])
        effects: Tensor = decomposition.total - (logits @ decomposition.direction)[row_of_path]
        return effects


def _repeat(maps: Tensor, images: int) -> Tensor:
    return maps.repeat(images, *[1] * maps.ndim)
