"""The formulas with the largest IoU of a unit, by exact counts over label sets.

1. one term     every concept
2. two terms    every pair of concepts and every operator: none is left out
3. three terms  beam search: the best formulas of two terms, with every concept and operator

A formula of two terms is kept only if it is better than either of its terms, and is not the same
set of pixels as one of them; one of three terms, if it is better than all shorter ones. Where a
bound shows that no third term can help, none is tried: with U the unit's mask and F the formula,

    IoU(F AND [NOT] c) ≤ |U∩F| / |U|
    IoU(F OR c) ≤ m / (|U| + max(|F|, |c|) − m),    m = min(|U|, |U∩F| + |U∩c|)

All images count for all concepts: the IoU is that of `--iou unrestricted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .formulas import OPERATORS, TERMS, Formula, combine, single
from .iou import EMPTY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .label_sets import Integers, SetAreas

    Floats = NDArray[np.float64]

BEAM = 10
"""Formulas of two terms that get a third one."""
POSITIVE = 256
"""Concepts of a unit, those with the largest IoU, that formulas are made of; with NOT all are."""


class ScoredFormula(NamedTuple):
    """A formula, and its IoU with a unit."""

    formula: Formula
    iou: float


class UnitSets:
    """A unit's mask by label sets: which sets it covers, and how many pixels of each.

    Attributes:
        area: pixels of the mask, those without any label included.
    """

    def __init__(self, areas: SetAreas, sets: Integers, pixels: Integers) -> None:
        """Prepare.

        Args:
            areas: of all sets.
            sets: int64 (n,), that the mask covers, ascending.
            pixels: int64 (n,), of each.
        """
        self._areas, self._sets = areas, sets
        self._pixels = pixels.astype(np.float64)
        self.area = float(pixels.sum())

    def intersection(self, formula: Formula) -> float:
        """Return the pixels of the mask where a formula holds."""
        return float(self._pixels[self._areas.members.holding(formula)[self._sets]].sum())

    def iou(self, formula: Formula) -> float:
        """Return the IoU with a formula."""
        intersection = self.intersection(formula)
        return float(_iou(intersection, self._areas.area(formula), self.area))

    def best(self, beam: int = BEAM) -> list[ScoredFormula]:
        """Return the best formula of one term, of two and of three, as far as there are any.

        Of equals the first in the order of operators, then of columns, is the best.
        """
        position, concept = self._areas.members.pairs(self._sets)
        concepts = self._areas.members.concepts
        intersection = np.bincount(concept, self._pixels[position], concepts).astype(np.float64)
        columns = np.flatnonzero(intersection)
        if not len(columns):
            return []
        has = np.zeros((len(self._sets), len(columns)))
        has[position, np.searchsorted(columns, concept)] = 1
        one = _iou(intersection, self._areas.concept, self.area)
        best = [ScoredFormula(single(int(one.argmax())), float(one.max()))]
        pairs = self._pairs(columns, has, intersection, one, beam)
        best += pairs[:1]
        limit = max(scored.iou for scored in best)
        best += self._triples(pairs, limit, columns, has, intersection)
        return best

    def _pairs(
        self,
        columns: Integers,
        has: Floats,
        intersection: Floats,
        one: Floats,
        beam: int,
    ) -> list[ScoredFormula]:
        """Return the best formulas of two terms (step 2)."""
        rows = np.sort(np.argsort(-one[columns], kind="stable")[:POSITIVE])
        first = columns[rows]
        both = np.zeros((len(rows), len(intersection)))
        both[:, columns] = (has[:, rows] * self._pixels[:, None]).T @ has
        areas = self._areas.concept
        scores = _extended(
            intersection[first, None], areas[first, None], intersection, areas, both,
            self._areas.pair[first], self.area,
        )  # fmt: skip
        symmetric = np.zeros(len(intersection), np.bool_)
        symmetric[first] = True
        allowed = symmetric & (np.arange(len(intersection)) > first[:, None])
        better = np.maximum(one[first, None], one)
        scores[:2] *= allowed & (scores[:2] > better)
        scores[2] *= scores[2] > one[first, None]
        flat = scores.reshape(-1)
        kept = np.flatnonzero(flat > 0)
        if len(kept) > beam:
            least = np.partition(flat[kept], -beam)[-beam]
            kept = kept[flat[kept] >= least]
        kept = kept[np.argsort(-flat[kept], kind="stable")[:beam]]
        found = []
        for operator, row, column in zip(*np.unravel_index(kept, scores.shape), strict=True):
            formula = combine(single(int(first[row])), OPERATORS[operator], int(column))
            if formula is not None:
                found.append(ScoredFormula(formula, float(scores[operator, row, column])))
        return found

    def _triples(
        self,
        pairs: list[ScoredFormula],
        limit: float,
        columns: Integers,
        has: Floats,
        intersection: Floats,
    ) -> list[ScoredFormula]:
        """Return the best formula of three terms, if its IoU is above the limit (step 3)."""
        best: list[ScoredFormula] = []
        for formula, _ in pairs:
            holding = self._pixels * self._areas.members.holding(formula)[self._sets]
            inside, area = float(holding.sum()), self._areas.area(formula)
            if self._bound(inside, area, intersection) <= limit:
                continue
            both = np.zeros(len(intersection))
            both[columns] = holding @ has
            scores = _extended(
                inside, area, intersection, self._areas.concept, both,
                self._areas.with_each(formula), self.area,
            )  # fmt: skip
            scores[:, formula.concepts] = 0
            operator, column = np.unravel_index(scores.argmax(), scores.shape)
            longer = combine(formula, OPERATORS[operator], int(column))
            if scores.max() > limit and longer is not None and len(longer.concepts) == TERMS:
                limit = float(scores.max())
                best = [ScoredFormula(longer, limit)]
        return best

    def _bound(self, inside: float, area: float, intersection: Floats) -> float:
        """Return what the IoU of a formula with one more term cannot exceed."""
        most = np.minimum(inside + intersection, self.area)
        union = self.area + np.maximum(self._areas.concept, area) - most
        return max(inside / self.area, float((most / np.maximum(union, EMPTY)).max()))


def _extended(
    inside: Floats | float,
    area: Floats | float,
    intersection: Floats,
    areas: Floats,
    both_inside: Floats,
    both_area: Floats,
    unit_area: float,
) -> Floats:
    """Return the IoU of formulas with one more term, float64 (operators, …); 0 where it adds none.

    Args:
        inside: the formulas' intersections with the unit.
        area: their areas.
        intersection: of each concept.
        areas: of each concept.
        both_inside: pixels of the unit where formula and concept hold.
        both_area: all pixels where both hold.
        unit_area: pixels of the unit's mask.
    """
    meets = both_area > 0
    nested = both_area >= np.minimum(area, areas)
    scores = (
        _iou(both_inside, both_area, unit_area) * (meets & ~nested),
        _iou(inside + intersection - both_inside, area + areas - both_area, unit_area) * ~nested,
        _iou(inside - both_inside, area - both_area, unit_area) * meets,
    )
    return np.array(scores)


def _iou(intersection: Floats | float, area: Floats | float, unit_area: float) -> Floats:
    ratio: Floats = np.asarray(intersection / (unit_area + area - intersection + EMPTY))
    return ratio
