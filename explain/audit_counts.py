"""Counts over an audit's rows: confusions with the concepts that push them, and suspects.

A concept *pushes* a decision if it is among the three that raise the predicted class's logit most,
and adds at least a twentieth of the mean margin between a predicted class and its rival: less
decides nothing. (The mean over all images, so that mistakes, whose margins are small, are judged
like right answers.) A concept that pushes mistakes more often than right answers, by more than the
sample explains, is a suspect. Among few concepts each is among the first three, whatever it adds;
then none is named.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ingest.statistics.intervals import newcombe
from ..queries.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .audit_rows import AuditRow

PUSHING = 3
"""How many concepts push a decision."""
MIN_MARGIN_SHARE = 0.05
"""Of the mean margin: what adds less to a logit pushes no decision."""
MIN_CONCEPTS = 3 * PUSHING
"""Concepts from which being among the `PUSHING` strongest says something."""


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
        fixes: mistakes that become right when the concept is ablated; None if it was not
            ablated.
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

    def __init__(self, concepts: Sequence[str], least: float = 0.0) -> None:
        """Start at zero.

        Args:
            concepts: in the order of the rows' amounts.
            least: what a concept must add to push a decision, in units of the logit.
        """
        self._concepts = concepts
        self._least = least
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
        for concept in _pushing(row.raises, self._least):
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

    def suspects(self) -> tuple[list[Suspect], str | None]:
        """Return the suspects, the largest excess first; or none, and why.

        A suspect pushes mistakes more often than right answers: the lower end of the interval is
        above 0.
        """
        count = len(self._concepts)
        if not self._rows[True]:
            return [], "no answer is wrong"
        if count < MIN_CONCEPTS:
            return [], (
                f"only {count} concept{'' if count == 1 else 's'} can raise a logit here; which "
                f"{PUSHING} raise it most says something from {MIN_CONCEPTS} concepts on"
            )
        suspects = [suspect for suspect in self.pushing_mistakes() if suspect.low > 0]
        reason = (
            "no concept pushes mistakes more often than right answers, by more than chance, with "
            f"at least {self._least:.2g} of the logit"
        )
        return suspects, None if suspects else reason

    def pushing_mistakes(self) -> list[Suspect]:
        """Return every concept that pushes a mistake, the largest excess first."""
        suspects = []
        for concept, mistakes, rights in zip(
            self._concepts, self._pushed[True], self._pushed[False], strict=True
        ):
            if mistakes:
                interval = excess(mistakes, self._rows[True], rights, self._rows[False])
                suspects.append(Suspect(concept, mistakes, rights, *interval))
        return sorted(suspects, key=lambda s: (-s.excess, s.concept))


def least_effect(rows: Iterable[AuditRow]) -> float:
    """Return what a concept must add to push a decision, in units of the logit."""
    margins = [abs(row.margin) for row in rows if row.unreadable is None]
    return MIN_MARGIN_SHARE * float(np.mean(margins)) if margins else 0.0


def without_effect(suspects: Sequence[Suspect]) -> tuple[list[Suspect], str | None]:
    """Leave out suspects whose ablation fixes no mistake; say so if none is left."""
    left = [suspect for suspect in suspects if suspect.fixes != 0]
    if suspects and not left:
        names = ", ".join(suspect.concept for suspect in suspects)
        return [], f"ablating what pushes mistakes ({names}) fixes none of them"
    return left, None


def _pushing(raises: Sequence[float], least: float) -> list[int]:
    """Return the indices of the concepts that push a decision, given what each adds."""
    order = sorted(range(len(raises)), key=lambda i: (-raises[i], i))
    return [i for i in order[:PUSHING] if raises[i] > 0 and raises[i] >= least]


def excess(
    mistakes: int, of_mistakes: int, rights: int, of_rights: int
) -> tuple[float, float, float]:
    """Return the difference of two shares and its 95 % interval; a share of no cases is 0."""
    p, q = mistakes / max(of_mistakes, 1), rights / max(of_rights, 1)
    low, high = newcombe(p, of_mistakes, q, of_rights)
    return p - q, float(low), float(high)
