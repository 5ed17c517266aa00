"""Lower bounds of the thresholds: above them values are stored, before the thresholds are known.

    1. calibration  a sample of images gives a bound that is safe by `ERRORS` standard errors
    2. raising      once so many values lie above some value that the threshold cannot lie below
                    it, whatever follows, that is the bound
    3. lowering     where so few values lie above a bound that it would prove too high if all images
                    were like those so far, a far lower one takes its place

A bound of a batch that proves too high costs this batch a second pass up to the block, never
the result: see `activations`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .thresholds import values_above

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.checkpoint import State
    from ..engine.workers import WorkerPool
    from .thresholds import RadixSelect

TAILS = (1.25, 1.375, 1.5, 1.625, 1.75, 2, 2.25, 2.5, 3, 4, 5, 6, 8, 12, 16)
"""Of a lower bound, in wanted tails."""
LARGEST_TAIL = 0.25
"""Where a bound would leave more than this, all positive values are stored instead."""
ERRORS = 5
"""With 3, every other run has a unit below its bound; more cells cost less than a second pass."""
FURTHER = 2
"""Tails of the lower bound that a unit falls back to, in tails of its first one."""
LOOK_EVERY = 4
"""Batches after which bounds are raised or lowered."""
LOOK_AFTER = 128
"""Images that say whether a bound is too high."""


class LowerBounds(NamedTuple):
    """Lower bounds of a block's thresholds, float32 (units,), values of the type of its maps.

    Attributes:
        lower: safe ones; 0 where none is.
        fallback: of a larger tail, for units that turn out not to be safe.
    """

    lower: Tensor
    fallback: Tensor


def lower_bounds(
    maps: Sequence[Tensor],
    quantile: float,
    chunk: int | None = None,
    pool: WorkerPool | None = None,
) -> LowerBounds:
    """Compute safe lower bounds of the thresholds, from a sample of images.

    Of each unit the highest value that more than the wanted tail lies above, by `ERRORS` standard
    errors of its share over the images of the sample: a unit that fires in few images, but then on
    much of them, gets a lower one. 0 where none is safe.

    Bounds are a shade lower than the value itself: in half precision many are equal to it.

    Args:
        maps: of the sample, in parts (images, units, *grid).
        quantile: the wanted tail.
        chunk: units worked on at a time, which bounds memory; if omitted, what suits the device.
        pool: to work on several chunks at once.

    Returns:
        Bounds that are never negative.
    """
    chunk = chunk or (8 if maps[0].device.type == "cpu" else 64)
    chunks = zip(*(torch.split(part, chunk, dim=1) for part in maps), strict=True)

    def bounds(parts: Sequence[Tensor]) -> LowerBounds:
        values = torch.cat([part.transpose(0, 1).flatten(2) for part in parts], dim=1)
        return _safe_bounds(values.float(), quantile)

    def below(values: Sequence[Tensor]) -> Tensor:
        lower: Tensor = torch.cat(list(values)).clamp_(min=0) * (1 - torch.finfo(dtype).eps)
        return lower.to(dtype).float()

    dtype = maps[0].dtype
    lower, fallback = zip(*(pool.map(bounds, chunks) if pool else map(bounds, chunks)), strict=True)
    return LowerBounds(below(lower), below(fallback))


def _safe_bounds(values: Tensor, quantile: float) -> LowerBounds:
    """Compute such bounds of float32 (units, images, positions), or 0."""
    units, images, positions = values.shape
    tails = [tail * quantile for tail in TAILS if tail * quantile <= LARGEST_TAIL]
    sizes = [values_above(tail, images * positions) + 1 for tail in tails]
    none = values.new_zeros(units)
    if not sizes or images == 1:
        return LowerBounds(none, none)
    top = values.flatten(1).topk(sizes[-1], dim=1)
    image = top.indices // positions
    counts = values.new_zeros(units, images)
    lower, fallback = none, none
    for number, (before, size) in enumerate(zip((0, *sizes), sizes, strict=False)):
        part = image[:, before:size]
        counts.scatter_add_(1, part, counts.new_ones(()).expand_as(part))
        error = counts.std(dim=1) / math.sqrt(images)
        safe = counts.mean(dim=1) - ERRORS * error >= quantile * positions
        first = safe & (lower == 0)
        lower = torch.where(first, top.values[:, size - 1], lower)
        further = [later for later, tail in zip(sizes, tails, strict=True)
                   if tail >= FURTHER * tails[number]]  # fmt: skip
        if further:
            fallback = torch.where(first, top.values[:, further[0] - 1], fallback)
    return LowerBounds(lower, fallback)


class RunningBounds:
    """The lower bounds of a block, from batch to batch.

    Attributes:
        first: of the calibration.
        now: float32 (units,), those that hold for the next batch; replaced, never written into.
    """

    def __init__(self, first: LowerBounds, quantile: float, positions: int) -> None:
        """Start with the bounds of a calibration.

        Args:
            first: these.
            quantile: the wanted tail.
            positions: of a map.
        """
        self._wanted = quantile * positions
        self.start(first)

    def start(self, first: LowerBounds) -> None:
        """Start anew with other bounds."""
        self.first = first
        self.now = first.lower
        self._lowered = torch.zeros_like(first.lower, dtype=torch.bool)
        self._batches = self._images = 0

    def update(self, images: int, select: RadixSelect) -> None:
        """Raise and lower bounds.

        Args:
            images: that fit the thresholds, of one more batch.
            select: the search for the thresholds, in its first round, with the values above the
                bounds in all images so far.
        """
        self._batches, self._images = self._batches + 1, self._images + images
        if self._batches % LOOK_EVERY:
            return
        if self._images >= LOOK_AFTER:
            few = select.histogram.sum(dim=1) < self._wanted * self._images
            few &= ~self._lowered
            self._lowered = self._lowered | few
            self.now = torch.where(few, self.first.fallback, self.now)
        self.now = torch.maximum(self.now, select.lower_bound())

    def state_dict(self) -> State:
        """Return all of it, on the CPU."""
        tensors = {"now": self.now, "lowered": self._lowered, **self.first._asdict()}
        counts = {"batches": self._batches, "images": self._images}
        return counts | {name: tensor.cpu() for name, tensor in tensors.items()}

    def load_state_dict(self, state: State) -> None:
        """Replace bounds and counts by those of an earlier `state_dict`."""
        device = self.now.device
        self._batches, self._images = state["batches"], state["images"]
        self.now, self._lowered = state["now"].to(device), state["lowered"].to(device)
