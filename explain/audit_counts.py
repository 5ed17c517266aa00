"""Counts over an audit's rows: confusions with the concepts that push them, and suspects.

A concept *pushes* a decision if it is among the three that raise the predicted class's logit most.
A concept that pushes mistakes is a suspect: the more so, the more rarely it pushes right answers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..queries.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .audit_rows import AuditRow

PUSHING = 3
"""How many concepts push a decision."""
_Z = 1.959964  # of a 95 % interval


class ConfusionConcept(NamedTuple):
    """What a concept adds where it is present, in units of the logit; mean over the images.

    Attributes:
        concept: "category/name".
        raises: what it adds to the logit of the predicted class.
        lowers: what it takes from the logit of the true class.
    """

    concept: str
    raises: float
    lowers: float


@dataclass(frozen=True)
class Confusion:
    """Images of one class taken for another.

    Attributes:
        truth: their class.
        predicted: the class that the network predicts.
        images: files, the mistake with the highest probability first.
        concepts: the one that raises `predicted` most first.
    """

    truth: str
    predicted: str
    images: tuple[str, ...]
    concepts: Rows[ConfusionConcept]

    def cells(self) -> dict[str, object]:
        """Return what a table shows."""
        evidence = ", ".join(f"{c.concept} {c.raises:+.2f}" for c in self.concepts[:PUSHING])
        images = {"images": len(self.images), "evidence": evidence}
        return {"class": self.truth, "predicted": self.predicted, **images}


@dataclass(frozen=True)
class Suspect:
    """How often a concept pushes mistakes and right answers.

    Attributes:
        concept: "category/name".
        mistakes: how many mistakes it pushes.
        rights: how many right answers it pushes.
        excess: share of all mistakes less share of all right answers.
        low: lower end of the excess's 95 % interval (Newcombe's, from Wilson's).
        high: upper end.
        fixes: mistakes that become right when the concept is ablated; None if it was not tried.
        breaks: right answers that become wrong; None likewise.
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
    """Counts of rows, added one by one; only mistakes take memory.

    Attributes:
        unreadable: file and reason of each image that could not be read.
    """

    def __init__(self, concepts: Sequence[str]) -> None:
        """Start at zero, for concepts in the order of the rows' amounts."""
        self._concepts = concepts
        self._mistakes: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
        self._sums: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._pushed = {True: [0] * len(concepts), False: [0] * len(concepts)}
        self._rows = {True: 0, False: 0}
        self.unreadable: list[tuple[str, str]] = []

    @property
    def images(self) -> int:
        """How many images were read."""
        return sum(self._rows.values())

    @property
    def right(self) -> int:
        """How many of these are classified rightly."""
        return self._rows[False]

    def add(self, row: AuditRow) -> None:
        """Count one more row."""
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
        """Return the confusions, the most frequent one first."""
        confusions = []
        for (truth, predicted), images in self._mistakes.items():
            means = (self._sums[truth, predicted] / len(images)).T.tolist()
            concepts = [
                ConfusionConcept(concept, *mean)
                for concept, mean in zip(self._concepts, means, strict=True)
            ]
            concepts.sort(key=lambda c: (-c.raises, c.concept))
            files = tuple(file for _, file in sorted(images))
            confusions.append(Confusion(truth, predicted, files, Rows(concepts)))
        return sorted(confusions, key=lambda c: (-len(c.images), c.truth, c.predicted))

    def suspects(self) -> list[Suspect]:
        """Return every concept that pushes a mistake, the largest excess first."""
        suspects = []
        for concept, mistakes, rights in zip(
            self._concepts, self._pushed[True], self._pushed[False], strict=True
        ):
            if mistakes:
                interval = excess(mistakes, self._rows[True], rights, self._rows[False])
                suspects.append(Suspect(concept, mistakes, rights, *interval))
        return sorted(suspects, key=lambda s: (-s.excess, s.concept))


def _pushing(raises: Sequence[float]) -> list[int]:
    """Return the indices of the concepts that push a decision, given what each adds."""
    order = sorted(range(len(raises)), key=lambda i: (-raises[i], i))
    return [i for i in order[:PUSHING] if raises[i] > 0]


def excess(
    mistakes: int, of_mistakes: int, rights: int, of_rights: int
) -> tuple[float, float, float]:
    """Return the difference of two shares and its 95 % interval (Newcombe 1998, method 10).

    A share of no cases is 0, with the interval 0 to 1.
    """
    p, p_low, p_high = wilson(mistakes, of_mistakes)
    q, q_low, q_high = wilson(rights, of_rights)
    low = p - q - sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return p - q, low, high


def wilson(count: int, of: int) -> tuple[float, float, float]:
    """Return a share and its 95 % interval (Wilson 1927)."""
    if of == 0:
        return 0.0, 0.0, 1.0
    share, size = count / of, 1 + _Z**2 / of
    middle = (share + _Z**2 / (2 * of)) / size
    spread = _Z * sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2)) / size
    return share, max(0.0, middle - spread), min(1.0, middle + spread)
