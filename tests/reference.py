"""Network Dissection by its definition, slow and plain, for the fast code to be compared with.

Everything is float64 or int64; arrays are (…, height, width). All units of an image are computed
at once where the definition treats them alike; there are no other shortcuts.
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


# Activation masks


def threshold(values: Sequence[float], quantile: float) -> float:
    """Return the largest value that no more than `quantile` of all N values exceed.

    That is the (floor(quantile · N) + 1)-th largest, `quantile` read as the decimal it is written.
    """
    exceeding = math.floor(Fraction(str(quantile)) * len(values))
    return sorted(values, reverse=True)[exceeding]


def thresholds(maps: NDArray[np.floating], quantile: float) -> Floats:
    """Return T_k of each unit; maps (images, units, height, width) of all images."""
    return np.array([threshold(maps[:, k].ravel().tolist(), quantile) for k in range(len(maps[0]))])


def up_sample(maps: NDArray[np.floating], height: int, width: int) -> Floats:
    """Resize maps bilinearly: half-pixel centres, edges repeated, i.e. `align_corners=False`."""
    rows, columns = maps.shape[-2:]
    result = np.empty((*maps.shape[:-2], height, width))
    for y in range(height):
        for x in range(width):
            source = ((y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5)
            result[..., y, x] = _interpolate(maps, *source)
    return result


def _interpolate(maps: NDArray[np.floating], y: float, x: float) -> Floats:
    """Interpolate between the four values around a position (so that equal ones stay exact)."""
    top, left = math.floor(y), math.floor(x)
    upper = _value_at(maps, top, left)
    upper += (x - left) * (_value_at(maps, top, left + 1) - upper)
    lower = _value_at(maps, top + 1, left)
    lower += (x - left) * (_value_at(maps, top + 1, left + 1) - lower)
    return upper + (y - top) * (lower - upper)


def _value_at(maps: NDArray[np.floating], row: int, column: int) -> Floats:
    """Return the values at a position; outside the map, those at the nearest one."""
    row = min(max(row, 0), maps.shape[-2] - 1)
    column = min(max(column, 0), maps.shape[-1] - 1)
    return maps[..., row, column].astype(np.float64)


def activation_masks(
    maps: NDArray[np.floating], thresholds: Floats, height: int, width: int
) -> Bools:
    """Return M_k: where the up-sampled maps of one image (units, …) exceed T_k, strictly."""
    masks: Bools = up_sample(maps, height, width) > thresholds[:, None, None]
    return masks


def slot_of(frame: int, frames: int, times: int) -> int:
    """Return the time slot whose middle is nearest to a frame's; of two the later one."""
    when = Fraction(2 * frame + 1, 2 * frames)
    distance = [abs(Fraction(2 * slot + 1, 2 * times) - when) for slot in range(times)]
    return max(slot for slot in range(times) if distance[slot] == min(distance))


def clip_masks(
    maps: NDArray[np.floating],
    thresholds: Floats,
    height: int,
    width: int,
    frames: int,
    annotated: Sequence[int],
) -> Bools:
    """Return the masks of a clip's annotated frames, one below the other.

    Args:
        maps: of one clip, (units, times, rows, columns).
        thresholds: T_k.
        height: of the mask of one frame.
        width: likewise.
        frames: of the clip.
        annotated: some of them.
    """
    slots = [slot_of(frame, frames, maps.shape[1]) for frame in annotated]
    masks = [activation_masks(maps[:, slot], thresholds, height, width) for slot in slots]
    return np.concatenate(masks, axis=1)


# Overlap with concepts


class LabelledImage(NamedTuple):
    """The labels of one image.

    Attributes:
        label_maps: (label maps, height, width), concept column + 1, 0 where unlabelled.
        image_labels: columns of the concepts that label the whole image.
        absent: columns of the concepts that are said not to be in it.
    """

    label_maps: NDArray[np.integer]
    image_labels: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()

    @property
    def pixels(self) -> int:
        """Pixels of a label map."""
        height, width = self.label_maps.shape[1:]
        return int(height * width)

    def bincount(self, concept: int) -> Numbers:
        """Count the label maps that give each pixel this label; (height, width)."""
        counts: Numbers = (self.label_maps == concept + 1).sum(axis=0)
        return counts

    def has(self, concept: int) -> bool:
        """Return whether any pixel, or the whole image, has this label."""
        return bool(self.bincount(concept).any()) or concept in self.image_labels


class OverlapCounts(NamedTuple):
    """Pixel counts over all images.

    Attributes:
        intersection: (units, concepts).
        activation_area: (units, categories), in the images that count for the category.
        concept_area: (concepts,).
    """

    intersection: Numbers
    activation_area: Numbers
    concept_area: Numbers


def count_overlaps(
    masks: Sequence[Bools],
    labelled: Sequence[LabelledImage],
    category: Sequence[int],
    categories: int,
    variant: IouVariant,
) -> OverlapCounts:
    """Count the pixels that IoU is computed from.

    Args:
        masks: of each image, the activation masks of all units (units, height, width).
        labelled: of each image, its labels.
        category: of each concept, its category.
        categories: number of categories.
        variant: which images' activation counts for a category.
    """
    units, concepts = len(masks[0]), len(category)
    intersection = np.zeros((units, concepts), np.int64)
    activation_area = np.zeros((units, categories), np.int64)
    concept_area = np.zeros(concepts, np.int64)
    for mask, labels in zip(masks, labelled, strict=True):
        area = mask.sum(axis=(1, 2))
        for concept in range(concepts):
            whole_image = concept in labels.image_labels
            concept_map = labels.bincount(concept)
            concept_area[concept] += concept_map.sum() + labels.pixels * whole_image
            intersection[:, concept] += (mask * concept_map).sum(axis=(1, 2)) + area * whole_image
        for number in range(categories):
            members = [c for c in range(concepts) if category[c] == number]
            activation_area[:, number] += area * counts_for(mask, labels, members, variant)
    return OverlapCounts(intersection, activation_area, concept_area)


class HeldOutCounts(NamedTuple):
    """Pixel counts over the images held out: intersection (units, concepts), and per category
    the activation area and its square, summed over the images annotated with the category."""

    intersection: Numbers
    activation_area: Numbers
    squares: Numbers


def count_held_out(
    masks: Sequence[Bools],
    labelled: Sequence[LabelledImage],
    fitted: int,
    category: Sequence[int],
    categories: int,
) -> HeldOutCounts:
    """Count the pixels of all images but the first `fitted`, whose masks are given."""
    units = len(masks[0]) if masks else 0
    intersection = np.zeros((units, len(category)), np.int64)
    area, squares = (np.zeros((units, categories), np.int64) for _ in range(2))
    sets = [
        {category[c] for c in range(len(category)) if image.has(c) or c in image.absent}
        for image in labelled
    ]
    for mask, labels, own in zip(masks, labelled[fitted:], sets[fitted:], strict=True):
        size = mask.sum(axis=(1, 2))
        for concept in range(len(category)):
            whole_image = concept in labels.image_labels
            overlap = (mask * labels.bincount(concept)).sum(axis=(1, 2))
            intersection[:, concept] += overlap + size * whole_image
        for number in range(categories):
            if any(number in other and other - {number} == own - {number} for other in sets):
                area[:, number] += size
                squares[:, number] += size * size
    return HeldOutCounts(intersection, area, squares)


def counts_for(
    mask: Bools, labels: LabelledImage, members: Sequence[int], variant: IouVariant
) -> Bools:
    """Return whether an image counts for a category, the concepts `members`; bool (units,)."""
    counts = np.zeros(len(mask), np.bool_)
    if variant == "unrestricted":
        counts[:] = True
    for concept in members:
        labelled = labels.bincount(concept) > 0
        counts |= concept in labels.image_labels
        if variant == "paper":
            counts |= labelled.any() or concept in labels.absent
        else:
            counts |= (mask & labelled).any(axis=(1, 2))
    return counts


def iou(counts: OverlapCounts, category: Sequence[int]) -> Floats:
    """Return intersection / union of each unit and concept; (units, concepts).

    The union is activation area (in the concept's category) + concept area − intersection.
    """
    result = np.zeros(counts.intersection.shape)
    for unit, concept in np.ndindex(*result.shape):
        intersection = int(counts.intersection[unit, concept])
        areas = counts.activation_area[unit, category[concept]] + counts.concept_area[concept]
        result[unit, concept] = intersection / (areas - intersection + 1e-10)
    return result


def best_label(scores: Sequence[float], category: Sequence[int]) -> int | None:
    """Return the concept that a unit detects, None where no concept scores.

    It is the best of its category (of equals, the lowest label number), and the best of these over
    the categories (of equals, the last one).
    """
    winners: dict[int, int] = {}
    for concept, number in enumerate(category):
        if number not in winners or scores[concept] > scores[winners[number]]:
            winners[number] = concept
    last_first = sorted(winners, reverse=True)
    best = winners[max(last_first, key=lambda number: scores[winners[number]])]
    return best if scores[best] > 0 else None


# What an IoU is compared with


def center_masks(shape: tuple[int, ...], sizes: int) -> Bools:
    """Return the masks of the center-bias baseline, centered boxes; (sizes, height, width).

    Their sides are 1/sizes, 2/sizes … 1 of the image's.
    """
    height, width = shape
    masks = np.zeros((sizes, height, width), np.bool_)
    for size, row, column in np.ndindex(masks.shape):
        down, across = Fraction(2 * row + 1, height) - 1, Fraction(2 * column + 1, width) - 1
        masks[size, row, column] = max(abs(down), abs(across)) <= Fraction(size + 1, sizes)
    return masks


class NullCounts(NamedTuple):
    """Intersections (units, concepts) with real and with permuted labels.

    Attributes:
        real: with each image's own labels.
        null: (null samples, units, concepts), with permuted labels.
        reference_sum: the sum over the reference permutations.
        reference_spread: Σ over parts of R · Σ b² − (Σ b)², b a part's share of each of the R
            reference permutations.
    """

    real: Numbers
    null: Numbers
    reference_sum: Numbers
    reference_spread: Numbers


def permutation_null(
    masks: Sequence[Bools],
    labelled: Sequence[LabelledImage],
    category: Sequence[int],
    orders: Sequence[Numbers],
    references: int,
) -> NullCounts:
    """Count the intersections again with the labels of other images.

    Args:
        masks: of each image, the activation masks of all units.
        labelled: of each image, its own labels.
        category: of each concept, its category.
        orders: of each part that is permuted on its own, (units, 1 + permutations, images): which
            images it has, then whose labels they get in each permutation, for each unit.
        references: how many of the permutations, the last ones, are summed.
    """
    units, permutations, _ = orders[0].shape
    counts = np.zeros((len(orders), permutations, units, len(category)), np.int64)
    for part, unit, permutation in np.ndindex(len(orders), units, permutations):
        unit_masks = [masks[image][unit : unit + 1] for image in orders[part][unit, 0]]
        permuted = [labelled[image] for image in orders[part][unit, permutation]]
        overlaps = count_overlaps(unit_masks, permuted, category, max(category) + 1, "unrestricted")
        counts[part, permutation, unit] = overlaps.intersection[0]
    last = counts[:, -references:]
    spread = references * (last**2).sum(axis=1) - last.sum(axis=1) ** 2
    null = counts[:, 1:-references].sum(axis=0)
    return NullCounts(counts[:, 0].sum(axis=0), null, last.sum(axis=(0, 1)), spread.sum(axis=0))


# Top images


def top_images(peaks: Floats, threshold: float, count: int) -> list[int]:
    """Return the images where a unit peaks highest, above its threshold; of equals the first."""
    active = [image for image, peak in enumerate(peaks) if peak > threshold]
    return sorted(active, key=lambda image: (-peaks[image], image))[:count]


# Presence probes


def labelled_positions(labels: LabelledImage, concept: int, rows: int, columns: int) -> Bools:
    """Return whether the center of each position of a map is labelled; (rows, columns)."""
    height, width = labels.label_maps.shape[1:]
    labelled = np.zeros((rows, columns), np.bool_)
    for row, column in np.ndindex(rows, columns):
        y, x = math.floor((row + 0.5) / rows * height), math.floor((column + 0.5) / columns * width)
        labelled[row, column] = labels.bincount(concept)[y, x] > 0
    return labelled | (concept in labels.image_labels)


def ridge(values: Floats, labelled: Floats, penalty: float) -> Floats:
    """Fit a presence probe: ridge regression of the labels on values of unit variance.

    Args:
        values: (positions, units).
        labelled: (positions,), 0 or 1.
        penalty: per position.

    Returns:
        (units + 1,), weights on the values as they are, then the constant; scaled so that probe
        scores are standard deviations above their mean.
    """
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (values - mean) / spread
    root = math.sqrt(penalty * len(values))
    rows = np.vstack([scaled, root * np.eye(values.shape[1])])
    target = np.concatenate([labelled - labelled.mean(), np.zeros(values.shape[1])])
    weights = np.linalg.lstsq(rows, target, rcond=None)[0] / spread
    deviation = float((values @ weights).std())
    if deviation == 0:
        return np.zeros(len(weights) + 1)
    return np.append(weights, -mean @ weights) / deviation


def best_threshold(scores: Sequence[float], labelled: Sequence[bool], thresholds: Floats) -> float:
    """Return the lowest threshold with the largest Matthews correlation."""
    best: float = max(thresholds.tolist(), key=lambda t: (mcc(scores, labelled, t), -t))
    return best


def mcc(scores: Sequence[float], labelled: Sequence[bool], threshold: float) -> float:
    """Return the correlation of `score >= threshold` with the labels; 0 if either is constant."""
    predicted = np.asarray(scores) >= threshold
    if predicted.all() or not predicted.any() or all(labelled) or not any(labelled):
        return 0.0
    return round(float(np.corrcoef(predicted, np.asarray(labelled))[0, 1]), 12)


def f1(scores: Sequence[float], labelled: Sequence[bool], threshold: float) -> float:
    """Return 2 · true positives / (predicted + labelled)."""
    true_positives = sum(s >= threshold and y for s, y in zip(scores, labelled, strict=True))
    predicted = sum(s >= threshold for s in scores)
    return float(2 * true_positives / max(1, predicted + sum(labelled)))


def answer(
    images: Sequence[LabelledImage], image: int, concept: int, category: Sequence[int]
) -> bool | None:
    """Return whether a concept is in an image; None if nobody knows."""
    if images[image].has(concept):
        return True
    if any(concept in each.absent for each in images):  # known where somebody was asked
        return False if concept in images[image].absent else None

    def categories(each: LabelledImage) -> set[int]:
        known = {k for c, k in enumerate(category) if each.has(c)}
        return known | {category[c] for c in each.absent}

    wanted = categories(images[image]) | {category[concept]}
    return False if any(categories(each) == wanted for each in images) else None


def auc(scores: Sequence[float], answers: Sequence[bool | None]) -> float:
    """Return how often a score with `True` exceeds one with `False`, a tie counting half."""
    has = np.array([score for score, answer in zip(scores, answers, strict=True) if answer])
    lacks = [score for score, answer in zip(scores, answers, strict=True) if answer is False]
    if not len(has) or not lacks:
        return math.nan
    wins = (has[:, None] > np.array(lacks)) + (has[:, None] == np.array(lacks)) / 2
    return float(wins.mean())
