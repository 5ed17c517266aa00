"""IoU and labels, above all what happens where scores tie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptgraph.ingest.statistics.iou import (
    OverlapCounts,
    RankedConcept,
    iou,
    label_units,
    ranking,
)
from tests import reference

# Concepts in order of label number, and their categories.
CATEGORY = np.array([1, 0, 1, 2, 0, 2, 1])

tied = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=7, max_size=7)


def test_iou_by_hand() -> None:
    counts = OverlapCounts(
        intersection=np.array([[30, 0, 10], [0, 0, 0]]),
        activation_area=np.array([[50, 40], [0, 0]]),
        concept_area=np.array([100, 0, 10]),
        category=np.array([0, 0, 1]),
    )
    expected = np.array([[30 / 120, 0, 10 / 40], [0, 0, 0]])
    np.testing.assert_allclose(iou(counts), expected, rtol=1e-9)


@given(st.integers(0, 2**16))
def test_iou_is_a_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    intersection = rng.integers(0, 9, (4, 7))
    activation_area = intersection.max(axis=1, keepdims=True) + rng.integers(0, 5, (4, 3))
    concept_area = intersection.max(axis=0) + rng.integers(0, 5, 7)
    found = iou(OverlapCounts(intersection, activation_area, concept_area, CATEGORY))
    slow = reference.OverlapCounts(intersection, activation_area, concept_area)
    np.testing.assert_array_equal(found, reference.iou(slow, CATEGORY.tolist()))
    assert (found >= 0).all()
    assert (found <= 1).all()


@given(st.lists(tied, min_size=1, max_size=4))
def test_the_ranking_settles_ties_by_category_then_number(units: list[list[float]]) -> None:
    for scores, found in zip(units, ranking(np.array(units), CATEGORY), strict=True):
        slow = sorted(range(7), key=lambda c: (-scores[c], -CATEGORY[c], c))
        assert found.tolist() == slow


@given(st.lists(tied, min_size=1, max_size=4))
def test_the_first_label_is_the_references(units: list[list[float]]) -> None:
    for scores, found in zip(units, label_units(np.array(units), CATEGORY, top=1), strict=True):
        best = reference.best_label(scores, CATEGORY.tolist())
        assert (found[0].concept if found else None) == best


@given(scores=tied, top=st.integers(1, 8))
def test_labels_are_the_top_and_the_best_of_each_category(scores: list[float], top: int) -> None:
    order = ranking(np.array([scores]), CATEGORY)[0].tolist()
    best = {}
    for column in reversed(order):
        best[CATEGORY[column]] = column
    wanted = [c for rank, c in enumerate(order) if rank < top or c in best.values()]
    found = label_units(np.array([scores]), CATEGORY, top)[0]
    assert found == [RankedConcept(c, order.index(c)) for c in wanted if scores[c] > 0]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.2, 0.1, 0.2, 0, 0, 0, 0], 0),  # within a category: the lower number
        ([0.2, 0.2, 0, 0, 0.2, 0, 0], 0),  # across categories: the later one
        ([0.2, 0, 0, 0, 0, 0.2, 0], 5),
        ([0, 0, 0, 1e-9, 0, 0, 0], 3),
    ],
)
def test_ties_by_hand(scores: list[float], best: int) -> None:
    assert label_units(np.array([scores]), CATEGORY, 3)[0][0] == RankedConcept(best, 0)
    assert reference.best_label(scores, CATEGORY.tolist()) == best


def test_a_unit_that_overlaps_nothing_has_no_label() -> None:
    assert label_units(np.zeros((2, 7)), CATEGORY, 5) == [[], []]
    assert reference.best_label([0.0] * 7, CATEGORY.tolist()) is None
