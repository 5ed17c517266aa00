"""Consensus by its definition, on plain masks, and workers who draw badly."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conceptgraph.ingest.sources.annotations.consensus import Quorum
    from conceptgraph.ingest.sources.annotations.regions import Box
    from tests.drawn_data import Bools


def iou(a: Bools, b: Bools) -> float:
    return int((a & b).sum()) / int((a | b).sum())


def needed(quorum: Quorum, workers: int) -> int:
    """The smallest number of workers that satisfies the quorum."""
    if isinstance(quorum, int):
        return quorum
    for number in range(1, workers + 1):
        enough = number > workers / 2 if quorum == "majority" else number / workers >= quorum
        if enough:
            return number
    raise AssertionError


class PlainConsensus(NamedTuple):
    masks: list[Bools]
    dropped: set[int]
    mean_iou: float | None


def consensus(
    masks: Sequence[Bools], workers: Sequence[str], everyone: int, quorum: Quorum, agree_iou: float
) -> PlainConsensus:
    """Groups by repeatedly joining the two that hold the pair of the highest IoU still apart.

    Args:
        masks: one per region, none empty, in the canonical order.
        workers: who drew each.
        everyone: workers of the image.
        quorum: as `AgreementRules` has it.
        agree_iou: likewise.
    """
    groups = [[position] for position in range(len(masks))]
    while True:
        best: tuple[float, int, int, list[int], list[int]] | None = None
        for first, second in combinations(groups, 2):
            pairs = [(min(a, b), max(a, b)) for a in first for b in second]
            if any(
                workers[a] == workers[b] or iou(masks[a], masks[b]) < agree_iou for a, b in pairs
            ):
                continue
            strongest = min((-iou(masks[a], masks[b]), a, b) for a, b in pairs)
            if best is None or strongest < best[:3]:
                best = (*strongest, first, second)
        if best is None:
            break
        groups = [group for group in groups if group is not best[3] and group is not best[4]]
        groups.append(best[3] + best[4])
    enough = needed(quorum, everyone)
    agreed, dropped = [], set()
    for group in sorted(groups, key=min):
        times = np.sum([masks[position] for position in group], axis=0)
        if len(group) >= enough and (times >= enough).any():
            agreed.append(times >= enough)
        else:
            dropped |= set(group)
    names = sorted(set(workers))
    drawn = [
        np.logical_or.reduce([m for m, w in zip(masks, workers, strict=True) if w == name])
        for name in names
    ]
    overlaps = [iou(a, b) for a, b in combinations(drawn, 2)]
    return PlainConsensus(agreed, dropped, sum(overlaps) / len(overlaps) if overlaps else None)


def drawn_by(truth: Box, side: int, rng: np.random.Generator, careless: bool) -> Box:
    """The box as a worker draws it: edges off by a few percent, or anywhere if careless."""
    if careless and rng.random() < 0.7:
        width, height = rng.uniform(0.1, 0.7, 2) * side
        x, y = rng.uniform(0, 1, 2) * (side - np.array([width, height]))
        return type(truth)(x, y, width, height)
    spread = 0.25 if careless else 0.07
    left, right = truth.x, truth.x + truth.width
    top, bottom = truth.y, truth.y + truth.height
    left, right = (edge + rng.normal(0, spread) * truth.width for edge in (left, right))
    top, bottom = (edge + rng.normal(0, spread) * truth.height for edge in (top, bottom))
    left, top = (min(max(edge, 0), side - 2) for edge in (left, top))
    right, bottom = min(max(right, left + 1), side), min(max(bottom, top + 1), side)
    assert not any(map(math.isnan, (left, top, right, bottom)))
    return type(truth)(left, top, right - left, bottom - top)
