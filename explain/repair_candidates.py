"""Ablations that a repair chooses from, and the choice, on images that nothing is reported on.

A candidate replaces units of a block, or of all blocks, where the block's own presence probe finds
the concept: those that detect it (if none does, those that carry its probe), or all units. They
become 0, or their mean at positions where the probe does not find it. Positions next to those found
count too, or not. Chosen is the candidate with the largest share of mistakes that become right,
less the share of right answers that become wrong; of equal ones the first, which changes least.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import QueryError
from .ablation_masks import ablation_of_concept
from .presence import usable_probes
from .repaired_network import Ablation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..graph.run.reader import Run
    from .network import RunNetwork


@dataclass(frozen=True, eq=False)
class BlockProbe:
    """A concept at one block.

    Attributes:
        block: its name.
        probe: float64 (units + 1,), the constant last; found where the score is at least 0.
        detectors: units that detect the concept or, if none does, carry its probe.
    """

    block: str
    probe: Tensor
    detectors: tuple[int, ...]

    def finder(self) -> Ablation:
        """Return an ablation that replaces nothing, for its `positions`."""
        return self.ablation((), torch.zeros(len(self.probe) - 1), neighbours=False)

    def ablation(self, units: Sequence[int], value: Tensor, *, neighbours: bool) -> Ablation:
        """Return an ablation of some units, with what they become, (units of the block,)."""
        made = Ablation(len(self.probe) - 1, neighbours=neighbours)
        made.probe.copy_(self.probe[:-1])
        made.constant.copy_(self.probe[-1])
        made.chosen[list(units)] = True
        made.value.copy_(value)
        return made


class Candidate(NamedTuple):
    """An ablation that may be chosen.

    Attributes:
        units: "detectors" or "all".
        value: "zero" or "mean".
        neighbours: whether positions next to those found count too.
        ablations: by block.
    """

    units: str
    value: str
    neighbours: bool
    ablations: Mapping[str, Ablation]

    @property
    def text(self) -> str:
        """What it does, in words."""
        units = "all units" if self.units == "all" else "its units"
        value = "0" if self.value == "zero" else "their mean elsewhere"
        where = "where the probe finds it" + (", and next to that" if self.neighbours else "")
        return f"{units} of {', '.join(self.ablations)} become {value} {where}"


class Counts(NamedTuple):
    """What a candidate does to images of the choice.

    Attributes:
        candidate: the ablation.
        fixed: of the mistakes, how many become right.
        mistakes: how many there are.
        broken: of the right answers, how many become wrong.
        right: how many there are.
    """

    candidate: Candidate
    fixed: int
    mistakes: int
    broken: int
    right: int

    @property
    def score(self) -> float:
        """Share of mistakes that become right, less that of right answers that become wrong."""
        return self.fixed / max(self.mistakes, 1) - self.broken / max(self.right, 1)


def block_probes(run: Run, uid: str, blocks: Sequence[str]) -> list[BlockProbe]:
    """Return a concept's usable probes, by block, with the units that detect it or carry them."""
    rows = []
    for block in blocks:
        if probes := usable_probes(run, block, {uid}):
            with suppress(QueryError):  # no unit raises its score
                masks = ablation_of_concept(run, uid, [block])
                rows.append(BlockProbe(block, probes[uid], masks[block][0].units))
    return rows


def candidates(probes: Sequence[BlockProbe], means: Mapping[str, Tensor]) -> list[Candidate]:
    """Return all candidates, those that change least first.

    Args:
        probes: of the concept.
        means: by block, means of the units at positions where the probe does not find it, (units,).
    """
    kinds = [("detectors", "zero"), ("detectors", "mean"), ("all", "mean")]
    groups = [[probe] for probe in reversed(probes)] + ([list(probes)] if len(probes) > 1 else [])
    return [
        Candidate(units, value, neighbours, _ablations(group, means, units, value, neighbours))
        for units, value in kinds
        for neighbours in (False, True)
        for group in groups
    ]


def _ablations(
    group: Sequence[BlockProbe],
    means: Mapping[str, Tensor],
    units: str,
    value: str,
    neighbours: bool,
) -> dict[str, Ablation]:
    made = {}
    for probe in group:
        mean = means[probe.block]
        chosen = probe.detectors if units == "detectors" else range(len(mean))
        becomes = torch.zeros_like(mean) if value == "zero" else mean
        made[probe.block] = probe.ablation(chosen, becomes, neighbours=neighbours)
    return made


def hooks_of(ablations: Mapping[str, Ablation]) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return what `RunNetwork.intervene` takes, of ablations by block."""
    return {block: partial(ablation, None, None) for block, ablation in ablations.items()}


def answers(
    network: RunNetwork, maps: Mapping[str, Tensor], tried: Sequence[Candidate]
) -> list[Tensor]:
    """Return the classes predicted under each candidate, int64 (images,) each.

    Args:
        network: of the run.
        maps: outputs of all blocks that candidates ablate, (images, units, *grid).
        tried: the candidates.
    """
    rows, blocks = [], network.all_blocks()
    with torch.no_grad():
        for candidate in tried:
            start = next(block for block in blocks if block in candidate.ablations)
            hooks = hooks_of(candidate.ablations)
            downstream = network.downstream(blocks[blocks.index(start) :])
            replaced = hooks.pop(start)(maps[start])
            with network.intervene(hooks):
                rows.append(downstream.logits(replaced).argmax(dim=1))
    return rows


def choose(
    tried: Sequence[Candidate],
    predicted: Sequence[Tensor],
    truth: Tensor,
    mistakes: Tensor,
    right: Tensor,
) -> list[Counts]:
    """Return what each candidate does to the images of the choice, the best first.

    Args:
        tried: the candidates.
        predicted: the classes predicted under each, int64 (images,).
        truth: the labels' classes, int64 (images,).
        mistakes: bool (images,), those to fix.
        right: bool (images,), those that the network answers rightly as it is.
    """
    rows = [
        Counts(
            candidate,
            int(((after == truth) & mistakes).sum()),
            int(mistakes.sum()),
            int(((after != truth) & right).sum()),
            int(right.sum()),
        )
        for candidate, after in zip(tried, predicted, strict=True)
    ]
    return sorted(rows, key=lambda counts: -counts.score)
