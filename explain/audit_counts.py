"""Counting over an audit's rows: confusions with what pushes them, and suspects.

A concept *pushes* a decision when it is among the three that raise its logit most. It is a suspect
when it pushes mistakes: the more so, the more seldom it pushes right answers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .audit_rows import Row

PUSHING = 3
"""Concepts that count as pushing a decision: those that raise it most."""
_Z = 1.959964  # of a 95 % interval


class Pushed(NamedTuple):
    """What a concept adds in a confusion where present, in units of the logit, mean over images."""

    concept: str
    raises: float
    lowers: float


@dataclass(frozen=True)
class Confusion:
    """Images of one class taken for another.

    Attributes:
        truth: their class.
        predicted: what the network says.
        images: files, the surest mistake first.
        concepts: what raises `predicted` and lowers `truth`, that which raises most first.
    """

    truth: str
    predicted: str
    images: tuple[str, ...]
    concepts: tuple[Pushed, ...]


@dataclass(frozen=True)
class Suspect:
    """How often a concept pushes mistakes, and right answers.

    Attributes:
        concept: "category/name".
        mistakes: that it pushes.
        rights: right answers that it pushes.
        excess: share of the mistakes less share of the right answers.
        low: lower end of its 95 % interval (Newcombe's, from Wilson's).
        high: upper end.
        fixes: mistakes that become right when its units are silent; None where not tried.
        breaks: right answers that become wrong.
    """

    concept: str
    mistakes: int
    rights: int
    excess: float
    low: float
    high: float
    fixes: int | None = None
    breaks: int | None = None


class Tally:
    """Counts rows one by one; memory grows with the number of mistakes alone."""

    def __init__(self, names: Sequence[str]) -> None:
        """Start at zero; `names` are the concepts, in the order of the rows' numbers."""
        self._names = names
        self._mistakes: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
        self._sums: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._pushed = {True: [0] * len(names), False: [0] * len(names)}
        self._rows = {True: 0, False: 0}
        self.unreadable: list[tuple[str, str]] = []

    @property
    def images(self) -> int:
        """That were read."""
        return sum(self._rows.values())

    @property
    def right(self) -> int:
        """Of these, rightly classified."""
        return self._rows[False]

    def add(self, row: Row) -> None:
        """Count one more."""
        if row.unreadable is not None:
            self.unreadable.append((row.file, row.unreadable))
            return
        self._rows[row.wrong] += 1
        for concept in _pushing(row.raises):
            self._pushed[row.wrong][concept] += 1
        if row.wrong:
            key = (row.truth, row.predicted)
            self._mistakes[key].append((-row.probability, row.file))
            amounts = np.array([row.raises, row.lowers])
            self._sums[key] = self._sums.get(key, 0) + amounts

    def confusions(self) -> list[Confusion]:
        """The most frequent first."""
        found = []
        for (truth, predicted), images in self._mistakes.items():
            means = (self._sums[truth, predicted] / len(images)).T.tolist()
            pushed = [Pushed(name, *mean) for name, mean in zip(self._names, means, strict=True)]
            pushed.sort(key=lambda each: (-each.raises, each.concept))
            files = tuple(file for _, file in sorted(images))
            found.append(Confusion(truth, predicted, files, tuple(pushed)))
        return sorted(found, key=lambda each: (-len(each.images), each.truth, each.predicted))

    def suspects(self) -> list[Suspect]:
        """Every concept that pushes a mistake, the largest excess first."""
        found = []
        for name, mistakes, rights in zip(
            self._names, self._pushed[True], self._pushed[False], strict=True
        ):
            if mistakes:
                interval = excess(mistakes, self._rows[True], rights, self._rows[False])
                found.append(Suspect(name, mistakes, rights, *interval))
        return sorted(found, key=lambda each: (-each.excess, each.concept))


def _pushing(raises: Sequence[float]) -> list[int]:
    order = sorted(range(len(raises)), key=lambda i: (-raises[i], i))
    return [i for i in order[:PUSHING] if raises[i] > 0]


def excess(
    mistakes: int, of_mistakes: int, rights: int, of_rights: int
) -> tuple[float, float, float]:
    """The difference of two shares with its 95 % interval (Newcombe 1998, method 10).

    A share of nothing is 0, and may be anything.
    """
    p, p_low, p_high = wilson(mistakes, of_mistakes)
    q, q_low, q_high = wilson(rights, of_rights)
    low = p - q - sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return p - q, low, high


def wilson(count: int, of: int) -> tuple[float, float, float]:
    """A share with its interval (Wilson 1927)."""
    if of == 0:
        return 0.0, 0.0, 1.0
    share, size = count / of, 1 + _Z**2 / of
    middle = (share + _Z**2 / (2 * of)) / size
    spread = _Z * sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2)) / size
    return share, max(0.0, middle - spread), min(1.0, middle + spread)
