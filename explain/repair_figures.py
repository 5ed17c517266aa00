"""Figures of a repair: accuracy overall, by class and by group, with 95 % intervals (Wilson)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..ingest.statistics.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SMALL = 10
"""Images of a group that may be called the worst, at least, unless all groups are smaller."""


class ReportedImage(NamedTuple):
    """A held-out image.

    Attributes:
        file: as in the labels.
        label: its class.
        has_concept: whether the concept is in it, as labelled, or as the probe finds.
        before: the class predicted by the network as it is.
    """

    file: str
    label: str
    has_concept: bool
    before: str


class Share(NamedTuple):
    """A share of images, with its interval.

    Attributes:
        hits: how many.
        images: of how many.
    """

    hits: int
    images: int

    @property
    def share(self) -> float:
        """The share; 0 of none."""
        return self.hits / self.images if self.images else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson)."""
        low, high = wilson(self.share, self.images)
        return float(low), float(high)

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {**self._asdict(), "share": self.share, "interval": list(self.interval)}


@dataclass(frozen=True)
class MethodFigures:
    """What a method does to the held-out images.

    Attributes:
        name: of the method.
        overall: right answers.
        classes: those by class.
        groups: those by class and whether the concept is in the image.
        mistakes: of the mistakes to fix, those that are right now.
        clean: of the right answers to images without the concept, those that are wrong now.
        fixed: wrong answers that are right now, with or without the concept.
        broken: right answers that are wrong now, likewise.
    """

    name: str
    overall: Share
    classes: dict[str, Share]
    groups: dict[tuple[str, bool], Share]
    mistakes: Share
    clean: Share
    fixed: int
    broken: int

    @property
    def worst(self) -> tuple[tuple[str, bool], Share]:
        """The group with the fewest right answers, of those of at least `SMALL` images."""
        groups = self.groups.items()
        enough = [row for row in groups if row[1].images >= SMALL] or list(groups)
        return min(enough, key=lambda row: row[1].share)

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        (label, has_concept), worst = self.worst
        return {
            "name": self.name,
            "accuracy": self.overall.to_json(),
            "worst_group": {"class": label, "concept": has_concept, **worst.to_json()},
            "classes": {name: share.to_json() for name, share in self.classes.items()},
            "groups": [
                {"class": name, "concept": present, **share.to_json()}
                for (name, present), share in self.groups.items()
            ],
            "mistakes_right": self.mistakes.to_json(),
            "clean_broken": self.clean.to_json(),
            "fixed": self.fixed,
            "broken": self.broken,
        }


def is_mistake(label: str, has_concept: bool, predicted: str, class_name: str) -> bool:
    """Return whether an image of another class with the concept is taken for the class."""
    return has_concept and predicted == class_name != label


def figures(
    name: str, images: Sequence[ReportedImage], predicted: Sequence[str], class_name: str
) -> MethodFigures:
    """Count what a method predicts for the held-out images.

    Args:
        name: of the method.
        images: held out.
        predicted: the class predicted for each.
        class_name: the class that images are wrongly taken for.
    """
    rows = list(zip(images, predicted, strict=True))
    by_class: dict[str, list[bool]] = defaultdict(list)
    groups: dict[tuple[str, bool], list[bool]] = defaultdict(list)
    for image, after in rows:
        by_class[image.label].append(after == image.label)
        groups[image.label, image.has_concept].append(after == image.label)
    return MethodFigures(
        name,
        _share(after == image.label for image, after in rows),
        {label: _share(by_class[label]) for label in sorted(by_class)},
        {group: _share(groups[group]) for group in sorted(groups)},
        _share(
            after == image.label
            for image, after in rows
            if is_mistake(image.label, image.has_concept, image.before, class_name)
        ),
        _share(
            after != image.label
            for image, after in rows
            if image.before == image.label and not image.has_concept
        ),
        sum(image.before != image.label == after for image, after in rows),
        sum(image.before == image.label != after for image, after in rows),
    )


def _share(cases: Iterable[bool]) -> Share:
    listed = list(cases)
    return Share(sum(listed), len(listed))
