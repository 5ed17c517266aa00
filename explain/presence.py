"""Where the presence probes of a block find concepts in an image.

A probe reads all units of its block at one position. Only probes that held-out images found good
enough are used (`usable` in the run's table), whether or not any unit detects their concept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..graph.uids import concept_uid, split_concept

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..graph.run.reader import Run


_LOADED: WeakKeyDictionary[Run, dict[str, UsableProbes]] = WeakKeyDictionary()
"""By open run and block; freed with the run."""


class ConceptName(NamedTuple):
    """A concept by its name and its category."""

    name: str
    category: str

    @property
    def uid(self) -> str:
        """The concept as "category/name"."""
        return concept_uid(self.category, self.name)


@dataclass(frozen=True)
class UsableProbes:
    """The usable presence probes of one block.

    Attributes:
        concepts: what they find, in the run's order.
        probes: float32 (units + 1, concepts), constants last; a concept is present where the score
            is at least 0.
        grid_axes: of the block's maps: 2 of images, 3 of clips.
    """

    concepts: tuple[ConceptName, ...]
    probes: Tensor
    grid_axes: int = 2

    def find(self, maps: Tensor) -> Tensor:
        """Return where each concept is present, bool (…, concepts, *grid).

        Args:
            maps: (…, units, *grid), the block's output.
        """
        weights = self.probes.to(maps)
        axis = maps.ndim - 1 - self.grid_axes
        scores: Tensor = torch.tensordot(maps.movedim(axis, -1), weights[:-1], dims=1) + weights[-1]
        return scores.movedim(-1, axis) >= 0


def concept_presence(run: Run, block: str) -> UsableProbes:
    """Load the usable presence probes of a block, once for each open run; none without probes."""
    by_block = _LOADED.setdefault(run, {})
    if block not in by_block:
        by_block[block] = _load(run, block)
    return by_block[block]


def _load(run: Run, block: str) -> UsableProbes:
    probes = usable_probes(run, block)
    axes = 3 if "times" in run.manifest["blocks"][block] else 2
    if not probes:
        return UsableProbes((), torch.zeros(run.width(block) + 1, 0), axes)
    names = (ConceptName(*split_concept(uid)[::-1]) for uid in probes)
    return UsableProbes(tuple(names), torch.stack(list(probes.values()), dim=1).float(), axes)


def unprobed_concepts(run: Run, block: str) -> tuple[ConceptName, ...]:
    """Return the concepts that occur, but that no usable probe of a block finds."""
    rows = run.presence[run.presence["block"] == block]
    usable = set(rows["concept"][rows["usable"]])
    occurring = run.concepts["uid"][run.concepts["images"] > 0]
    return tuple(ConceptName(*split_concept(uid)[::-1]) for uid in occurring if uid not in usable)


def usable_probes(
    run: Run, block: str, concepts: Collection[str] | None = None
) -> dict[str, Tensor]:
    """Load the usable presence probes of a block, by concept ("category/name"), in the run's order.

    Args:
        run: an open run.
        block: one of its blocks.
        concepts: load those of these concepts; None means all.

    Returns:
        float64 (units + 1,) each, the constant last; the concept is present where the score is at
        least 0.
    """
    rows = run.presence[(run.presence["block"] == block) & run.presence["usable"]]
    threshold = dict(zip(rows["concept"], rows["threshold"], strict=True))
    probes = {}
    for number, uid in enumerate(run.concepts["uid"]):
        if uid in threshold and (concepts is None or uid in concepts):
            probe = torch.tensor(run.probes(block)[:, number]).double()
            probe[-1] -= threshold[uid]
            probes[str(uid)] = probe
    return probes
