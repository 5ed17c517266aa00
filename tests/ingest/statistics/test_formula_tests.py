"""Whether a formula gains: against plain counts, and how often it is said where it does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.ingest.statistics.formula_tests import (
    FEWEST,
    GAIN,
    HeldOutSets,
    HeldOutUnit,
    gain_over,
    null_p,
)
from conceptgraph.ingest.statistics.formulas import Formula, single
from conceptgraph.ingest.statistics.label_sets import Members
from conceptgraph.ingest.statistics.permutation_null import MOMENT_DRAWS

if TYPE_CHECKING:
    from tests.drawn_data import Numbers

MEMBERS = Members([(), (0,), (1,), (0, 1)], 2)
UNION = Formula((0, 1), 0b1110)


def drawn_unit(seed: int, images: int, second: float) -> tuple[HeldOutUnit, Numbers, Numbers]:
    """Draw images with areas of the four sets, and a mask that covers some of each.

    Args:
        seed: of the draw.
        images: how many.
        second: share of the second concept's pixels that the mask covers.

    Returns:
        The unit; areas and mask pixels, int64 (images, sets).
    """
    rng = np.random.default_rng(seed)
    areas = rng.poisson(rng.gamma(0.5, 60, (images, 4)))
    areas[:, 0] += 200
    mask = rng.binomial(
        areas, np.clip(rng.normal([0.02, 0.5, second, 0.5], 0.1, (images, 4)), 0, 1)
    )
    image, sets = (index.reshape(-1) for index in np.indices(areas.shape))
    held_out = HeldOutSets(MEMBERS, images, image, sets, areas.reshape(-1))
    kept = mask.reshape(-1) > 0
    return (
        HeldOutUnit(held_out, image[kept], sets[kept], mask.reshape(-1)[kept]),
        areas,
        mask,
    )


def test_iou_interval_and_precision_are_those_of_plain_counts() -> None:
    unit, areas, mask = drawn_unit(0, 40, 0.4)
    gain = gain_over(unit, UNION, [single(0), single(1)])

    def plain(sets: list[int], left_out: int | None = None) -> float:
        rows = [i for i in range(40) if i != left_out]
        inside = sum(int(mask[i, s]) for i in rows for s in sets)
        area = sum(int(areas[i, s]) for i in rows for s in sets)
        return inside / (int(mask[rows].sum()) + area - inside)

    assert gain.iou == pytest.approx(plain([1, 2, 3]))
    assert gain.part_iou == pytest.approx(max(plain([1, 3]), plain([2, 3])))
    assert gain.is_large == (gain.iou >= (1 + GAIN) * gain.part_iou)
    lows = []
    for part in ([1, 3], [2, 3]):  # the jackknife agrees with the linearised error
        left = np.array([plain([1, 2, 3], i) - plain(part, i) for i in range(40)])
        error = math.sqrt(39 / 40 * ((left - left.mean()) ** 2).sum())
        lows.append(plain([1, 2, 3]) - plain(part) - 1.96 * error)
    assert gain.low == pytest.approx(min(lows), abs=0.01)
    precision, low = unit.precision(UNION)
    assert precision == pytest.approx(mask[:, 1:].sum() / mask.sum())
    assert 0 < low < precision


def test_no_gain_is_hardly_ever_significant() -> None:
    # Where the share of the second concept is such that the union is just as good as the first.
    shares = np.linspace(0, 0.5, 26)
    gains = [np.mean([_gain(seed, share) for seed in range(20)]) for share in shares]
    share = float(np.interp(0, gains, shares))
    p = []
    for seed in range(100, 500):
        unit, *_ = drawn_unit(seed, 60, share)
        p.append(gain_over(unit, UNION, [single(0)]).p)
    assert np.mean(np.array(p) < 0.05) < 0.09
    assert np.mean(np.array(p) < 0.005) < 0.02


def _gain(seed: int, share: float) -> float:
    unit, *_ = drawn_unit(seed, 400, share)
    gain = gain_over(unit, UNION, [single(0)])
    return gain.iou - gain.part_iou


def test_a_gain_from_few_images_is_none() -> None:
    images = np.arange(30)
    areas = HeldOutSets(MEMBERS, 30, images, np.where(images < FEWEST - 1, 2, 1), np.full(30, 50))
    few = HeldOutUnit(areas, images, np.where(images < FEWEST - 1, 2, 1), np.full(30, 50))
    gain = gain_over(few, UNION, [single(0)])
    assert gain.is_large
    assert gain.p == 1


def test_p_of_the_search_is_uniform_where_labels_say_nothing() -> None:
    rng = np.random.default_rng(0)
    below = []
    for _ in range(60):
        scale = rng.gamma(2, 1, 64)  # units differ in how good a formula chance gives them
        scores = scale * (1 + 0.2 * rng.gumbel(size=(1 + 8 + MOMENT_DRAWS, 64)))
        below.append(null_p(scores))
    p = np.concatenate(below)
    for limit in (0.5, 0.1, 0.01):
        assert 0.4 * limit < np.mean(p < limit) < 1.2 * limit
    found = scores.copy()
    found[0] = 4 * scores.max(axis=0)
    assert null_p(found).max() < 0.01
