"""Label sets: all concepts of a pixel, over all label maps and labels of the whole image.

A formula of concepts holds in some sets and not in others. So with pixels counted by set its
intersection with a unit's mask, and its area, are sums over sets: every formula's IoU is exact, and
no mask is read again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .formulas import Formula, single

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

MAX_SETS = 1 << 20
"""Different sets that are kept apart; a set takes some 300 bytes."""
_CACHED = 1 << 26
"""Bytes of what is kept of formulas, of each kind."""


class LabelSets:
    """The different label sets of a data set, numbered in the order in which they are met.

    Attributes:
        merged: how often a set was taken for a smaller one, since there were too many.
    """

    def __init__(self, images: Integers, most: int = MAX_SETS) -> None:
        """Start with the set of nothing, number 0.

        Args:
            images: int64 (concepts,), images that have each concept.
            most: sets that are kept apart. Any further one loses its rarest concepts, until it is
                one of these.
        """
        self._images = images
        self._most = most
        self._numbers: dict[tuple[int, ...], int] = {(): 0}
        self.merged = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, concepts: tuple[int, ...]) -> int:
        """Return the number of a set, given its concepts, ascending columns."""
        known = self._numbers.get(concepts)
        if known is not None:
            return known
        if len(self._numbers) < self._most:
            return self._numbers.setdefault(concepts, len(self._numbers))
        self.merged += 1
        while concepts not in self._numbers:
            rarest = min(concepts, key=lambda concept: (self._images[concept], concept))
            concepts = tuple(concept for concept in concepts if concept != rarest)
        return self._numbers[concepts]

    def numbers(self, sets: Iterable[tuple[int, ...]]) -> Integers:
        """Return the numbers of sets, int64 (sets,)."""
        return np.array([self.number(concepts) for concepts in sets], np.int64)

    def members(self) -> Members:
        """Return which concepts each set has."""
        return Members(list(self._numbers), len(self._images))


class Members:
    """Which concepts are in which sets.

    Attributes:
        concepts: how many concepts there are.
        sets_with: of each concept, int64 the sets that have it, ascending.
    """

    def __init__(self, sets: Sequence[tuple[int, ...]], concepts: int) -> None:
        """Index the sets, each given by its concepts, by set and by concept."""
        self.concepts = concepts
        lengths = np.array([len(members) for members in sets], np.int64)
        self._first = np.concatenate([[0], lengths.cumsum()])
        self._columns = np.array([c for members in sets for c in members], np.int64)
        owner = np.repeat(np.arange(len(sets)), lengths)
        order = np.argsort(self._columns, kind="stable")
        bounds = np.searchsorted(self._columns[order], np.arange(concepts + 1))
        self._holding: dict[Formula, NDArray[np.bool_]] = {}
        self.sets_with = [owner[order[start:end]] for start, end in pairwise(bounds)]

    def __len__(self) -> int:
        return len(self._first) - 1

    def pairs(self, sets: Integers) -> tuple[Integers, Integers]:
        """Return the position among `sets`, and the concept, of all that are in these sets."""
        lengths = self._first[sets + 1] - self._first[sets]
        position = np.repeat(np.arange(len(sets)), lengths)
        ends = lengths.cumsum()
        inner = np.arange(len(position)) - np.repeat(ends - lengths, lengths)
        return position, self._columns[np.repeat(self._first[sets], lengths) + inner]

    def holding(self, formula: Formula) -> NDArray[np.bool_]:
        """Return in which sets a formula holds, bool (sets,)."""
        holding = self._holding.get(formula)
        if holding is None:
            if (len(self._holding) + 1) * len(self) > _CACHED:
                self._holding.clear()
            holding = self._holding[formula] = self._find_holding(formula)
        return holding

    def _find_holding(self, formula: Formula) -> NDArray[np.bool_]:
        subset = np.zeros(len(self), np.uint8)
        for bit, concept in enumerate(formula.concepts):
            subset[self.sets_with[concept]] |= 1 << bit
        table = [formula.holds_with(s) for s in range(1 << len(formula.concepts))]
        return np.array(table)[subset]


class SetAreas:
    """Areas of concepts and formulas, given the pixels of each set.

    Attributes:
        members: which concepts each set has.
        pixels: int64 (sets,).
        concept: float64 (concepts,), integers: pixels of each concept.
        pair: float64 (concepts, concepts), pixels that have both.
    """

    def __init__(self, members: Members, pixels: Integers) -> None:
        """Sum up the pixels by concept and by pair of concepts."""
        self.members, self.pixels = members, pixels
        self._with_each: dict[Formula, NDArray[np.float64]] = {}
        self._area: dict[Formula, float] = {}
        with_each = [self._of_each(sets) for sets in members.sets_with]
        self.pair = np.array(with_each).reshape(members.concepts, members.concepts)
        self.concept = self.pair.diagonal().copy()

    def with_each(self, formula: Formula) -> NDArray[np.float64]:
        """Return the pixels where a formula holds that have each concept, float64 (concepts,)."""
        if len(formula.concepts) == 1 and formula == single(formula.concepts[0]):
            row: NDArray[np.float64] = self.pair[formula.concepts[0]]
            return row
        areas = self._with_each.get(formula)
        if areas is None:
            if (len(self._with_each) + 1) * 8 * self.members.concepts > _CACHED:
                self._with_each.clear()
            areas = self._of_each(np.flatnonzero(self.members.holding(formula)))
            self._with_each[formula] = areas
        return areas

    def area(self, formula: Formula) -> float:
        """Return the pixels where a formula holds."""
        area = self._area.get(formula)
        if area is None:
            area = self._area[formula] = float(self.pixels[self.members.holding(formula)].sum())
        return area

    def _of_each(self, sets: Integers) -> NDArray[np.float64]:
        position, concept = self.members.pairs(sets)
        weights = self.pixels[sets][position].astype(np.float64)
        return np.bincount(concept, weights, self.members.concepts).astype(np.float64)
