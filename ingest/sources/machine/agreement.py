"""How far machine labels agree with masks that people drew of some of the same images.

1. Images of both are matched by their content; concepts by name and category, or by name alone if
   the truth has the name only once, and nothing of the category. (Colors by both: an orange is a
   fruit, too.)
2. A concept counts in those images in which the truth has a mask of its category.
3. IoU, precision and recall are of all their pixels; the AUC is of the scores of pixels with and
   without the concept.
4. Words have thresholds. Each is the one with the largest IoU on every other of the images (in the
   order of their sha256); the agreement is that on the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...concept_data.masks import read_label_maps
from ...concept_data.writing.label_maps import resize_mask
from .colors import ColorLabeller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ...concept_data.concepts import ConceptData, ConceptImage
    from .labeller import ImageScores, Labeller

    Mask = NDArray[np.bool_]

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 50))
"""Of words, that are tried."""
_BINS, _LARGEST_LOGIT = 2048, 18.0


class ConceptAgreement(NamedTuple):
    """How far the labels of one concept agree with the truth.

    Attributes:
        category: the concept's.
        concept: its name.
        model: that labelled it.
        images: that count.
        iou: None if neither has the concept in them.
        auc: of two pixels, one with the concept and one without, how often the score of the former
            is higher; None if there is none of a kind.
        precision: share of the labelled pixels that have the concept; None without any.
        recall: share of the pixels with the concept that are labelled; None without any.
        threshold: of the scores, for words; None for others.
    """

    category: str
    concept: str
    model: str
    images: int
    iou: float | None
    auc: float | None
    precision: float | None
    recall: float | None
    threshold: float | None

    def cells(self) -> list[object]:
        """Return a row of agreement_with_truth.csv."""
        return [round(cell, 4) if isinstance(cell, float) else cell for cell in self]


class Truth:
    """Masks that people drew, of images known by the sha256 of their files."""

    def __init__(self, data: ConceptData, images: Mapping[str, ConceptImage], side: int) -> None:
        """Take the data.

        Args:
            data: concept data.
            images: its images by sha256.
            side: of the machine's masks, to which those of the truth are resized.
        """
        self._data, self._images, self._side = data, images, side

    @property
    def images(self) -> frozenset[str]:
        """The sha256 of its images."""
        return frozenset(self._images)

    def columns(self, labeller: Labeller) -> dict[int, int]:
        """Return the truth's column by a labeller's concept, for those that both have."""
        names = Counter(concept.name.casefold() for concept in self._data.concepts)
        by_pair: dict[tuple[str, str], int] = {}
        by_name: dict[str, int] = {}
        for column, concept in enumerate(self._data.concepts):
            name = concept.name.casefold()
            by_pair[concept.category, name] = column
            if names[name] == 1:
                by_name[name] = column
        if labeller.category in {ColorLabeller.category, *(pair[0] for pair in by_pair)}:
            by_name = {}
        found = {}
        for index, concept_name in enumerate(labeller.concepts):
            name = concept_name.casefold()
            column_of = by_pair.get((labeller.category, name), by_name.get(name))
            if column_of is not None:
                found[index] = column_of
        return found

    def masks(self, image: str, columns: Iterable[int]) -> dict[int, Mask]:
        """Return the masks of concepts, by column, that count in an image.

        A concept that is not there has an empty mask, if a mask of its category is.
        """
        label_maps = read_label_maps(self._data, self._images[image])
        categories = {
            self._data.concepts[int(column) - 1].category
            for column in np.unique(label_maps)
            if column
        }
        return {
            column: resize_mask((label_maps == column + 1).any(0), self._side, self._side)
            for column in columns
            if self._data.concepts[column].category in categories
        }


class Overlap:
    """Counts of pixels of one concept: of its labels and the truth, and of scores."""

    def __init__(self) -> None:
        self.images = self.both = self.labelled = self.true = 0
        self._scores = np.zeros((2, _BINS), np.int64)

    def add(self, mask: Mask, truth: Mask, scores: NDArray[np.float16]) -> None:
        """Add the pixels of an image."""
        self.images += 1
        self.both += int((mask & truth).sum())
        self.labelled += int(mask.sum())
        self.true += int(truth.sum())
        bins = _bins(scores)
        for row, pixels in enumerate((~truth, truth)):
            self._scores[row] += np.bincount(bins[pixels], minlength=_BINS)

    def agreement(self, labeller: Labeller, index: int, threshold: float | None) -> (
        ConceptAgreement
    ):  # fmt: skip
        """Return what the counts say."""
        either = self.labelled + self.true - self.both
        return ConceptAgreement(
            labeller.category,
            labeller.concepts[index],
            labeller.source,
            self.images,
            self.both / either if either else None,
            _auc(self._scores),
            self.both / self.labelled if self.labelled else None,
            self.both / self.true if self.true else None,
            threshold,
        )


def choose_thresholds(
    truth: Truth,
    labeller: Labeller,
    read: Callable[[str], ImageScores],
    images: Sequence[str],
    default: float,
) -> list[float]:
    """Return the threshold of each word: the one with the largest IoU on some images.

    Args:
        truth: of these images.
        labeller: of words; the scores kept are those of all words.
        read: gives the scores of an image.
        images: to choose by.
        default: threshold of words that the truth does not have, or nowhere in these images.
    """
    columns = truth.columns(labeller)
    both = np.zeros((len(labeller.concepts), len(THRESHOLDS)), np.int64)
    labelled, true = both.copy(), np.zeros(len(labeller.concepts), np.int64)
    for image in images:
        masks, maps = truth.masks(image, columns.values()), read(image).maps
        for index, column in columns.items():
            if column not in masks:
                continue
            true[index] += masks[column].sum()
            for step, threshold in enumerate(THRESHOLDS):
                mask = maps[index] >= threshold
                labelled[index, step] += mask.sum()
                both[index, step] += (mask & masks[column]).sum()
    iou = both / np.maximum(labelled + true[:, None] - both, 1)
    best = [THRESHOLDS[step] for step in iou.argmax(1)]
    return [best[index] if true[index] else default for index in range(len(true))]


def measure(
    truth: Truth,
    labeller: Labeller,
    read: Callable[[str], ImageScores],
    images: Sequence[str],
    thresholds: Sequence[float] | None,
    masks_of: Callable[[ImageScores], Mapping[int, Mask]],
) -> list[ConceptAgreement]:
    """Return the agreement of each concept that the truth has, too.

    Args:
        truth: of these images.
        labeller: whose concepts.
        read: gives the scores of an image, with the maps of all concepts that both have.
        images: to compare.
        thresholds: of the labeller's concepts, if it has any.
        masks_of: gives the masks of an image by concept; without those of concepts not there.
    """
    columns = truth.columns(labeller)
    kept = kept_concepts(truth, labeller)
    overlaps: dict[int, Overlap] = defaultdict(Overlap)
    for image in images:
        masks, scores = truth.masks(image, columns.values()), read(image)
        labels = masks_of(scores)
        for place, index in enumerate(kept):
            true = masks.get(columns[index]) if index in columns else None
            if true is not None:
                label = labels.get(index, np.zeros_like(true))
                overlaps[index].add(label, true, scores.maps[place])
    return [
        overlaps[index].agreement(
            labeller, index, None if thresholds is None else thresholds[index]
        )
        for index in sorted(overlaps)
    ]


def kept_concepts(truth: Truth | None, labeller: Labeller) -> tuple[int, ...]:
    """Return the concepts of which the scores of an image with truth are kept."""
    if labeller.overlapping:
        return tuple(range(len(labeller.concepts)))
    return () if truth is None else tuple(truth.columns(labeller))


def _bins(scores: NDArray[np.float16]) -> NDArray[np.int64]:
    """Return the bin of each score, by its logit: fine near 0 and 1, where most scores are."""
    shares = scores.astype(np.float64).clip(1e-9, 1 - 1e-9)
    logits = np.log(shares / (1 - shares)).clip(-_LARGEST_LOGIT, _LARGEST_LOGIT)
    places = (logits + _LARGEST_LOGIT) / (2 * _LARGEST_LOGIT) * (_BINS - 1)
    return np.asarray(places, np.int64)


def _auc(counts: NDArray[np.int64]) -> float | None:
    """Return the AUC of a histogram (without, with) × bins; those of one bin are ties."""
    without, with_ = counts.astype(np.float64)
    if not without.sum() or not with_.sum():
        return None
    below = np.cumsum(without) - without
    return float((with_ * (below + without / 2)).sum() / (with_.sum() * without.sum()))
