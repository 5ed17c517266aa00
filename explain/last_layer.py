"""The last layer trained anew on balanced groups: deep feature reweighting, to compare with.

P. Kirichenko, P. Izmailov and A. G. Wilson, *Last Layer Re-Training is Sufficient for Robustness to
Spurious Correlations*, 2022: a logistic regression on what the last layer is given, on images that
the network need not have seen, in which each group (class × concept) counts the same. Theirs
averages subsamples of groups with an L1 penalty; here groups are weighted, all images are used, and
the penalty is L2. It is fitted by accelerated gradient descent (Nesterov 1983).
"""

from __future__ import annotations

import torch
from torch import Tensor

PENALTIES = (1e-3, 1e-2, 1e-1)
"""Tried: L2, of weights on standardised features; the best for the worst group is taken."""
_STEPS = 400


def retrain(features: Tensor, truth: Tensor, groups: Tensor, classes: int) -> Tensor:
    """Return a last layer, float64 (classes, features + 1), the bias last.

    The penalty is chosen on every other image, by the worst group; then all are used. Classes that
    no image is of get a bias that leaves them out.

    Args:
        features: (images, features).
        truth: int64 (images,).
        groups: int64 (images,), the number of each image's group.
        classes: how many there are.
    """
    features = features.double()
    present = sorted(set(truth.tolist()))
    target = (truth.unsqueeze(1) == torch.tensor(present)).double()
    middle, scale = features.mean(0), features.std(0, correction=0).clamp(min=1e-6)
    standard = torch.cat([(features - middle) / scale, torch.ones(len(features), 1)], dim=1)
    odd = torch.arange(len(features)) % 2 == 1
    worst = []
    for penalty in PENALTIES:
        layer = fit(standard[~odd], target[~odd], groups[~odd], penalty)
        right = (standard[odd] @ layer.T).argmax(1) == target[odd].argmax(1)
        shares = [right[groups[odd] == g].double().mean() for g in set(groups[odd].tolist())]
        worst.append(min(map(float, shares), default=0.0))
    best = PENALTIES[max(range(len(worst)), key=lambda number: (worst[number], number))]
    fitted = fit(standard, target, groups, best)
    weights = fitted[:, :-1] / scale
    layer = torch.zeros(classes, features.shape[1] + 1, dtype=torch.float64)
    layer[:, -1] = -torch.inf
    layer[present] = torch.cat([weights, fitted[:, -1:] - (weights @ middle).unsqueeze(1)], dim=1)
    return layer


def outputs(layer: Tensor, features: Tensor) -> Tensor:
    """Return logits, float64 (images, classes), of a layer that `retrain` returned."""
    return features.double() @ layer[:, :-1].T + layer[:, -1]


def fit(x: Tensor, target: Tensor, groups: Tensor, penalty: float) -> Tensor:
    """Return weights (classes, features + 1), the last of which is not penalised.

    Minimised is the mean over groups of the mean cross-entropy of their images, plus the penalty
    times the sum of squares.

    Args:
        x: float64 (images, features + 1), the last column 1.
        target: float64 (images, classes), one-hot.
        groups: int64 (images,).
        penalty: of the sum of squares.
    """
    share = 1 / torch.bincount(groups)[groups].double() / len(set(groups.tolist()))
    decay = torch.full((x.shape[1],), 2 * penalty, dtype=torch.float64)
    decay[-1] = 0
    curvature = torch.linalg.matrix_norm(x * share.sqrt().unsqueeze(1), 2).square() / 2
    rate = 1 / (curvature + 2 * penalty)
    layer = ahead = torch.zeros(target.shape[1], x.shape[1], dtype=torch.float64)
    for step in range(_STEPS):
        error = ((x @ ahead.T).softmax(1) - target) * share.unsqueeze(1)
        moved = ahead - rate * (error.T @ x + ahead * decay)
        ahead = moved + (moved - layer) * (step / (step + 3))
        layer = moved
    return layer
