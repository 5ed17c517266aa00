"""The search for formulas, against plain loops over pixels."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from conceptgraph.ingest.statistics.formula_search import BEAM, UnitSets
from conceptgraph.ingest.statistics.formulas import OPERATORS, Formula, combine, single
from conceptgraph.ingest.statistics.label_sets import LabelSets, Members, SetAreas

if TYPE_CHECKING:
    from conceptgraph.ingest.statistics.formulas import Operator
    from tests.drawn_data import Bools

CONCEPTS, PIXELS = 9, 400


class Drawn(NamedTuple):
    """Pixels: which concepts they have, bool (concepts, pixels); and a unit's mask, (pixels,)."""

    labels: Bools
    mask: Bools

    def slow(self, terms: tuple[int, ...], operators: tuple[Operator, ...]) -> float:
        """Return the IoU of a formula, counted pixel by pixel."""
        holds = self.labels[terms[0]]
        for operator, term in zip(operators, terms[1:], strict=True):
            other = self.labels[term]
            holds = {"OR": holds | other, "AND": holds & other, "AND NOT": holds & ~other}[operator]
        return float((holds & self.mask).sum() / (holds | self.mask).sum())

    def fast(self) -> UnitSets:
        sets = LabelSets(np.ones(CONCEPTS, np.int64))
        number = sets.numbers([tuple(map(int, np.flatnonzero(c))) for c in self.labels.T])
        members = sets.members()
        areas = SetAreas(members, np.bincount(number, minlength=len(members)))
        covered, pixels = np.unique(number[self.mask], return_counts=True)
        return UnitSets(areas, covered, pixels)


def draw(seed: int) -> Drawn:
    """Draw pixels of which some concepts exclude one another, and a mask of a few of them."""
    rng = np.random.default_rng(seed)
    labels = rng.random((CONCEPTS, PIXELS)) < rng.uniform(0.05, 0.5, (CONCEPTS, 1))
    labels[1] &= ~labels[0]
    labels[3] &= labels[2]
    mask = (labels[0] | labels[1] | (labels[4] & ~labels[5])) ^ (rng.random(PIXELS) < 0.15)
    return Drawn(labels, mask)


@pytest.mark.parametrize("seed", range(12))
def test_the_best_of_one_and_two_terms_are_those_of_an_exhaustive_search(seed: int) -> None:
    drawn = draw(seed)
    one, two, *_ = drawn.fast().best()
    singles = [drawn.slow((c,), ()) for c in range(CONCEPTS)]
    assert one.iou == pytest.approx(max(singles), abs=1e-9)
    assert singles[one.formula.concepts[0]] == pytest.approx(one.iou, abs=1e-9)
    pairs = [
        drawn.slow(pair, (operator,))
        for pair in permutations(range(CONCEPTS), 2)
        for operator in OPERATORS
    ]
    assert max(pairs) > max(singles)
    assert two.iou == pytest.approx(max(pairs), abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_best_of_three_terms_is_that_of_a_plain_beam_search(seed: int) -> None:
    drawn = draw(seed)
    fast = drawn.fast()
    one, two, *three = fast.best()
    found: dict[Formula, float] = {}
    for first, second in permutations(range(CONCEPTS), 2):
        for operator in OPERATORS:
            formula = combine(single(first), operator, second)
            iou = drawn.slow((first, second), (operator,))
            apart = (first,) if operator == "AND NOT" else (first, second)
            if formula and iou > max(drawn.slow((c,), ()) for c in apart) + 1e-12:
                found[formula] = iou
    beam = sorted(found, key=lambda formula: -found[formula])[:BEAM]
    best = shorter = max(one.iou, two.iou)
    for formula in beam:
        for concept in range(CONCEPTS):
            for operator in OPERATORS:
                longer = combine(formula, operator, concept)
                if longer is not None:
                    best = max(best, slow_of(drawn, longer))
    assert (three[0].iou if three else shorter) == pytest.approx(best, abs=1e-9)
    for scored in three:
        assert slow_of(drawn, scored.formula) == pytest.approx(scored.iou, abs=1e-9)
        assert len(scored.formula.concepts) == 3


def slow_of(drawn: Drawn, formula: Formula) -> float:
    """Return the IoU of a formula, asked whether it holds at each pixel."""
    holds = np.array(
        [
            formula.holds_with(sum(bool(has[c]) << b for b, c in enumerate(formula.concepts)))
            for has in drawn.labels.T
        ]
    )
    return float((holds & drawn.mask).sum() / (holds | drawn.mask).sum())


def test_beam_search_finds_what_an_exhaustive_search_of_three_terms_finds_in_most_draws() -> None:
    same = 0
    for seed in range(6):
        fast = draw(seed).fast()
        best = fast.best()[-1].iou
        exhaustive = 0.0
        for formula in {
            longer
            for pair in permutations(range(CONCEPTS), 2)
            for one in OPERATORS
            if (shorter := combine(single(pair[0]), one, pair[1]))
            for two in OPERATORS
            for concept in range(CONCEPTS)
            if (longer := combine(shorter, two, concept))
        }:
            exhaustive = max(exhaustive, fast.iou(formula))
        assert best <= exhaustive + 1e-9
        same += best >= exhaustive - 1e-9
    assert same >= 5


def test_areas_are_those_of_the_pixels() -> None:
    drawn = draw(0)
    sets = LabelSets(np.ones(CONCEPTS, np.int64))
    number = sets.numbers([tuple(map(int, np.flatnonzero(c))) for c in drawn.labels.T])
    areas = SetAreas(sets.members(), np.bincount(number, minlength=len(sets)))
    np.testing.assert_array_equal(areas.concept, drawn.labels.sum(axis=1))
    for a, b in combinations(range(CONCEPTS), 2):
        assert areas.pair[a, b] == (drawn.labels[a] & drawn.labels[b]).sum()
        union = combine(single(a), "OR", b)
        assert union is not None
        holds = drawn.labels[a] | drawn.labels[b]
        assert areas.area(union) == holds.sum()
        np.testing.assert_array_equal(areas.with_each(union), (drawn.labels & holds).sum(axis=1))


def test_a_unit_that_meets_no_label_has_no_formula() -> None:
    areas = SetAreas(Members([(), (0,), (0, 1)], 2), np.array([50, 5, 5]))
    assert UnitSets(areas, np.array([0]), np.array([7])).best() == []
    (one,) = UnitSets(areas, np.array([0, 1, 2]), np.array([1, 5, 5])).best()
    assert one.formula == single(0)


def test_too_many_sets_lose_their_rarest_concepts() -> None:
    sets = LabelSets(np.array([5, 1, 9]), most=3)
    assert sets.numbers([(0,), (0, 2)]).tolist() == [1, 2]
    assert sets.merged == 0
    assert sets.number((0, 1, 2)) == 2  # without 1, the rarest
    assert sets.number((1, 2)) == 0  # without either
    assert sets.number((0, 2)) == 2
    assert (sets.merged, len(sets)) == (2, 3)
