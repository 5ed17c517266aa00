"""Groups of images whose answer has the same reason, also where no concept of the data names it.

1. sample   images of each predicted class, so many that memory stays small
2. group    k-means (OpenCV's) of what each unit adds to the answer, all vectors at length 1: which
            units, and not how much; as many groups as have the largest mean silhouette, or one
            where no division separates the images
3. name     concepts that carry or help to carry an answer more often in the group than in the rest
            of the class, by more than the sample explains
4. show     of the images nearest to the group's mean, the part where the units that the group uses
            more than the rest of the class have most of their evidence
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch

from ..graph.uids import unit_uid
from ..queries.rows import Rows
from .audit_counts import excess
from .clips import strip_of
from .image_regions import PixelBox, image_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..progress import Progress
    from .network import RunNetwork
    from .thing_rows import ThingRow

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float32]

MIN_IMAGES = 12
"""Of a class that is divided."""
MIN_GROUP = 3
MOST_GROUPS = 6
"""Of a class."""
MIN_SILHOUETTE = 0.2
"""Mean over a class's images: below it, they are one group."""
MOST_OF_A_CLASS, MOST_IMAGES = 1000, 20_000
"""Images that are compared, evenly spaced among those of a class; and of all classes, about."""
SHOWN, EXAMPLES = 24, 6
"""Groups, and images of each, that are shown with the part that they share."""
NAMING_SHARE = 0.5
"""A concept names a group if it is among the reasons in this share of its images at least."""
NAMES = 3
UNITS_SHARE = 0.5
"""Of what a group's images have more than the rest: the fewest units that add this much of it."""
PEAK = 0.5
"""Of the largest evidence of these units in an image: the part shown has more."""
_STARTS, _SEED = 8, 0
_UNITS_LISTED = 5


class GroupConcept(NamedTuple):
    """A concept among the reasons of a group's images.

    Attributes:
        concept: "category/name".
        share: of the group's images in which it is among the reasons.
        elsewhere: likewise of the class's other images; of all other images, if it is one group.
    """

    concept: str
    share: float
    elsewhere: float


@dataclass(frozen=True)
class GroupImage:
    """An image of a group.

    Attributes:
        file: relative to the folder of images.
        box: around `mask`, in pixels of what the network is given.
        mask: bool (height, width): where the units that the group shares have their evidence.
    """

    file: str
    box: PixelBox
    mask: Mask = field(compare=False)


@dataclass(frozen=True)
class EvidenceGroup:
    """Images of one predicted class whose answer has the same reason.

    Attributes:
        class_name: the class.
        images: files, the one nearest to the group's mean first.
        of: how many images of the class were compared.
        separation: mean silhouette of the group's images; 0 if the class is one group.
        concepts: that name it; empty if no concept of the data does.
        units: that it uses more than the rest of the class, the strongest first.
        wrong: how many of its images are mistakes; None without labels.
        examples: its first images; none of a group that is far behind.
    """

    class_name: str
    images: tuple[str, ...]
    of: int
    separation: float
    concepts: Rows[GroupConcept]
    units: tuple[str, ...]
    wrong: int | None = None
    examples: tuple[GroupImage, ...] = ()

    @property
    def right(self) -> int | None:
        """How many of its answers are right; None without labels."""
        return None if self.wrong is None else len(self.images) - self.wrong

    def cells(self) -> dict[str, object]:
        """Return what a table shows."""
        names = ", ".join(concept.concept for concept in self.concepts)
        row = {"class": self.class_name, "images": len(self.images), "of": self.of}
        return {**row, "concepts": names, "wrong": self.wrong}

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {
            "class": self.class_name,
            "count": len(self.images),
            "of": self.of,
            "images": list(self.images),
            "separation": self.separation,
            "concepts": [concept._asdict() for concept in self.concepts],
            "units": list(self.units),
            "wrong": self.wrong,
            "right": self.right,
            "examples": [{"image": e.file, "box": list(e.box)} for e in self.examples],
        }


@dataclass
class _Sample:
    """Images of one class, and their unit evidence at length 1."""

    files: list[str] = field(default_factory=list)
    reasons: list[frozenset[str]] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    units: list[NDArray[np.float16]] = field(default_factory=list)

    def vectors(self) -> Floats:
        """Return float32 (images, units), each image at length 1."""
        vectors = np.stack(self.units).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Floats = vectors / np.maximum(lengths, 1e-12)
        return unit


class _Draft(NamedTuple):
    """A group before its examples are looked at: its units by number."""

    group: EvidenceGroup
    units: NDArray[np.int64]


def evidence_groups(
    network: RunNetwork,
    block: str,
    folder: Path,
    rows: Callable[[], Iterable[ThingRow]],
    counts: Mapping[str, int],
    truths: Mapping[str, str] | None,
    progress: Progress,
) -> list[EvidenceGroup]:
    """Group images, those with the most mistakes first; without labels, the most distinct ones.

    Args:
        network: of the run.
        block: whose units are compared, as in the rows.
        folder: of the images.
        rows: returns the rows of the images, from the first.
        counts: how many images were read, by the class predicted.
        truths: by file, the class; None without labels.
        progress: receives the step.
    """
    samples = _samples(rows(), counts, truths)
    reasons: Counter[str] = Counter()
    for sample in samples.values():
        reasons.update(name for names in sample.reasons for name in names)
    compared = sum(len(sample.files) for sample in samples.values())
    drafts = [
        draft
        for name, sample in samples.items()
        for draft in _of_class(name, sample, block, reasons, compared, labelled=truths is not None)
    ]
    drafts.sort(key=lambda draft: _order(draft.group))
    with progress.step("groups", min(SHOWN, len(drafts))) as advance:
        shown = []
        for draft in drafts[:SHOWN]:
            shown.append(_with_examples(network, block, folder, draft))
            advance(1)
    return [*shown, *(draft.group for draft in drafts[SHOWN:])]


def _order(group: EvidenceGroup) -> tuple[object, ...]:
    return -(group.wrong or 0), -group.separation, group.class_name, -len(group.images)


def _samples(
    rows: Iterable[ThingRow], counts: Mapping[str, int], truths: Mapping[str, str] | None
) -> dict[str, _Sample]:
    """Take evenly spaced images of each class (step 1)."""
    most = min(MOST_OF_A_CLASS, max(MIN_IMAGES, MOST_IMAGES // max(len(counts), 1)))
    seen: Counter[str] = Counter()
    samples: dict[str, _Sample] = defaultdict(_Sample)
    for row in rows:
        if row.unreadable is not None:
            continue
        step = -(-counts[row.predicted] // most)
        if seen[row.predicted] % step == 0:
            sample = samples[row.predicted]
            sample.files.append(row.file)
            sample.reasons.append(frozenset(row.reasons()))
            sample.wrong.append(truths is not None and truths[row.file] != row.predicted)
            sample.units.append(row.unit_evidence())
        seen[row.predicted] += 1
    return samples


def _of_class(
    class_name: str,
    sample: _Sample,
    block: str,
    reasons: Counter[str],
    compared: int,
    *,
    labelled: bool,
) -> Iterator[_Draft]:
    """Yield the groups of a class, but for those of fewer than `MIN_GROUP` images."""
    vectors = sample.vectors()
    numbers, silhouette = divide(vectors)
    own = Counter(name for names in sample.reasons for name in names)
    for number in range(int(numbers.max()) + 1):
        members = np.flatnonzero(numbers == number)
        if len(members) < MIN_GROUP:
            continue
        center = vectors[members].mean(axis=0)
        whole = len(members) == len(vectors)
        rest = np.zeros_like(center) if whole else vectors[numbers != number].mean(axis=0)
        others, of_others = (reasons - own, compared) if whole else (own, len(vectors))
        units = _fewest_units(center - rest)
        members = members[np.argsort(-(vectors[members] @ center), kind="stable")]
        group = EvidenceGroup(
            class_name,
            tuple(sample.files[i] for i in members),
            len(vectors),
            0.0 if whole else float(silhouette[members].mean()),
            Rows(_names(
                [sample.reasons[i] for i in members], others, of_others - len(members),
                counted=not whole,
            )),
            tuple(unit_uid(block, int(unit)) for unit in units[:_UNITS_LISTED]),
            sum(sample.wrong[i] for i in members) if labelled else None,
        )  # fmt: skip
        yield _Draft(group, units)


def divide(vectors: Floats) -> tuple[NDArray[np.int32], Floats]:
    """Divide the images of a class into groups (step 2).

    Args:
        vectors: float32 (images, units).

    Returns:
        For each image the number of its group, and its silhouette.
    """
    one = np.zeros(len(vectors), np.int32), np.zeros(len(vectors), np.float32)
    if len(vectors) < MIN_IMAGES:
        return one
    best, least = one, MIN_SILHOUETTE
    for count in range(2, MOST_GROUPS + 1):
        cv2.setRNGSeed(_SEED)
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-5)
        numbers = np.zeros((len(vectors), 1), np.int32)
        cv2.kmeans(vectors, count, numbers, stop, _STARTS, cv2.KMEANS_PP_CENTERS)
        values = silhouettes(vectors, numbers[:, 0])
        if float(values.mean()) > least:
            best, least = (numbers[:, 0], values), float(values.mean())
    return best


def silhouettes(vectors: Floats, numbers: NDArray[np.int32]) -> Floats:
    """Return the silhouette of each vector (Rousseeuw 1987): (b − a) / max(a, b).

    a is its mean distance to the others of its group, b to the nearest other group. Of one alone in
    its group it is 0.

    Args:
        vectors: float32 (images, units).
        numbers: of their groups, from 0; none is empty, and there are two at least.
    """
    squares = (vectors**2).sum(axis=1)
    products = vectors @ vectors.T
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0))
    np.fill_diagonal(distances, 0)
    members = np.eye(int(numbers.max()) + 1, dtype=np.float32)[numbers]
    sums, sizes = distances @ members, members.sum(axis=0)
    own = sizes[numbers]
    a = sums[np.arange(len(vectors)), numbers] / np.maximum(own - 1, 1)
    b = np.where(members > 0, np.inf, sums / sizes).min(axis=1)
    values: Floats = np.where(own > 1, (b - a) / np.maximum(np.maximum(a, b), 1e-12), 0)
    return values.astype(np.float32)


def _names(
    reasons: Sequence[frozenset[str]], others: Counter[str], of_others: int, *, counted: bool
) -> list[GroupConcept]:
    """Return the concepts that name a group (step 3).

    Args:
        reasons: of each of its images.
        others: how often each concept is a reason in the images to compare with.
        of_others: how many these are.
        counted: whether `others` has the group's own images, too.
    """
    names = []
    for concept, count in Counter(name for own in reasons for name in own).items():
        elsewhere = others[concept] - count * counted
        _, low, _ = excess(count, len(reasons), elsewhere, of_others)
        if low > 0 and count >= NAMING_SHARE * len(reasons):
            share, other = count / len(reasons), elsewhere / max(of_others, 1)
            names.append((-low, GroupConcept(concept, share, other)))
    return [name for _, name in sorted(names)[:NAMES]]


def _fewest_units(difference: Floats) -> NDArray[np.int64]:
    """Return the fewest units that add `UNITS_SHARE` of all that is positive, the largest first."""
    order = np.argsort(-difference, kind="stable")
    gains = np.maximum(difference[order], 0)
    needed = int(np.searchsorted(gains.cumsum(), UNITS_SHARE * gains.sum())) + 1
    return order[:needed]


def _with_examples(network: RunNetwork, block: str, folder: Path, draft: _Draft) -> EvidenceGroup:
    """Look at a group's first images (step 4); those that have been removed are left out."""
    group = draft.group
    files = group.images[:EXAMPLES]
    units = torch.from_numpy(draft.units)
    examples = []
    loaded = network.load_photographs([folder / file for file in files])
    for file, image in zip(files, loaded, strict=True):
        if isinstance(image, str):
            continue
        logits, (maps,) = network.forward_for_gradients(image.batch, (block,))
        (gradients,) = torch.autograd.grad((logits.max() - logits.mean()), maps)
        evidence = (gradients * maps.detach())[0, units].sum(dim=0).double().numpy()
        strip = strip_of(evidence, network.frames)
        mask = _peak(strip, *image.pixels.shape[:2])
        examples.append(GroupImage(file, image_box(mask), mask))
    return replace(group, examples=tuple(examples))


def _peak(evidence: NDArray[np.float64], height: int, width: int) -> Mask:
    """Return where evidence on a block's grid, up-sampled to pixels, is at least `PEAK` of most."""
    size = width, height
    # a stride of 2 further on reads every other position, so single ones say little
    smooth = cv2.GaussianBlur(evidence.astype(np.float32), (3, 3), 0)
    scaled = cv2.resize(smooth, size, interpolation=cv2.INTER_LINEAR)
    most = float(scaled.max())
    return np.asarray(scaled >= PEAK * most if most > 0 else np.ones_like(scaled), dtype=bool)
