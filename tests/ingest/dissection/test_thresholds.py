"""The radix select against sorting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from conceptgraph.ingest.dissection.thresholds import RadixSelect, UnitValues, values_above
from tests import reference

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU = torch.device("cpu")

anything = st.floats(0, width=32, allow_nan=False, allow_infinity=True)
few = st.sampled_from(np.array([0, 1e-45, 1e-40, 1, 1 + 2**-23, 3e38], np.float32).tolist())
tails = st.integers(1, 999_999).map(lambda millionths: millionths / 1_000_000)


def select(shards: Sequence[tuple[Tensor, Tensor]], units: int, rank: int) -> Tensor:
    """Find thresholds of (unit, values) shards, each seen by its own select; histograms add up."""
    selects = [RadixSelect(units, rank, CPU) for _ in shards]
    while not selects[0].done:
        for one, (unit, values) in zip(selects, shards, strict=True):
            near = one.wanted(UnitValues(unit, values))
            one.update(one.partial(UnitValues(unit[near], values[near])))
        total = sum((one.histogram for one in selects), torch.zeros((), dtype=torch.int64))
        for one in selects:
            one.histogram = total.clone()
            one.finish_round()
    for one in selects:
        torch.testing.assert_close(one.thresholds, selects[0].thresholds, rtol=0, atol=0)
    return selects[0].thresholds


def ranked(values: Sequence[float], rank: int) -> float:
    """Return the `rank`-th largest (0 = the largest), 0 where there are not so many."""
    return sorted(values, reverse=True)[rank] if rank < len(values) else 0.0


@given(
    units=st.lists(st.one_of(st.lists(anything), st.lists(few, max_size=60)), min_size=1),
    rank=st.integers(0, 70),
    shards=st.integers(1, 4),
)
def test_the_ranked_value_from_any_number_of_shards(
    units: list[list[float]], rank: int, shards: int
) -> None:
    unit = torch.tensor([k for k, values in enumerate(units) for _ in values], dtype=torch.int64)
    values = torch.tensor([value for values in units for value in values])
    parts = [(unit[i::shards], values[i::shards]) for i in range(shards)]
    found = select(parts, len(units), rank)
    assert found.tolist() == [ranked(values, rank) for values in units]


def test_neighbouring_floats_are_told_apart() -> None:
    start = int(np.float32(1.7).view(np.int32))
    values = torch.arange(start, start + 5000, dtype=torch.int32).view(torch.float32)
    unit = torch.zeros(5000, dtype=torch.int64)
    for rank in (0, 1, 2500, 4999):
        assert select([(unit, values)], 1, rank).item() == values[4999 - rank].item()


def test_positive_values_are_counted_once() -> None:
    search = RadixSelect(3, 0, CPU)
    while not search.done:
        values = UnitValues(torch.tensor([0, 2, 2]), torch.tensor([1.0, 2.0, 2.0]))
        assert search.wanted(values).all()
        search.update(search.partial(values))
        search.finish_round()
    assert search.counts.tolist() == [1, 0, 2]
    assert search.thresholds.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("quantile", "count", "above"),
    [(0.005, 200, 1), (0.005, 199, 0), (0.29, 100, 29), (0.1, 30, 3), (0.5, 3, 1), (0.005, 0, 0)],
)
def test_values_above(quantile: float, count: int, above: int) -> None:
    assert values_above(quantile, count) == above


@given(quantile=tails, values=st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_no_more_than_the_quantile_lies_above(quantile: float, values: list[int]) -> None:
    limit = reference.threshold(values, quantile)
    exceeding = sum(value > limit for value in values)
    assert exceeding <= values_above(quantile, len(values)) <= quantile * len(values) + 1e-9
    assert sorted(values)[-1 - values_above(quantile, len(values))] == limit


@given(
    units=st.lists(st.lists(st.one_of(anything, few), min_size=1), min_size=1),
    later=st.lists(st.one_of(anything, few)),
    rank=st.integers(0, 40),
)
def test_what_follows_does_not_put_the_ranked_value_below_its_bound(
    units: list[list[float]], later: list[float], rank: int
) -> None:
    search = RadixSelect(len(units), rank, CPU)
    for unit, values in enumerate(units):
        numbers = torch.full((len(values),), unit)
        search.update(search.partial(UnitValues(numbers, torch.tensor(values))))
    bounds = search.lower_bound()
    assert torch.equal(bounds.bfloat16().float(), bounds)
    for values, bound in zip(units, bounds.tolist(), strict=True):
        exact = ranked(values, rank)
        assert bound < ranked([*values, *later], rank) or bound == 0
        if 2**-100 < exact < math.inf:
            assert bound > 0.87 * exact
