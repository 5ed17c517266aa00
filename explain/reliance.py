"""Reliance: which concepts carry the answers of a class, over many images, with or without labels.

A concept *carries* an answer if it is a name of the thing that carries it (`ThingRow.carriers`). As
a concept that is found in all images carries some answers of every class, rows are ordered by what
is particular to the class: the share of its images that the concept carries, less that share of all
other images, by the lower end of its 95 % interval.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graph.uids import split_concept
from .audit_counts import excess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .thing_rows import ThingRow

KINDS = ("object", "part")
"""Categories that say what a thing is; of names that carry the same answers theirs comes first."""
MIN_CARRIED = 3
"""Answers of a class: what carries fewer is no finding."""
SAME = 0.8
"""Concepts that share this part of the answers that either carries are names of the same things."""


@dataclass(frozen=True)
class Reliance:
    """How much the answers of a class rely on a concept.

    Attributes:
        class_name: the predicted class.
        concept: "category/name".
        images: images of the class in which the concept is found.
        strongest: those whose answer it carries.
        painted: those in which a thing of this name was painted over.
        changes: those of `painted` in which that changes the answer.
        evidence: what its regions add to the margin, mean over `images`.
        excess: share of the class's images that it carries less the share of all others.
        low: lower end of the excess's 95 % interval (Newcombe's, from Wilson's).
        high: upper end.
        also: further concepts that carry nearly the same answers: other names of the same things.
        wrong: how many of `images` are mistakes; None without labels, likewise what follows.
        wrong_strongest: mistakes that it carries.
        wrong_changes: mistakes whose answer changes.
        fixes: those of them whose answer then is right.
    """

    class_name: str
    concept: str
    images: int
    strongest: int
    painted: int
    changes: int
    evidence: float
    excess: float
    low: float
    high: float
    also: tuple[str, ...] = ()
    wrong: int | None = None
    wrong_strongest: int | None = None
    wrong_changes: int | None = None
    fixes: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        category, name = split_concept(self.concept)
        values = {key: value for key, value in vars(self).items() if key != "class_name"}
        return {"class": self.class_name, "category": category, "name": name, **values}

    def cells(self) -> dict[str, object]:
        """Return what a table shows."""
        row = {"class": self.class_name, "concept": self.concept, "found in": self.images}
        return {**row, "carries": self.strongest, "changes": self.changes, "fixes": self.fixes}


class _Counts:
    """Counts of the images of one class."""

    def __init__(self) -> None:
        self.images = 0
        self.found: Counter[str] = Counter()
        self.evidence: dict[str, float] = defaultdict(float)
        self.strongest: Counter[str] = Counter()
        self.together: Counter[tuple[str, str]] = Counter()
        self.painted: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.wrong_strongest: Counter[str] = Counter()
        self.wrong_changes: Counter[str] = Counter()
        self.fixes: Counter[str] = Counter()

    def add(self, row: ThingRow, truth: str | None) -> None:
        carriers, changes = row.carriers, row.changes()
        self.images += 1
        self.found.update(region.concept for region in row.regions)
        for region in row.regions:
            self.evidence[region.concept] += region.evidence
        self.strongest.update(carriers)
        self.together.update((a, b) for a in carriers for b in carriers if a != b)
        self.painted.update({name for thing in row.things for name in thing.concepts})
        self.changes.update(changes)
        if truth is not None and truth != row.predicted:
            self.wrong.update(region.concept for region in row.regions)
            self.wrong_strongest.update(carriers)
            self.wrong_changes.update(changes)
            right = (thing for thing in row.things if thing.answer == truth)
            self.fixes.update({name for thing in right for name in thing.concepts})

    def also(self, concept: str) -> tuple[str, ...]:
        """Return the concepts that carry nearly the same answers."""
        own = self.strongest[concept]
        shared = {b: count for (a, b), count in self.together.items() if a == concept}
        same = (b for b, n in shared.items() if n >= SAME * (own + self.strongest[b] - n))
        return tuple(sorted(same, key=lambda b: (-shared[b], b)))


class RelianceTally:
    """Counts of rows, added one by one; memory does not grow with the images."""

    def __init__(self, *, labelled: bool) -> None:
        """Start at zero.

        Args:
            labelled: whether rows are added with the true class.
        """
        self._labelled = labelled
        self._counts: dict[str, _Counts] = defaultdict(_Counts)

    @property
    def images(self) -> dict[str, int]:
        """How many images were read, by the class predicted."""
        return {name: counts.images for name, counts in self._counts.items()}

    def add(self, row: ThingRow, truth: str | None = None) -> None:
        """Count one more row; one of an image that could not be read is left out."""
        if row.unreadable is None:
            self._counts[row.predicted].add(row, truth)

    def rows(self) -> list[Reliance]:
        """Return a row for each class and concept that carries an answer or changes one."""
        images, all_strongest = sum(self.images.values()), Counter[str]()
        for counts in self._counts.values():
            all_strongest.update(counts.strongest)
        rows = [
            self._row(name, concept, counts, all_strongest[concept], images)
            for name, counts in self._counts.items()
            for concept in counts.strongest.keys() | counts.changes.keys()
        ]
        return sorted(rows, key=_order)

    def _row(
        self, class_name: str, concept: str, counts: _Counts, carried: int, images: int
    ) -> Reliance:
        own, found = counts.strongest[concept], counts.found[concept]
        difference = excess(own, counts.images, carried - own, images - counts.images)
        wrong = (counts.wrong, counts.wrong_strongest, counts.wrong_changes, counts.fixes)
        return Reliance(
            class_name, concept, found, own, counts.painted[concept], counts.changes[concept],
            counts.evidence[concept] / max(found, 1), *difference, counts.also(concept),
            *(counter[concept] if self._labelled else None for counter in wrong),
        )  # fmt: skip


def distinct(rows: Iterable[Reliance]) -> list[Reliance]:
    """Leave out further names of the same things: of rows that list each other, the first stays.

    A concept that is not particular to the class, or carries few answers, is left out, too.
    """
    named: set[tuple[str, str]] = set()
    kept = []
    for row in rows:
        if (
            row.low > 0
            and row.strongest >= MIN_CARRIED
            and (row.class_name, row.concept) not in named
        ):
            kept.append(row)
            named.update((row.class_name, name) for name in row.also)
    return kept


def _order(row: Reliance) -> tuple[object, ...]:
    kind = split_concept(row.concept)[0] not in KINDS
    return -row.low, -row.changes, kind, -row.evidence, row.class_name, row.concept
