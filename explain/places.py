"""Places: where each region of a block is, and which units carry its evidence.

The evidence of a region is a sum over units as it is one over positions. The strongest units of a
region are those with the largest |evidence| at its positions, whether or not they have a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ..graph.uids import unit_uid
from .flows import FlowNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .regions import Partition

CARRIERS = 4
"""How many units of a region are named, the strongest."""


class UnitEvidence(NamedTuple):
    """A unit, and what it adds to the logit at the positions of a region."""

    unit: str
    evidence: float


class Place(NamedTuple):
    """A region's place in an image, and the units that carry its evidence.

    Attributes:
        mask: bool (*grid), the positions that belong to it, some of them in part.
        carriers: the units with the largest |evidence| there, the largest first.
        others: what all other units of the block add there.
    """

    mask: NDArray[np.bool_]
    carriers: tuple[UnitEvidence, ...]
    others: float


def region_places(
    block: str, divided: Sequence[Partition], amounts: Tensor
) -> dict[FlowNode, Place]:
    """Find the place and the carriers of each region of a block.

    Args:
        block: its name.
        divided: from `regions.partitions`.
        amounts: (units, *grid), what each position of each unit adds to the logit.
    """
    flat, grid = amounts.flatten(1).double(), amounts.shape[1:]
    places = {}
    for part in divided:
        by_unit = part.weights @ flat.T
        strongest = by_unit.abs().topk(min(CARRIERS, by_unit.shape[1])).indices
        for name, weights, evidence, units in zip(
            part.names, part.weights, by_unit, strongest, strict=True
        ):
            carriers = tuple(
                UnitEvidence(unit_uid(block, unit), float(evidence[unit]))
                for unit in units.tolist()
                if evidence[unit]
            )
            others = float(evidence.sum()) - sum(unit.evidence for unit in carriers)
            mask = torch.gt(weights, 0).view(grid).numpy()
            places[FlowNode(block, part.category, name)] = Place(mask, carriers, others)
    return places
