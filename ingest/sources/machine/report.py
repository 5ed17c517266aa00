"""How photographs are labelled, and what was labelled: settings, rows of tables, the summary."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from ..source import check_side

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .agreement import ConceptAgreement
    from .labeller import Labeller

ALMOST_CHANCE = 0.05
"""Share of the way from chance to a score of 1, up to which labels say nothing."""


class MachineSettings(NamedTuple):
    """How photographs are labelled.

    Attributes:
        mask_size: side of the masks.
        batch_size: photographs at a time.
        min_probability: score below which a pixel stays unlabelled.
        word_threshold: score from which a pixel has a word.
    """

    mask_size: int = 112
    batch_size: int = 8
    min_probability: float = 0.0
    word_threshold: float = 0.5


class MachineConcept(NamedTuple):
    """One concept.

    Attributes:
        category: the concept's.
        concept: its name.
        model: that labelled it.
        images: with it.
        share: of the pixels of these, the mean.
        score: of its pixels, the mean over images.
    """

    category: str
    concept: str
    model: str
    images: int
    share: float
    score: float


class MachineReport(NamedTuple):
    """What was written.

    Attributes:
        folder: the data set.
        images: written.
        concepts: that occur, in order of category and name.
        nowhere: concepts that a model looked for and found in no photograph, "category/name".
        agreement: with the truth, if there is one.
        truth_images: of the images, those that the truth has.
        dropped: photographs that cannot be read.
        notes: what was assumed or changed, in sentences.
    """

    folder: Path
    images: int
    concepts: tuple[MachineConcept, ...]
    nowhere: tuple[str, ...]
    agreement: tuple[ConceptAgreement, ...]
    truth_images: int
    dropped: int
    notes: tuple[str, ...]


class DroppedPhotograph(NamedTuple):
    """A row of dropped.csv."""

    image: str
    reason: str


class MachineLabel(NamedTuple):
    """A row of machine_labels.csv: a concept in an image.

    Attributes:
        image: its name in the data set.
        category: the concept's.
        concept: its name.
        model: that labelled it.
        score: mean over its pixels.
        share: of the image's pixels.
    """

    image: str
    category: str
    concept: str
    model: str
    score: float
    share: float


def check_settings(settings: MachineSettings) -> None:
    """Refuse settings out of range.

    Raises:
        DataError: naming the setting.
    """
    check_side("mask-size", settings.mask_size)
    if settings.batch_size < 1:
        raise DataError("batch-size out of range", found=settings.batch_size, expected="1 or more")
    for name, value in (
        ("min-probability", settings.min_probability),
        ("word-threshold", settings.word_threshold),
    ):
        if not 0 <= value <= 1:
            raise DataError(f"{name} out of range", found=value, expected="from 0 to 1")


def count_concepts(labels: Iterable[MachineLabel]) -> tuple[MachineConcept, ...]:
    """Return the concepts of labels, in order of category and name, with their means."""
    rows: dict[tuple[str, str, str], list[MachineLabel]] = defaultdict(list)
    for label in labels:
        rows[label.category, label.concept, label.model].append(label)
    return tuple(
        MachineConcept(
            *key,
            len(of),
            sum(label.share for label in of) / len(of),
            sum(label.score for label in of) / len(of),
        )
        for key, of in sorted(rows.items())
    )


def chance_note(concepts: Iterable[MachineConcept], labeller: Labeller) -> str:
    """Return that a segmenter scores no better than chance; "" if it does, or has no classes.

    A pixel has the class with the highest of the probabilities, which is at least 1 / classes: so
    `ALMOST_CHANCE` counts from there.
    """
    key = labeller.category, labeller.source
    found = [concept for concept in concepts if (concept.category, concept.model) == key]
    images = sum(concept.images for concept in found)
    if not labeller.classes or not images:
        return ""
    score = sum(concept.score * concept.images for concept in found) / images
    chance = 1 / labeller.classes
    if score > chance + ALMOST_CHANCE * (1 - chance):
        return ""
    return (
        f"The mean score of {labeller.source} is {score:.2f}, about that of chance among "
        f"its {labeller.classes} classes ({chance:.2f}): its labels say nothing. Are these the "
        "trained weights?"
    )
