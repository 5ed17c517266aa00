"""Small tensor operations that are written differently for a CPU and for a GPU."""

from __future__ import annotations

import torch
from torch import Tensor


def bincount(numbers: Tensor, size: int) -> Tensor:
    """How often each number from 0 to size − 1 occurs, int64 (size,).

    Args:
        numbers: int32 or int64 (n,), all below size. (`bincount` makes sure of that, for which on a
            GPU all work before has to be waited for.)
        size: how many there are.
    """
    if numbers.device.type == "cpu":
        return torch.bincount(numbers, minlength=size)
    ones = torch.ones_like(numbers, dtype=torch.int64)
    return torch.zeros(size, dtype=torch.int64, device=numbers.device).index_add_(0, numbers, ones)


def select_images(values: Tensor, rows: Tensor) -> Tensor:
    """Some of the images of (images, …), given their numbers on the processor, ascending."""
    if len(rows) == len(values):
        return values
    return values.index_select(0, rows.to(values.device, non_blocking=True))


def divided(values: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """Quotient and remainder of integers ≥ 0; by a power of 2, as units are, five times as fast."""
    if by & (by - 1) == 0:
        return values >> (by.bit_length() - 1), values & (by - 1)
    quotient = values // by
    return quotient, values - quotient * by


def grid_mean(maps: Tensor) -> Tensor:
    """Return the means over the grids of maps (images, units, *grid); (images, units)."""
    return maps.mean(dim=tuple(range(2, maps.ndim)))
