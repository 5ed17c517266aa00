"""AUC: how well a score tells the images of a group from the others.

It is the share of pairs of an image of the group and another one in which the former has the higher
score; a tie is half a pair. Under permutations of the images it has mean 1/2 and a known variance,
ties included (Mann and Whitney 1947); p is the normal tail beyond it. The 95 % interval is Hanley
and McNeil's (1982).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from .intervals import Z

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mann_whitney(
    scores: NDArray[np.float32], members: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AUC and p of scores for groups, float64 (scores, groups).

    Args:
        scores: (images, scores).
        members: (images, groups), whether the image is one of the group; some are, and some not.
    """
    import pandas as pd

    images = len(scores)
    ranks = pd.DataFrame(scores).rank().to_numpy()
    inside = members.sum(axis=0).astype(np.float64)
    pairs = inside * (images - inside)
    wins = ranks.T @ members - inside * (inside + 1) / 2
    ties = images * (images + 1) * (2 * images + 1) / 6 - (ranks**2).sum(axis=0)  # Σ(t³ − t) / 12
    spread = np.sqrt(
        pairs * np.maximum((images + 1) / 12 - ties[:, None] / (images * (images - 1)), 0)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, (wins - pairs / 2 - 0.5) / spread, -np.inf)
    return wins / pairs, torch.special.ndtr(torch.from_numpy(-z)).numpy()


def auc_lower_end(
    auc: NDArray[np.float64], present: NDArray[np.int64], absent: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the lower ends of the 95 % intervals of AUCs.

    Args:
        auc: float64 (scores, groups).
        present: int64 (groups,), images of the group.
        absent: int64 (groups,), all others.
    """
    both_present, both_absent = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            auc * (1 - auc)
            + (present - 1) * (both_present - auc**2)
            + (absent - 1) * (both_absent - auc**2)
        ) / (present * absent)
    return auc - Z * np.sqrt(np.maximum(variance, 0))
