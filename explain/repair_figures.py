"""Figures of a repair: accuracy overall, by class and by group, with 95 % intervals (Wilson)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..ingest.statistics.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SMALL = 10
"""Images of a group that may be called the worst, and mistakes of each half, at least."""
AGREE = 0.6
"""Share of the images of which a column concept and the probe say the same, at least."""
WORSE = 0.05
"""A share of right answers that falls by more is worse, whatever its interval."""


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
    def worst(self) -> tuple[tuple[str, bool], Share] | None:
        """The group with the fewest right answers, of those of at least `SMALL` images, if any."""
        enough = [row for row in self.groups.items() if row[1].images >= SMALL]
        return min(enough, key=lambda row: row[1].share, default=None)

    @property
    def worst_share(self) -> Share:
        """Right answers of the worst group; of no images if there is none."""
        return self.worst[1] if self.worst else Share(0, 0)

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        worst = None
        if self.worst:
            (label, has_concept), share = self.worst
            worst = {"class": label, "concept": has_concept, **share.to_json()}
        return {
            "name": self.name,
            "accuracy": self.overall.to_json(),
            "worst_group": worst,
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


class Worse(NamedTuple):
    """A class, or a group of one, that a method answers worse than the network as it is.

    Attributes:
        label: the class.
        has_concept: whether the concept is in the images; None for all images of the class.
        before: right answers of the network as it is.
        after: right answers of the method.
    """

    label: str
    has_concept: bool | None
    before: Share
    after: Share

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        before, after = self.before.to_json(), self.after.to_json()
        return {"class": self.label, "concept": self.has_concept, "before": before, "after": after}


def worse_than(before: MethodFigures, after: MethodFigures) -> list[Worse]:
    """Return what is answered worse than before, the largest loss first.

    Groups of at least `SMALL` images, and classes of which no group is named, whose share of right
    answers falls below its interval or by more than `WORSE`.
    """
    groups = [
        Worse(*group, share, after.groups[group])
        for group, share in before.groups.items()
        if share.images >= SMALL and _is_worse(share, after.groups[group])
    ]
    named = {worse.label for worse in groups}
    classes = [
        Worse(label, None, share, after.classes[label])
        for label, share in before.classes.items()
        if label not in named and _is_worse(share, after.classes[label])
    ]
    return sorted(groups + classes, key=lambda worse: worse.after.share - worse.before.share)


def _is_worse(before: Share, after: Share) -> bool:
    return before.share - after.share > WORSE or after.share < before.interval[0]


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
