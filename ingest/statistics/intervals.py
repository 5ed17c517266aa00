"""95 % intervals of shares, and of differences of shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Interval = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
"""Lower and upper ends."""
Z = 1.959964
"""Of a 95 % interval."""


def wilson(share: ArrayLike, cases: ArrayLike) -> Interval:
    """Return the intervals of shares (Wilson 1927); of no cases 0 to 1.

    Args:
        share: in [0, 1], of the cases; any shape.
        cases: how many there are, not necessarily a whole number; of that shape.
    """
    p, n = np.asarray(share, np.float64), np.asarray(cases, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 1 + Z**2 / n
        middle = (p + Z**2 / (2 * n)) / size
        spread = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / size
    low, high = np.maximum(middle - spread, 0.0), np.minimum(middle + spread, 1.0)
    return np.where(n == 0, 0.0, low), np.where(n == 0, 1.0, high)


def newcombe(p: ArrayLike, p_cases: ArrayLike, q: ArrayLike, q_cases: ArrayLike) -> Interval:
    """Return the intervals of differences of shares, p − q (Newcombe 1998, method 10)."""
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    (p_low, p_high), (q_low, q_high) = wilson(p, p_cases), wilson(q, q_cases)
    low = p - q - np.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + np.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return low, high
