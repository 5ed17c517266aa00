"""Exact thresholds T_k: the value that a unit exceeds on a given share of all positions.

T_k is the order statistic of which no more than `quantile` of a unit's values lie strictly above:
the (floor(quantile · N) + 1)-th largest of its N native-resolution activations. It is found exactly
and in bounded memory by a radix select over the bit patterns of the values (positive float32 sort
like their bits): three rounds of integer histograms, 11 + 10 + 10 bits. Histograms add up, so
shards of the data need no more than a sum per round.

The reference takes an interpolated value at quantile 0.994995 from a sketch that is off by up to
2 % of the tail; that is deliberately not reproduced.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..engine.checkpoint import State
    from ..engine.process_group import ProcessGroup

ROUNDS = ((20, 11), (10, 10), (0, 10))  # (shift, bits) from the top; the sign bit is 0
HALF_PRECISION = 16
"""Last bits of a float32 that are 0 in a bfloat16 (and in a float16, but for the smallest)."""


def values_above(quantile: float, count: int) -> int:
    """Return how many of `count` values may lie strictly above the threshold."""
    return math.floor(round(quantile * count, 6))


class UnitValues(NamedTuple):
    """Values of units, float32 ≥ 0 and int32; each (values,)."""

    unit: Tensor
    value: Tensor


class RadixSelect:
    """Finds, for every unit, its `rank`-th largest value (0 = the largest) among many batches.

    A statistic with three rounds: feed all values once per round, through `partial` and `update`,
    then call `finish_round`; after the last one `thresholds` holds the result. Units with too few
    positive values get 0, which is exact when all their positive values were given.

    Attributes:
        histogram: int64 (units, digits), of this round so far.
        counts: int64 (units,), positive values seen per unit, from the first round.
    """

    def __init__(self, units: int, rank: int, device: torch.device) -> None:
        """Start the first of three rounds."""
        self._rank = torch.full((units,), rank, dtype=torch.int64, device=device)
        self._prefix = torch.zeros(units, dtype=torch.int64, device=device)
        self._round = 0
        self.histogram = self._empty(units, device)
        self.counts = torch.zeros(units, dtype=torch.int64, device=device)

    def _empty(self, units: int, device: torch.device) -> Tensor:
        _, bits = ROUNDS[self._round]
        return torch.zeros(units, 1 << bits, dtype=torch.int64, device=device)

    def partial(self, values: UnitValues) -> Tensor:
        """Return the counter of each value in the round's histogram; they must be `wanted`."""
        shift, bits = ROUNDS[self._round]
        pattern = values.value.contiguous().view(torch.int32)
        return (values.unit << bits) + ((pattern >> shift) & ((1 << bits) - 1))

    def wanted(self, values: UnitValues) -> Tensor:
        """Return which values this round counts, bool (values,): those with the bits fixed so far.

        Values below 0 have other bits than any threshold.
        """
        shift, bits = ROUNDS[self._round]
        pattern = values.value.contiguous().view(torch.int32)
        prefix = (self._prefix >> (shift + bits)).int()
        return pattern >> (shift + bits) == prefix.index_select(0, values.unit)

    def update(self, partial: Tensor) -> None:
        """Count values, given their counters."""
        self.histogram.view(-1).index_add_(0, partial, torch.ones_like(partial, dtype=torch.int64))

    def all_reduce(self, group: ProcessGroup) -> RadixSelect:
        """Return the same search with the histogram of all ranks."""
        total = copy.copy(self)
        total._rank, total._prefix = self._rank.clone(), self._prefix.clone()
        total.histogram = group.all_reduce(self.histogram)
        return total

    def lower_bound(self) -> Tensor:
        """Return values that the results will exceed whatever follows, or 0; in the first round.

        float32 (units,), values of half precision too.
        """
        _, digit = self._digit()
        pattern = (digit << ROUNDS[0][0]) - (1 << HALF_PRECISION)
        return pattern.clamp_(min=0).to(torch.int32).view(torch.float32)

    def _digit(self) -> tuple[Tensor, Tensor]:
        """Return how many values have at least each digit, and the ranked value's digit, or -1."""
        at_least = self.histogram.flip(1).cumsum(1).flip(1)
        return at_least, (at_least > self._rank.unsqueeze(1)).sum(dim=1) - 1

    def finish_round(self) -> None:
        """Fix the next bits of every unit's value."""
        shift, _ = ROUNDS[self._round]
        if self._round == 0:
            self.counts = self.histogram.sum(dim=1)
        at_least, digit = self._digit()
        larger = at_least - self.histogram
        exists = digit >= 0
        digit = digit.clamp_(min=0)
        self._rank -= larger.gather(1, digit.unsqueeze(1)).squeeze(1) * exists
        self._prefix += torch.where(exists, digit << shift, 0)
        self._round += 1
        if self._round < len(ROUNDS):
            self.histogram = self._empty(len(self._rank), self._rank.device)

    @property
    def done(self) -> bool:
        """Whether all rounds are finished."""
        return self._round == len(ROUNDS)

    @property
    def thresholds(self) -> Tensor:
        """float32 (units,), after the last round."""
        return self._prefix.to(torch.int32).view(torch.float32)

    def state_dict(self) -> State:
        """Return this rank's histogram of the first round, on the CPU."""
        return {"histogram": self.histogram.cpu()}

    def load_state_dict(self, state: State) -> None:
        """Replace the histogram of the first round by that of an earlier `state_dict`."""
        self.histogram = state["histogram"].to(self.histogram.device)
