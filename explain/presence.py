"""Where the presence probes of a block find concepts in an image.

A probe reads all units of its block at one position. Only probes that held-out images found good
enough are used (`usable` in the run's table), whether or not any unit detects their concept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..graph.run.reader import Run


class ConceptName(NamedTuple):
    """A concept by its name and its category."""

    name: str
    category: str

    @property
    def uid(self) -> str:
        """The concept as "category/name"."""
        return f"{self.category}/{self.name}"


@dataclass(frozen=True)
class ConceptPresence:
    """The usable presence probes of one block.

    Attributes:
        concepts: what they find, in the run's order.
        probes: float32 (units + 1, concepts), constants last; a concept is present where the score
            is at least 0.
    """

    concepts: tuple[ConceptName, ...]
    probes: Tensor

    def find(self, maps: Tensor) -> Tensor:
        """Return where each concept is present, bool (…, concepts, *grid).

        Args:
            maps: (…, units, *grid), the block's output.
        """
        weights = self.probes.to(maps)
        axis = maps.ndim - 3
        scores: Tensor = torch.tensordot(maps.movedim(axis, -1), weights[:-1], dims=1) + weights[-1]
        return scores.movedim(-1, axis) >= 0


def concept_presence(run: Run, block: str) -> ConceptPresence:
    """Load the usable presence probes of a block; none, where the run has no probes of it."""
    rows = run.presence
    rows = rows[(rows["block"] == block) & rows["usable"]].set_index("concept")
    concepts = run.concepts
    usable = [number for number, uid in enumerate(concepts["uid"]) if uid in rows.index]
    chosen = concepts.iloc[usable]
    names = [ConceptName(str(n), str(c))
             for n, c in zip(chosen["name"], chosen["category"], strict=True)]  # fmt: skip
    if not usable:
        return ConceptPresence((), torch.zeros(run.width(block) + 1, 0))
    probes = torch.tensor(run.probes(block)[:, usable])
    probes[-1] -= torch.tensor(rows.loc[list(chosen["uid"]), "threshold"].to_numpy()).float()
    return ConceptPresence(tuple(names), probes)
