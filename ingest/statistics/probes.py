"""The presence probes of all blocks of a run, and which images of a batch they are fitted on.

The first images of a run fit the probes, the others are held out. Workers do not wait until the
probes are solved: what these need of held-out images is set aside until then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .block_probes import BlockProbes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup
    from ..inputs import Batch
    from .batch_labels import BatchLabels
    from .block_probes import Positions, ProbeSums

    Maps = Mapping[str, Tensor]


class ProbePartial(NamedTuple):
    """What a batch adds to the probes, by block.

    Attributes:
        first: position of the batch's first image in the run.
        sums: of the images that fit the probes.
        held_out: positions of the others, where the probes were not solved yet.
        scores: histograms of the others, where they were.
    """

    first: int
    sums: Mapping[str, ProbeSums]
    held_out: Mapping[str, list[Positions]]
    scores: Mapping[str, Tensor]


class PresenceProbes:
    """The probes of all blocks.

    Attributes:
        blocks: probes by block, once started.
    """

    def __init__(self, fitted: int, category: Tensor, seed: int, group: ProcessGroup) -> None:
        """Prepare.

        Args:
            fitted: the first so many images fit the probes; the others are held out.
            category: int64 (concepts,), each concept's category, on the device of the work.
            seed: of the choice of positions.
            group: whose sums the probes are solved from.
        """
        self._fitted = fitted
        self._category = category
        self._seed = seed
        self._group = group
        self._solved = False
        self.blocks: dict[str, BlockProbes] = {}

    def start(self, high: Mapping[str, Tensor]) -> None:
        """Prepare the probes of all blocks.

        Args:
            high: of each block, values that its units seldom exceed, float32 (units,).
        """
        for block, values in high.items():
            largest = float(values.max())
            scale = 2.0 ** -math.ceil(math.log2(largest)) if 0 < largest < math.inf else 1.0
            self.blocks[block] = BlockProbes(len(values), self._category, self._seed, scale)

    def partial(self, maps: Maps, labels: Sequence[BatchLabels], batch: Batch) -> ProbePartial:
        """Compute what a batch adds."""
        fit, held_out = _split(labels, self._fitted - batch.first)
        sums: dict[str, ProbeSums] = {}
        positions: dict[str, list[Positions]] = {}
        for block, probes in self.blocks.items():
            if fit:
                sums[block] = probes.sums(maps[block], fit, batch.number)
            if held_out:
                chosen = probes.positions(maps[block], held_out, batch.number)
                positions[block] = list(chosen)
        partial = ProbePartial(batch.first, sums, positions, {})
        return self._scored(partial) if self._solved else partial

    def _scored(self, partial: ProbePartial) -> ProbePartial:
        scores = {
            block: self.blocks[block].scores(positions, partial.first)
            for block, positions in partial.held_out.items()
        }
        return partial._replace(held_out={}, scores={**partial.scores, **scores})

    def update(self, partial: ProbePartial) -> None:
        """Add what a batch adds; the first held-out images have the probes solved."""
        for block, sums in partial.sums.items():
            self.blocks[block].add_sums(sums)
        if partial.held_out:
            self.solve()
        for block, scores in self._scored(partial).scores.items():
            self.blocks[block].histograms.update(scores)

    def solve(self) -> None:
        """Solve for the probes, from the sums of all ranks, unless that is done."""
        if not self._solved:
            for probes in self.blocks.values():
                probes.solve(self._group)
        self._solved = True

    def all_reduce_scores(self) -> None:
        """Replace the histograms by those of all ranks; nothing can be added after that."""
        for probes in self.blocks.values():
            probes.histograms = probes.histograms.all_reduce(self._group)

    def state_dict(self) -> State:
        """Return this rank's sums and histograms, on the CPU."""
        return {block: probes.state_dict() for block, probes in self.blocks.items()}

    def load_state_dict(self, state: State) -> None:
        """Replace sums and histograms by those of an earlier `state_dict`, once started."""
        for block, state_of_block in state.items():
            self.blocks[block].load_state_dict(state_of_block)


def _split(
    groups: Sequence[BatchLabels], fitted: int
) -> tuple[list[BatchLabels], list[BatchLabels]]:
    """Split labels into those of the first `fitted` images of a batch, and of the others."""
    fit: list[BatchLabels] = []
    held_out: list[BatchLabels] = []
    for group in groups:
        for parts, wanted in ((fit, group.number < fitted), (held_out, group.number >= fitted)):
            if wanted.all():
                parts.append(group)
            elif wanted.any():
                parts.append(group.select(wanted.nonzero().squeeze(1)))
    return fit, held_out
