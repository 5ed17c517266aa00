"""The presence probes of all blocks of a run, and which images of a batch they are fitted on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .block_probes import BlockProbes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..engine.process_group import ProcessGroup
    from ..inputs import Batch
    from .batch_labels import Labels
    from .block_probes import Places, Sums

    Maps = Mapping[str, Tensor]
    HeldOut = Mapping[str, list[Places]]


class PresenceProbes:
    """The probes of all blocks.

    Attributes:
        blocks: probes by block, once its first output has been seen.
        fitted: so many images, the first ones, fit them.
        solved: whether they are.
    """

    def __init__(self, fitted: int, category: Tensor, seed: int) -> None:
        """Prepare.

        Args:
            fitted: the first so many images fit the probes; the others are held out.
            category: int64 (concepts,), each concept's category, on the device of the work.
            seed: of the choice of positions.
        """
        self.fitted = fitted
        self._category = category
        self._seed = seed
        self.blocks: dict[str, BlockProbes] = {}
        self.solved = False

    def start(self, loud: Mapping[str, Tensor]) -> None:
        """Prepare the probes of all blocks.

        Args:
            loud: of each block, values that its units seldom exceed, float32 (units,).
        """
        for block, values in loud.items():
            largest = float(values.max())
            scale = 2.0 ** -math.ceil(math.log2(largest)) if 0 < largest < math.inf else 1.0
            self.blocks[block] = BlockProbes(len(values), self._category, self._seed, scale)

    def sums(self, maps: Maps, labels: Sequence[Labels], batch: Batch) -> dict[str, Sums]:
        """Step 1, for those images of a batch that fit; nothing where none does."""
        fit, _ = _parted(labels, self.fitted - batch.first)
        if not fit:
            return {}
        return {
            block: probes.sums(maps[block], fit, batch.number)
            for block, probes in self.blocks.items()
        }

    def held_out(self, maps: Maps, labels: Sequence[Labels], batch: Batch) -> HeldOut:
        """What step 3 needs of those images of a batch that were held out; nothing of others."""
        _, held_out = _parted(labels, self.fitted - batch.first)
        if not held_out:
            return {}
        return {
            block: list(probes.places(maps[block], held_out, batch.number))
            for block, probes in self.blocks.items()
        }

    def readings(self, held_out: HeldOut, batch: Batch) -> dict[str, Tensor]:
        """Step 3, once the probes are solved."""
        return {
            block: self.blocks[block].readings(places, batch.first)
            for block, places in held_out.items()
        }

    def solve(self, team: ProcessGroup) -> None:
        """Step 2, from the sums of all members of the team."""
        for probes in self.blocks.values():
            probes.share(team)
        self.solved = True

    def fit(self, sums: Mapping[str, Sums]) -> None:
        """Step 1: take in."""
        for block, each in sums.items():
            self.blocks[block].fit(each)

    def score(self, readings: Mapping[str, Tensor]) -> None:
        """Step 3: take in."""
        for block, each in readings.items():
            self.blocks[block].score(each)


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
    there = rows.to(labels.planes.device, non_blocking=True)
    planes = labels.planes.view(len(labels.planes), len(labels.number), -1)[:, there]
    return labels._replace(
        number=labels.number[rows],
        planes=planes.reshape(len(planes), -1),
        image_labels=labels.image_labels[there],
        present=labels.present[rows],
    )
