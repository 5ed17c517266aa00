"""Static or dynamic: whether what a unit does on clips depends on their motion.

Some clips are run three times: as they are, reversed, and frozen, each frame the middle one. The
map of a unit that sees no motion is, of the reversed clip, the same with its time slots in reverse;
and of the frozen clip, the same at the slot of the middle frame. How far a unit is from that is one
less the correlation of both maps, over all clips and positions. Only slots in the middle are
compared: in the outer ones kernels see the padding, before the first frame and after the last, with
different weights, so that even a still changes when it is reversed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ...progress import no_advance
from ..engine.spacing import middles
from ..inputs import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ...progress import Advance
    from ..inputs import Inputs

LEAST, MOST, ONE_OF = 32, 160, 16
"""Clips that are run: one of so many, but at least and at most so many, if there are."""


class MotionScores(NamedTuple):
    """Correlations of a unit's maps; NaN where a map does not vary.

    Attributes:
        reversed: with those of the reversed clips, float64 (units,).
        frozen: with those of the frozen clips, likewise.
    """

    reversed: Tensor
    frozen: Tensor


class Correlation:
    """Pearson's correlation of each unit's pairs of maps, from sums in float64."""

    def __init__(self) -> None:
        """Start without a pair."""
        self._count = 0
        self._sums: Tensor | None = None

    def update(self, first: Tensor, second: Tensor) -> None:
        """Add pairs of maps, (clips, units, *grid) each."""
        a, b = (maps.movedim(1, 0).flatten(1).double() for maps in (first, second))
        sums = torch.stack([x.sum(1) for x in (a, b, a * a, b * b, a * b)])
        self._count += a.shape[1]
        self._sums = sums if self._sums is None else self._sums + sums

    def value(self) -> Tensor:
        """Return the correlations, float64 (units,)."""
        if self._sums is None:
            raise ValueError("no pair of maps")
        a, b, aa, bb, ab = self._sums.cpu() / self._count
        spread = (aa - a * a).clamp_min(0).sqrt() * (bb - b * b).clamp_min(0).sqrt()
        return torch.where(spread > 0, ((ab - a * b) / spread).clamp(-1, 1), torch.nan)


def motion_batches(inputs: Inputs) -> list[Batch]:
    """Return batches of clips that are spread over the run; none if there are only stills."""
    order = [number for number in inputs.order if inputs.data.images[number].frames > 1]
    count = min(len(order), MOST, max(LEAST, len(order) // ONE_OF))
    chosen = [order[place] for place in middles(count, len(order))]
    starts = range(0, count, inputs.batch_size)
    return [Batch(n, i, chosen[i : i + inputs.batch_size]) for n, i in enumerate(starts)]


def measure_motion(
    inputs: Inputs, batches: Sequence[Batch], advance: Advance = no_advance
) -> dict[str, MotionScores]:
    """Run clips as they are, reversed and frozen; return scores by block, none without a clip.

    Args:
        inputs: network and clips.
        batches: of the clips, from `motion_batches`.
        advance: told of clips.
    """
    pairs: dict[str, tuple[Correlation, Correlation]] = {}
    for batch, pixels in inputs.decoded(batches):
        frames = pixels.shape[1]
        middle = frames // 2
        frozen = pixels[:, middle : middle + 1].expand_as(pixels)
        maps, backwards, still = map(inputs.outputs, (pixels, pixels.flip(1), frozen))
        for block, own in maps.items():
            by_reversed, by_frozen = pairs.setdefault(block, (Correlation(), Correlation()))
            times = own.shape[2]
            slot = middles(frames, times)[middle]
            inner = slice((times - 1) // 2, times // 2 + 1)
            by_reversed.update(own[:, :, inner], backwards[block].flip(2)[:, :, inner])
            by_frozen.update(own[:, :, slot], still[block][:, :, slot])
        advance(len(batch.images))
    return {block: MotionScores(*(each.value() for each in both)) for block, both in pairs.items()}
