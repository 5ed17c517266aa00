"""Ridge regressions from sums, which are all that presence probes keep of their positions."""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 0.01
"""Ridge penalty, where every unit's activation has variance 1."""
_CONSTANT = 1e-6  # variance, in units of 1 + mean², that is no more than rounding


class Ridge:
    """Ridge regressions that share their positions."""

    def __init__(self, square: Tensor) -> None:
        """Factorise.

        Args:
            square: float64 (units + 1, units + 1), Σ a aᵀ with a constant 1 behind each a.
        """
        self._positions = square[-1, -1]
        self._mean = square[-1, :-1] / self._positions
        self._covariance = square[:-1, :-1] / self._positions - torch.outer(self._mean, self._mean)
        variance = self._covariance.diagonal()
        constant = variance <= _CONSTANT * (1 + self._mean**2)
        self._std = torch.where(constant, torch.inf, variance.clamp(min=0).sqrt())
        scaled = self._covariance / torch.outer(self._std, self._std)
        scaled.diagonal().add_(RIDGE)
        self._factors = torch.linalg.lu_factor(scaled)

    def solve(self, products: Tensor) -> Tensor:
        """Solve for probes (concepts, units + 1), given Σ a y likewise.

        Zeros where a concept labels no position, or all.
        """
        share = products[:, -1:] / self._positions
        slopes = (products[:, :-1] / self._positions - share * self._mean) / self._std
        weights = torch.linalg.lu_solve(*self._factors, slopes.T).T / self._std
        variance = ((weights @ self._covariance) * weights).sum(dim=1, keepdim=True)
        solvable = (share > 0) & (share < 1) & (variance > 0)
        weights = torch.where(solvable, weights / variance.clamp(min=1e-30).sqrt(), 0.0)
        return torch.cat([weights, -(weights @ self._mean)[:, None]], dim=1)
