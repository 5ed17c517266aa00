"""How far labels agree with people, and people with one another, by their answers so far."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

_Z = 1.959964
"""Of a 95 % interval."""

LabelAnswers: TypeAlias = "dict[str, bool | None]"
"""What each person said about a label: yes, no, or None for "cannot tell"."""


class ShareOfYes(NamedTuple):
    """The share of a concept's labels that are right, estimated.

    Attributes:
        yes: labels of which most answers are yes.
        decided: labels of which most answers are yes, or most are no.
        low: of the 95 % interval (Wilson's).
        high: likewise.
    """

    yes: int
    decided: int
    low: float
    high: float

    @property
    def margin(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


class ConceptAnswers(NamedTuple):
    """The answers about one concept.

    Attributes:
        labels: of the concept in the data.
        asked: of these, the sample that people are asked about.
        answered: of the sample, with an answer.
        share: of yes.
        disputed: labels with as many yes as no, at least one.
        pairs: pairs of two people's yes or no about one label.
        agreeing: of these, those that are equal.
        needed: labels to be answered, about, until the interval is narrow enough, or all of the
            sample have an answer; then 0.
    """

    labels: int
    asked: int
    answered: int
    share: ShareOfYes
    disputed: int
    pairs: int
    agreeing: int
    needed: int

    @property
    def done(self) -> bool:
        """Whether no label is needed, and none is disputed."""
        return not self.needed and not self.disputed


def verdict(answers: LabelAnswers) -> bool | None:
    """Return what most people said about a label; None if as many say yes as no."""
    yes = sum(answer is True for answer in answers.values())
    no = sum(answer is False for answer in answers.values())
    return None if yes == no else yes > no


def is_disputed(answers: LabelAnswers) -> bool:
    """Return whether as many people say yes as no, and some do."""
    return True in answers.values() and verdict(answers) is None


def interval(yes: float, decided: float) -> tuple[float, float]:
    """Return the 95 % interval of a share, Wilson's (1927); from 0 to 1 without any answer."""
    if not decided:
        return 0.0, 1.0
    share, z2 = yes / decided, _Z**2
    middle = (share + z2 / (2 * decided)) / (1 + z2 / decided)
    spread = share * (1 - share) / decided + z2 / (4 * decided**2)
    half = _Z / (1 + z2 / decided) * math.sqrt(spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def count(labels: int, answers: Sequence[LabelAnswers], margin: float) -> ConceptAnswers:
    """Count the answers about a concept.

    Args:
        labels: of the concept in the data.
        answers: about each label of the sample, in any order.
        margin: the half width of the interval that is narrow enough.
    """
    verdicts = [verdict(of_label) for of_label in answers]
    yes, no = verdicts.count(True), verdicts.count(False)
    share = ShareOfYes(yes, yes + no, *interval(yes, yes + no))
    answered = sum(map(bool, answers))
    agreeing = pairs = 0
    for of_label in answers:
        said = [answer for answer in of_label.values() if answer is not None]
        pairs += len(said) * (len(said) - 1) // 2
        agreeing += sum(a == b for a, b in combinations(said, 2))
    left = len(answers) - answered
    is_enough = not left or share.margin <= margin
    return ConceptAnswers(
        labels,
        len(answers),
        answered,
        share,
        sum(map(is_disputed, answers)),
        pairs,
        agreeing,
        0 if is_enough else min(left, _needed(share, margin)),
    )


def _needed(share: ShareOfYes, margin: float) -> int:
    """Return how many more labels make the interval narrow enough, if the share stays as it is.

    Without any answer it is taken as a half, of which most are needed.
    """
    now = share.yes / share.decided if share.decided else 0.5
    low, high = share.decided, 1 << 30
    while high - low > 1:
        decided = (low + high) // 2
        bounds = interval(now * decided, decided)
        if (bounds[1] - bounds[0]) / 2 <= margin:
            high = decided
        else:
            low = decided
    return high - share.decided
