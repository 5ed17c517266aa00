"""Region evidence: what the places where a concept is found add to a logit.

The evidence at the positions of a block is exact, whatever its units are called
(`decomposition.Decomposition.evidence`). Summed over the positions where a concept is found it says
how much that part of the image adds. In each category the parts add up: a position at which several
concepts of the category are found is divided equally among them, one at which none is found belongs
to "elsewhere". So for each block and category

    Σ regions + elsewhere + bias terms after the block = logit
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .inpainting import to_grid
from .presence import ConceptName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .image_masks import ImageMasks
    from .presence import UsableProbes


@dataclass(frozen=True)
class ConceptRegion:
    """The part of an image in which a concept of a category is found, or none of them.

    Attributes:
        block: whose probes find it.
        category: of concepts.
        name: the concept; None for the positions where none of the category is found.
        evidence: what it adds to the logit.
        coverage: share of the image's positions.
        units: the part of `evidence` that comes from units that detect the concept; None for none
            of them.
    """

    block: str
    category: str
    name: str | None
    evidence: float
    coverage: float
    units: float | None = None


@dataclass(frozen=True)
class Partition:
    """A division of a block's positions among the concepts of one category.

    Attributes:
        category: of the concepts.
        names: of the concepts found in the image; None last, for none of them.
        weights: float64 (names, positions); sums to 1 over the names.
        coverage: for each name, the share of positions where it is found.
    """

    category: str
    names: tuple[str | None, ...]
    weights: Tensor
    coverage: tuple[float, ...]


def partition(category: str, concepts: Sequence[ConceptName], found: Tensor) -> Partition:
    """Divide positions among the concepts of a category.

    Args:
        category: of the concepts.
        concepts: those that could be found.
        found: bool (concepts, positions), where each was.
    """
    seen = found.any(dim=1).tolist()
    flags = found[torch.tensor(seen, dtype=torch.bool)].double()
    none = (flags.sum(dim=0) == 0).double()
    flags = torch.cat([flags, none.unsqueeze(0)])
    names = [concept.name for concept, here in zip(concepts, seen, strict=True) if here]
    weights = flags / flags.sum(dim=0)
    return Partition(category, (*names, None), weights, tuple(flags.mean(dim=1).tolist()))


def partitions(concepts: Sequence[ConceptName], found: Tensor) -> tuple[Partition, ...]:
    """Divide positions once for each category.

    Args:
        concepts: those that could be found.
        found: bool (concepts, *grid), where each was.
    """
    flat = found.flatten(1)
    return tuple(
        partition(category, [concepts[i] for i in members], flat[members])
        for category, members in by_category(concepts).items()
    )


class FoundConcepts(NamedTuple):
    """Where the concepts of all categories are, at one block.

    Attributes:
        concepts: those that could be found.
        shares: float64 (concepts, *grid), how much of each position each covers; 0 or 1 by probes.
        divided: the positions divided, once for each category.
    """

    concepts: tuple[ConceptName, ...]
    shares: Tensor
    divided: tuple[Partition, ...]


def find_concepts(
    probes: UsableProbes, maps: Tensor, masks: ImageMasks | None = None
) -> FoundConcepts:
    """Find concepts in an image at a block: by its masks in their categories, else by probes.

    Args:
        probes: of the block.
        maps: (units, *grid), the block's output.
        masks: of the image, if regions are to be taken from them.
    """
    found = probes.find(maps)
    if masks is None:
        return FoundConcepts(probes.concepts, found.double(), partitions(probes.concepts, found))
    others = [i for i, c in enumerate(probes.concepts) if c.category not in masks.categories]
    concepts, found = [probes.concepts[i] for i in others], found[others]
    height, width = found.shape[1:]
    pixels = torch.from_numpy(masks.masks)
    shares = torch.from_numpy(np.stack([to_grid(mask, height, width) for mask in masks.masks]))
    divided = [
        _on_grid(part, pixels.shape[1:], (height, width))
        for part in partitions(masks.concepts, pixels)
    ]
    return FoundConcepts(
        (*masks.concepts, *concepts),
        torch.cat([shares, found.double()]),
        (*divided, *partitions(concepts, found)),
    )


def _on_grid(part: Partition, shape: Sequence[int], grid: tuple[int, int]) -> Partition:
    """Return a partition of pixels as one of a block's positions, each divided by its pixels."""
    pixels = part.weights.view(-1, *shape).numpy()
    weights = torch.from_numpy(np.stack([to_grid(weights, *grid) for weights in pixels]))
    return replace(part, weights=weights.flatten(1))


def by_category(concepts: Sequence[ConceptName]) -> dict[str, list[int]]:
    """Return the positions of concepts by category, in the order in which categories come first."""
    groups: dict[str, list[int]] = {}
    for number, concept in enumerate(concepts):
        groups.setdefault(concept.category, []).append(number)
    return groups


def region_evidence(
    block: str,
    divided: Sequence[Partition],
    evidence: Tensor,
    units: Mapping[ConceptName, float],
) -> list[ConceptRegion]:
    """Gather a block's evidence over the regions of each category.

    Args:
        block: its name.
        divided: from `partitions`.
        evidence: (*grid), what each position adds to the logit.
        units: by concept, what the units that detect it add where it is.
    """
    flat = evidence.flatten().double()
    return [
        ConceptRegion(
            block, part.category, name, amount, covered,
            None if name is None else units.get(ConceptName(name, part.category), 0.0),
        )
        for part in divided
        for name, amount, covered in zip(
            part.names, (part.weights @ flat).tolist(), part.coverage, strict=True
        )
    ]  # fmt: skip
