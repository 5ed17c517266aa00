"""p-values beyond the pool's resolution, on distributions by chance that are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch

from conceptgraph.ingest.statistics.permutation_null import REFERENCE
from conceptgraph.ingest.statistics.significance import (
    ENOUGH,
    FAR,
    MODERATION,
    Chance,
    largest_significant,
    p_of,
    p_values,
    tail_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

VALUES = 512


class Known(NamedTuple):
    """A distribution by chance: how to draw from it, and how often it is larger than T."""

    draw: Callable[[np.random.Generator, tuple[int, int]], Floats]
    beyond: Callable[[Floats], Floats]


def normal_beyond(t: Floats) -> Floats:
    """Share of a normal distribution above T."""
    found: Floats = torch.erfc(torch.from_numpy(t / math.sqrt(2))).numpy() / 2
    return found


def student(freedom: int) -> Known:
    """Student's t, of an even number of degrees of freedom."""

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
    """The T that chance exceeds with probability p, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if known.beyond(np.array([middle]))[0] > p else (low, middle)
    return low


def test_a_tail_by_hand() -> None:
    """Of values at the quantiles of an exponential: shape 0, scale 1, and one standard error."""
    values = -np.log1p(-(np.arange(1000) + 0.5) / 1000)
    tail = tail_of(values)
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
    tail = tail_of((left**-shape - 1) / shape)
    assert tail is not None
    assert tail.shape == pytest.approx(shape, abs=0.02)
    assert tail.scale == pytest.approx(FAR**-shape, rel=0.02)


@pytest.mark.parametrize(
    "pool",
    [
        np.zeros(VALUES),
        np.repeat(np.arange(VALUES // 32), 32),
        np.append(np.arange(VALUES - 1), np.inf),
        np.append(np.full(VALUES // 2, -np.inf), np.full(VALUES // 2, np.inf)),
        np.arange(4),
        np.arange(int(ENOUGH / FAR) - 1),
    ],
    ids=["nothing", "few different", "one infinite", "all infinite", "tiny", "few"],
)
def test_where_no_tail_can_be_fitted_p_is_the_share_of_the_pool(pool: Floats) -> None:
    pool = pool.astype(np.float64)
    assert tail_of(pool) is None
    t = np.array([-1.0, 3, 1e6])
    slow = [(1 + sum(value >= each for value in pool)) / (1 + len(pool)) for each in t]
    np.testing.assert_array_equal(p_of(t, pool), slow)


@pytest.mark.parametrize("name", KNOWN)
def test_p_falls_with_t_and_goes_on_where_the_pool_ends(name: str) -> None:
    pool = np.sort(KNOWN[name].draw(np.random.default_rng(0), (1, VALUES))[0])
    tail = tail_of(pool)
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
    """What is said to have p has at most 1.5 times that, on average, down to one in a million.

    And it is of use: what has one in 10,000 is said to have one in 300 or less, what has one in a
    million one in 1,000 or less (medians; the less normal, the closer).
    """
    known = KNOWN[name]
    pools = np.sort(known.draw(np.random.default_rng(1), (2000, VALUES)))
    tails = [tail for tail in map(tail_of, pools) if tail is not None]
    assert len(tails) == len(pools)
    start, share, shape, scale = np.array(tails).T
    for p in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        t = start + scale / shape * ((p / share) ** -shape - 1)
        assert known.beyond(t).mean() <= 1.5 * p
    for p, least, most in ((1e-4, 1e-4, 1 / 300), (1e-6, 1e-6, 1 / 1000)):
        said = share * (1 + shape * (where(known, p) - start) / scale) ** (-1 / shape)
        assert least < np.median(said) < most


class Simulated(NamedTuple):
    """Counts of a block of units, and which pairs have more overlap than chance gives."""

    chance: Chance
    real: NDArray[np.bool_]


def simulated(seed: int, effects: float) -> Simulated:
    """128 units and 40 concepts, from one in every batch to one in a few of 24 batches.

    Overlaps of a batch are skewed and often 0, and differ in size by unit and concept; a share
    `effects` of the pairs has a multiple of what chance gives.
    """
    rng = np.random.default_rng(seed)
    units, concepts, batches, draws = 128, 40, 24, 4
    often = rng.uniform(0.1, 1, (1, concepts, 1))
    there = rng.random((1, concepts, batches)) < often
    size = rng.lognormal(3, 1, (units, 1, 1)) * rng.lognormal(0, 0.5, (1, concepts, 1))
    shape = (1 + draws + REFERENCE, units, concepts, batches)
    overlap = rng.gamma(0.5, size * there, shape)
    real = rng.random((units, concepts)) < effects
    overlap[0] *= np.where(real, 5, 1)[..., None]
    counted = rng.poisson(overlap)
    last = counted[-REFERENCE:]
    spread = (REFERENCE * (last**2).sum(axis=0) - last.sum(axis=0) ** 2).sum(axis=2)
    both = counted.sum(axis=3)
    drawn = both[-REFERENCE:].sum(axis=0)
    return Simulated(Chance(both[0], both[1:-REFERENCE], drawn, spread), real)


def p_of_block(chance: Chance) -> Floats:
    return p_values(chance, np.ones(len(chance.real), np.bool_))


def test_t_is_moderated_by_the_concepts_mean_spread() -> None:
    """A unit whose reference draws agree by accident gets no infinite T."""
    spread = np.array([[100], [0]])
    chance = Chance(
        real=np.array([[9], [9]]),
        imitation=np.array([[[6], [1]], [[5], [3]]]),
        reference=np.array([[15], [3]]),
        spread=spread,
    )
    # T = (3 · both − Σ) / √(spread + 0.3 · 50): of the pool (3, 0) / √115 and (0, 6) / √15.
    assert MODERATION == 0.3
    t = np.array([12 / math.sqrt(115), 24 / math.sqrt(15)])
    pool = np.array([3 / math.sqrt(115), 0, 0, 6 / math.sqrt(15)])
    assert pool.max() > t[0] > np.sort(pool)[-2]
    np.testing.assert_allclose(p_of_block(chance)[:, 0], [2 / 5, 1 / 5])


def test_p_values_by_chance_are_uniform_far_down() -> None:
    """Twelve blocks in which nothing is real: 61,440 pairs."""
    blocks = [p_of_block(simulated(seed, effects=0).chance) for seed in range(12)]
    p = np.stack(blocks)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert (p <= level).mean() == pytest.approx(level, rel=0.1)
    for level in (0.05, 0.01, 0.001, 0.0001):
        assert (p <= level).mean() <= 1.1 * level
    assert (p <= 0.01).mean() > 0.002
    assert sum(largest_significant(each, 0.05) > 0 for each in blocks) <= 1


def test_false_discoveries_stay_below_the_level() -> None:
    """One in fifty pairs is real: too few for p that end at 1 / 513, enough for p that go on."""
    false, found = [], []
    for seed in range(12):
        chance, real = simulated(100 + seed, effects=0.02)
        p = p_of_block(chance)
        beyond = p <= largest_significant(p, 0.05)
        false.append((beyond & ~real).sum() / max(beyond.sum(), 1))
        found.append((beyond & real).sum() / real.sum())
        ended = np.maximum(p, 1 / (1 + VALUES))
        assert largest_significant(ended, 0.05) == -1
    assert np.mean(false) <= 0.05
    assert np.mean(found) > 0.1


def test_the_same_counts_give_the_same_p() -> None:
    chance = simulated(0, effects=0.02).chance
    assert p_of_block(chance).tobytes() == p_of_block(chance).tobytes()
