"""p-values beyond the pool's resolution, for null distributions that are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch

from conceptgraph.ingest.statistics.permutation_null import MOMENT_DRAWS
from conceptgraph.ingest.statistics.significance import (
    MIN_DISTINCT,
    MODERATION,
    TAIL_SHARE,
    NullDistribution,
    fit_tail,
    largest_significant,
    p_of,
    p_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

VALUES = 512


class Known(NamedTuple):
    """A null distribution: how to draw from it, and how often it is larger than T."""

    draw: Callable[[np.random.Generator, tuple[int, int]], Floats]
    beyond: Callable[[Floats], Floats]


def normal_beyond(t: Floats) -> Floats:
    """Compute the share of a normal distribution above T."""
    found: Floats = torch.erfc(torch.from_numpy(t / math.sqrt(2))).numpy() / 2
    return found


def student(freedom: int) -> Known:
    """Return Student's t, of an even number of degrees of freedom."""

    def beyond(t: Floats) -> Floats:
        angle = np.arctan(t / math.sqrt(freedom))
        term = total = np.ones_like(t)
        for k in range(1, freedom // 2):
            term = term * np.cos(angle) ** 2 * (2 * k - 1) / (2 * k)
            total = total + term
        found: Floats = (1 - np.sin(angle) * total) / 2
        return found

    return Known(lambda rng, shape: rng.standard_t(freedom, shape), beyond)


KNOWN = {
    "normal": Known(lambda rng, shape: rng.standard_normal(shape), normal_beyond),
    "exponential": Known(lambda rng, shape: rng.exponential(size=shape), lambda t: np.exp(-t)),
    "Student, 10": student(10),
    "Student, 4": student(4),
}


def where(known: Known, p: float) -> float:
    """Find the T that the distribution exceeds with probability p, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if known.beyond(np.array([middle]))[0] > p else (low, middle)
    return low


def test_a_tail_by_hand() -> None:
    """Of values at the quantiles of an exponential: shape 0, scale 1, and one standard error."""
    values = -np.log1p(-(np.arange(1000) + 0.5) / 1000)
    tail = fit_tail(values)
    assert tail is not None
    assert tail.start == values[899]
    assert tail.share == 101 / 1001
    beyond = values[900:] - values[899]
    mean = sum(beyond) / 100
    weighted = sum(value * (99 - rank) / 99 for rank, value in enumerate(beyond)) / 100
    shape = max(2 - mean / (mean - 2 * weighted), 0)
    assert tail.shape == pytest.approx(shape + math.sqrt(4 / 300))
    assert tail.scale == pytest.approx(mean * (1 - shape))
    assert (shape, tail.scale) == pytest.approx((0, 1), abs=0.06)
    found = tail.p(np.array([tail.start, tail.start + 9]))
    expected = tail.share * (1 + tail.shape * 9 / tail.scale) ** (-1 / tail.shape)
    np.testing.assert_allclose(found, [101 / 1001, expected])


@pytest.mark.parametrize("shape", [0.1, 0.3])
def test_a_generalised_pareto_tail_is_found_again(shape: float) -> None:
    left = 1 - (np.arange(200_000) + 0.5) / 200_000
    tail = fit_tail((left**-shape - 1) / shape)
    assert tail is not None
    assert tail.shape == pytest.approx(shape, abs=0.02)
    assert tail.scale == pytest.approx(TAIL_SHARE**-shape, rel=0.02)


@pytest.mark.parametrize(
    "pool",
    [
        np.zeros(VALUES),
        np.repeat(np.arange(VALUES // 32), 32),
        np.append(np.arange(VALUES - 1), np.inf),
        np.append(np.full(VALUES // 2, -np.inf), np.full(VALUES // 2, np.inf)),
        np.arange(4),
        np.arange(int(MIN_DISTINCT / TAIL_SHARE) - 1),
    ],
    ids=["nothing", "few different", "one infinite", "all infinite", "tiny", "few"],
)
def test_where_no_tail_can_be_fitted_p_is_the_share_of_the_pool(pool: Floats) -> None:
    pool = pool.astype(np.float64)
    assert fit_tail(pool) is None
    t = np.array([-1.0, 3, 1e6])
    slow = [(1 + sum(value >= each for value in pool)) / (1 + len(pool)) for each in t]
    np.testing.assert_array_equal(p_of(t, pool), slow)


@pytest.mark.parametrize("name", KNOWN)
def test_p_falls_with_t_and_goes_on_where_the_pool_ends(name: str) -> None:
    pool = np.sort(KNOWN[name].draw(np.random.default_rng(0), (1, VALUES))[0])
    tail = fit_tail(pool)
    assert tail is not None
    t = np.sort(np.concatenate([pool, np.linspace(-10, 100, 5000)]))
    found = p_of(t, pool)
    assert (np.diff(found) <= 0).all()
    assert (np.diff(found[t > max(tail.start, pool[-1])]) < 0).all()
    assert 0 < found[-1] < 0.1 / VALUES
    joint = p_of(np.array([tail.start, np.nextafter(tail.start, 99)]), pool)
    np.testing.assert_allclose(joint[0] - joint[1], 1 / (1 + VALUES))
    np.testing.assert_array_equal(found, p_of(t, pool))


@pytest.mark.parametrize("name", KNOWN)
def test_a_tail_is_calibrated(name: str) -> None:
    """A T whose fitted p is p is exceeded 1.5 · p of the time at most, down to one in a million.

    And it is of use: what has one in 10,000 gets one in 300 or less, what has one in a million one
    in 1,000 or less (medians; the less normal, the closer).
    """
    known = KNOWN[name]
    pools = np.sort(known.draw(np.random.default_rng(1), (2000, VALUES)))
    tails = [tail for tail in map(fit_tail, pools) if tail is not None]
    assert len(tails) == len(pools)
    start, share, shape, scale = np.array(tails).T
    for p in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        t = start + scale / shape * ((p / share) ** -shape - 1)
        assert known.beyond(t).mean() <= 1.5 * p
    for p, least, most in ((1e-4, 1e-4, 1 / 300), (1e-6, 1e-6, 1 / 1000)):
        fitted = share * (1 + shape * (where(known, p) - start) / scale) ** (-1 / shape)
        assert least < np.median(fitted) < most


class Simulated(NamedTuple):
    """Counts of a block of units, and which pairs overlap more than under the null."""

    null: NullDistribution
    enriched: NDArray[np.bool_]


def simulated(seed: int, effects: float) -> Simulated:
    """Simulate 128 units and 40 concepts, some in every batch, some in a few of 24.

    Overlaps of a batch are skewed and often 0, and differ in size by unit and concept; a share
    `effects` of the pairs has a multiple of what the null gives.
    """
    rng = np.random.default_rng(seed)
    units, concepts, batches, draws = 128, 40, 24, 4
    frequency = rng.uniform(0.1, 1, (1, concepts, 1))
    present = rng.random((1, concepts, batches)) < frequency
    size = rng.lognormal(3, 1, (units, 1, 1)) * rng.lognormal(0, 0.5, (1, concepts, 1))
    shape = (1 + draws + MOMENT_DRAWS, units, concepts, batches)
    overlap = rng.gamma(0.5, size * present, shape)
    enriched = rng.random((units, concepts)) < effects
    overlap[0] *= np.where(enriched, 5, 1)[..., None]
    counted = rng.poisson(overlap)
    moments = counted[-MOMENT_DRAWS:]
    spread = (MOMENT_DRAWS * (moments**2).sum(axis=0) - moments.sum(axis=0) ** 2).sum(axis=2)
    total = counted.sum(axis=3)
    moment_sum = total[-MOMENT_DRAWS:].sum(axis=0)
    null = NullDistribution(total[0], total[1:-MOMENT_DRAWS], moment_sum, spread)
    return Simulated(null, enriched)


def p_of_block(null: NullDistribution) -> Floats:
    return p_values(null, np.ones(len(null.observed), np.bool_))


def test_t_is_moderated_by_the_concepts_mean_spread() -> None:
    """A unit whose moment draws agree by accident gets no infinite T."""
    null = NullDistribution(
        observed=np.array([[9], [9]]),
        null_samples=np.array([[[6], [1]], [[5], [3]]]),
        moment_sum=np.array([[15], [3]]),
        moment_spread=np.array([[100], [0]]),
    )
    # T = (3 · b − Σ) / √(spread + 0.3 · 50): of the pool (3, 0) / √115 and (0, 6) / √15.
    assert MODERATION == 0.3
    t = np.array([12 / math.sqrt(115), 24 / math.sqrt(15)])
    pool = np.array([3 / math.sqrt(115), 0, 0, 6 / math.sqrt(15)])
    assert pool.max() > t[0] > np.sort(pool)[-2]
    np.testing.assert_allclose(p_of_block(null)[:, 0], [2 / 5, 1 / 5])


def test_p_values_under_the_null_are_uniform_far_down() -> None:
    """Twelve blocks in which nothing is enriched: 61,440 pairs."""
    blocks = [p_of_block(simulated(seed, effects=0).null) for seed in range(12)]
    p = np.stack(blocks)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert (p <= level).mean() == pytest.approx(level, rel=0.1)
    for level in (0.05, 0.01, 0.001, 0.0001):
        assert (p <= level).mean() <= 1.1 * level
    assert (p <= 0.01).mean() > 0.002
    assert sum(largest_significant(each, 0.05) > 0 for each in blocks) <= 1


def test_false_discoveries_stay_below_the_rate() -> None:
    """One in fifty pairs is enriched: too few if p ended at 1 / 513, enough as it goes on."""
    false, found = [], []
    for seed in range(12):
        null, enriched = simulated(100 + seed, effects=0.02)
        p = p_of_block(null)
        significant = p <= largest_significant(p, 0.05)
        false.append((significant & ~enriched).sum() / max(significant.sum(), 1))
        found.append((significant & enriched).sum() / enriched.sum())
        ended = np.maximum(p, 1 / (1 + VALUES))
        assert largest_significant(ended, 0.05) == -1
    assert np.mean(false) <= 0.05
    assert np.mean(found) > 0.1


def test_the_same_counts_give_the_same_p() -> None:
    null = simulated(0, effects=0.02).null
    assert p_of_block(null).tobytes() == p_of_block(null).tobytes()
