"""Network dissection by its definition, slow and plain, for the fast paths to be compared with.

Everything is float64 or int64; arrays are (…, height, width). What a unit or an image has no part
in is done for all units at once; there are no other tricks.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from conceptgraph.settings import IouVariant

    Bools: TypeAlias = NDArray[np.bool_]
    Floats: TypeAlias = NDArray[np.float64]
    Numbers: TypeAlias = NDArray[np.int64]


def threshold(values: Sequence[float], quantile: float) -> float:
    """The largest value that no more than `quantile` of all N values exceed.

    That is the (floor(quantile · N) + 1)-th largest, `quantile` read as the decimal it is written.
    """
    exceeding = math.floor(Fraction(str(quantile)) * len(values))
    return sorted(values, reverse=True)[exceeding]


def thresholds(maps: NDArray[np.floating], quantile: float) -> Floats:
    """T_k of each unit; maps (images, units, height, width) of all images."""
    return np.array([threshold(maps[:, k].ravel().tolist(), quantile) for k in range(len(maps[0]))])


def up_sample(maps: NDArray[np.floating], height: int, width: int) -> Floats:
    """Bilinear with half-pixel centres and edges repeated, i.e. `align_corners=False`."""
    rows, columns = maps.shape[-2:]
    result = np.empty((*maps.shape[:-2], height, width))
    for y in range(height):
        for x in range(width):
            source = ((y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5)
            result[..., y, x] = _between(maps, *source)
    return result


def _between(maps: NDArray[np.floating], y: float, x: float) -> Floats:
    """The values at a position between four values (written so that equal corners stay exact)."""
    top, left = math.floor(y), math.floor(x)
    upper = _at(maps, top, left)
    upper += (x - left) * (_at(maps, top, left + 1) - upper)
    lower = _at(maps, top + 1, left)
    lower += (x - left) * (_at(maps, top + 1, left + 1) - lower)
    return upper + (y - top) * (lower - upper)


def _at(maps: NDArray[np.floating], row: int, column: int) -> Floats:
    """The values at a place, the nearest ones for a place outside."""
    row = min(max(row, 0), maps.shape[-2] - 1)
    column = min(max(column, 0), maps.shape[-1] - 1)
    return maps[..., row, column].astype(np.float64)


def masks(maps: NDArray[np.floating], limits: Floats, height: int, width: int) -> Bools:
    """M_k: where the up-sampled maps of one image (units, …) exceed their limits, strictly."""
    result: Bools = up_sample(maps, height, width) > limits[:, None, None]
    return result


class Labelled(NamedTuple):
    """The labels of one image.

    Attributes:
        planes: (planes, height, width), concept column + 1, 0 where unlabelled.
        image_labels: columns of the concepts that label the whole image.
    """

    planes: NDArray[np.integer]
    image_labels: tuple[int, ...] = ()

    @property
    def pixels(self) -> int:
        """Size of the masks."""
        height, width = self.planes.shape[1:]
        return int(height * width)

    def bincount(self, concept: int) -> Numbers:
        """How many planes give a pixel this label; (height, width)."""
        result: Numbers = (self.planes == concept + 1).sum(axis=0)
        return result


class Tally(NamedTuple):
    """Counts over all images: both (units, concepts), activation (units, categories), truth."""

    both: Numbers
    activation: Numbers
    truth: Numbers


def tally(
    fired: Sequence[Bools],
    labelled: Sequence[Labelled],
    category: Sequence[int],
    categories: int,
    variant: IouVariant,
) -> Tally:
    """Count.

    Args:
        fired: of each image, the masks of all units (units, height, width).
        labelled: of each image, its labels.
        category: of each concept, its category.
        categories: how many there are.
        variant: when an image's activation counts for a category.
    """
    units, concepts = len(fired[0]), len(category)
    both = np.zeros((units, concepts), np.int64)
    activation = np.zeros((units, categories), np.int64)
    truth = np.zeros(concepts, np.int64)
    for mask, labels in zip(fired, labelled, strict=True):
        area = mask.sum(axis=(1, 2))
        for concept in range(concepts):
            whole_image = concept in labels.image_labels
            there = labels.bincount(concept)
            truth[concept] += there.sum() + labels.pixels * whole_image
            both[:, concept] += (mask * there).sum(axis=(1, 2)) + area * whole_image
        for number in range(categories):
            members = [c for c in range(concepts) if category[c] == number]
            activation[:, number] += area * counts_for(mask, labels, members, variant)
    return Tally(both, activation, truth)


def center_boxes(shape: tuple[int, ...], sizes: int) -> Bools:
    """Boxes in the middle with sides of 1/sizes … of the image's; bool (sizes, height, width)."""
    height, width = shape
    boxes = np.zeros((sizes, height, width), np.bool_)
    for size, row, column in np.ndindex(boxes.shape):
        down, across = Fraction(2 * row + 1, height) - 1, Fraction(2 * column + 1, width) - 1
        boxes[size, row, column] = max(abs(down), abs(across)) <= Fraction(size + 1, sizes)
    return boxes


class ChanceTally(NamedTuple):
    """What `ingest.chance` keeps of swapped labels."""

    real: Numbers
    imitation: Numbers
    reference: Numbers
    spread: Numbers


def chance(
    fired: Sequence[Bools],
    labelled: Sequence[Labelled],
    category: Sequence[int],
    orders: Sequence[Numbers],
    references: int,
) -> ChanceTally:
    """Count again with the labels of other images.

    Args:
        fired: of each image, the masks of all units.
        labelled: of each image, its own labels.
        category: of each concept, its category.
        orders: of each part that is permuted on its own, (units, 1 + draws, images): which images
            it holds, then whose labels they get in each draw, for each unit.
        references: how many of the draws, the last ones, are summed.
    """
    units, draws, _ = orders[0].shape
    both = np.zeros((len(orders), draws, units, len(category)), np.int64)
    for part, unit, draw in np.ndindex(len(orders), units, draws):
        masks_of = [fired[image][unit : unit + 1] for image in orders[part][unit, 0]]
        labels_of = [labelled[image] for image in orders[part][unit, draw]]
        counts = tally(masks_of, labels_of, category, max(category) + 1, "unrestricted")
        both[part, draw, unit] = counts.both[0]
    last = both[:, -references:]
    spread = references * (last**2).sum(axis=1) - last.sum(axis=1) ** 2
    drawn = both[:, 1:-references].sum(axis=0)
    return ChanceTally(both[:, 0].sum(axis=0), drawn, last.sum(axis=(0, 1)), spread.sum(axis=0))


def counts_for(mask: Bools, labels: Labelled, members: Sequence[int], variant: IouVariant) -> Bools:
    """Whether an image counts for a category, the concepts `members`; bool (units,)."""
    counts = np.zeros(len(mask), np.bool_)
    if variant == "unrestricted":
        counts[:] = True
    for concept in members:
        there = labels.bincount(concept) > 0
        counts |= concept in labels.image_labels
        counts |= there.any() if variant == "paper" else (mask & there).any(axis=(1, 2))
    return counts


def iou(counts: Tally, category: Sequence[int]) -> Floats:
    """both / (activation in the concept's category + truth − both); (units, concepts)."""
    result = np.zeros(counts.both.shape)
    for unit, concept in np.ndindex(*result.shape):
        both = int(counts.both[unit, concept])
        union = counts.activation[unit, category[concept]] + counts.truth[concept] - both
        result[unit, concept] = both / (union + 1e-10)
    return result


def best_label(scores: Sequence[float], category: Sequence[int]) -> int | None:
    """The concept a unit detects: best of its category, ties to the lowest label number; best of
    the categories, ties to the last one; None where nothing scores."""
    winners: dict[int, int] = {}
    for concept, number in enumerate(category):
        if number not in winners or scores[concept] > scores[winners[number]]:
            winners[number] = concept
    last_first = sorted(winners, reverse=True)
    best = winners[max(last_first, key=lambda number: scores[winners[number]])]
    return best if scores[best] > 0 else None


def top_images(peaks: Floats, limit: float, top: int) -> list[int]:
    """Positions of the images where a unit peaks highest, above its limit; the first of equals."""
    firing = [image for image, peak in enumerate(peaks) if peak > limit]
    return sorted(firing, key=lambda image: (-peaks[image], image))[:top]


def labelled_positions(labelled: Labelled, concept: int, rows: int, columns: int) -> Bools:
    """Where the middle of a position of a map is labelled; (rows, columns)."""
    height, width = labelled.planes.shape[1:]
    there = np.zeros((rows, columns), np.bool_)
    for row, column in np.ndindex(rows, columns):
        y, x = math.floor((row + 0.5) / rows * height), math.floor((column + 0.5) / columns * width)
        there[row, column] = labelled.bincount(concept)[y, x] > 0
    return there | (concept in labelled.image_labels)


def ridge(values: Floats, wanted: Floats, penalty: float) -> Floats:
    """Ridge regression on values of unit variance, as readings: standard deviations above its mean.

    Args:
        values: (positions, units).
        wanted: (positions,), 0 or 1.
        penalty: per position.

    Returns:
        (units + 1,), weights on the values as they are, then the constant.
    """
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (values - mean) / spread
    root = math.sqrt(penalty * len(values))
    rows = np.vstack([scaled, root * np.eye(values.shape[1])])
    target = np.concatenate([wanted - wanted.mean(), np.zeros(values.shape[1])])
    weights = np.linalg.lstsq(rows, target, rcond=None)[0] / spread
    deviation = float((values @ weights).std())
    if deviation == 0:
        return np.zeros(len(weights) + 1)
    return np.append(weights, -mean @ weights) / deviation


def best_level(readings: Sequence[float], there: Sequence[bool], levels: Floats) -> float:
    """The first level of the largest F1 of `reading >= level`."""
    best: float = max(levels.tolist(), key=lambda level: (f1(readings, there, level), -level))
    return best


def f1(readings: Sequence[float], there: Sequence[bool], level: float) -> float:
    """2 · true positives / (said + labelled)."""
    right = sum(r >= level and t for r, t in zip(readings, there, strict=True))
    said = sum(r >= level for r in readings)
    return float(2 * right / max(1, said + sum(there)))
