"""Small tensor operations, some of which are written differently for a CPU and for a GPU."""

from __future__ import annotations

import torch
from torch import Tensor


def bincount(numbers: Tensor, size: int) -> Tensor:
    """Count how often each number from 0 to size − 1 occurs, int64 (size,).

    Args:
        numbers: int32 or int64 (n,), all below size. (`torch.bincount` checks that, for which on a
            GPU all work before has to be waited for.)
        size: how many counters there are.
    """
    if numbers.device.type == "cpu":
        return torch.bincount(numbers, minlength=size)
    ones = torch.ones_like(numbers, dtype=torch.int64)
    return torch.zeros(size, dtype=torch.int64, device=numbers.device).index_add_(0, numbers, ones)


def select_images(values: Tensor, rows: Tensor) -> Tensor:
    """Select images of (images, …), given their ascending numbers on the CPU."""
    if len(rows) == len(values):
        return values
    return values.index_select(0, rows.to(values.device, non_blocking=True))


def divide(values: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """Compute quotient and remainder of integers ≥ 0; by a power of 2 five times as fast."""
    if by & (by - 1) == 0:
        return values >> (by.bit_length() - 1), values & (by - 1)
    quotient = values // by
    return quotient, values - quotient * by


def true_positions(flags: Tensor) -> Tensor:
    """Return the positions of set flags, int32 ascending; on CPU eight flags at a time."""
    if flags.device.type == "cuda":  # each `nonzero` waits for all work before it
        return flags.nonzero().squeeze(1).int()
    whole = flags.numel() // 8 * 8
    words = flags[:whole].view(torch.int64).nonzero().squeeze(1)
    octets = flags[:whole].view(-1, 8).index_select(0, words)
    inner = octets.view(-1).nonzero().squeeze(1).int()
    positions = words.int().index_select(0, inner >> 3) * 8 + (inner & 7)
    if whole == flags.numel():
        return positions
    return torch.cat([positions, flags[whole:].nonzero().squeeze(1).int() + whole])


def grid_mean(maps: Tensor) -> Tensor:
    """Return the means over the grids of maps (images, units, *grid); (images, units)."""
    return maps.mean(dim=tuple(range(2, maps.ndim)))


def channels_last(axes: int) -> torch.memory_format:
    """Return the memory format in which the units of a position are neighbours.

    Args:
        axes: of the tensors: 4 of images, 5 of clips.
    """
    return torch.channels_last if axes == 4 else torch.channels_last_3d
