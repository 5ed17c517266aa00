"""What several annotators agree on: for one concept in one image, the regions enough of them drew.

1. A verifier's "no" drops a region (with `verified_only`, so does no answer).
2. An image's workers are the annotators who drew anything in it. The quorum says how many of them
   must agree: more than half, a share, or a number.
3. Regions of different workers agree if their IoU is at least `agree_iou`. They are grouped so that
   a group has at most one region of each worker and *all* its pairs agree; pairs of high IoU are
   joined first.
4. Of a group of at least the quorum, the pixels are kept that at least the quorum of its regions
   cover. All other regions are dropped, with the reason.

In an image with one worker there is nobody to agree with: its regions are dropped if the quorum is
a number above 1, and kept otherwise. If no image has several workers, everything is kept whatever
the quorum. (The paper's concept data keep the overlap of several workers' regions, and have it
verified; the paper states no numbers, those here are ours.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from ....errors import DataError
from .run_lengths import area, decode, encode, pairwise_iou, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .run_lengths import RunLengths

Quorum: TypeAlias = Literal["majority"] | int | float


@dataclass(frozen=True)
class AgreementRules:
    """When annotators agree.

    Attributes:
        quorum: how many workers of an image must agree: `majority` (more than half), a whole
            number, or a share as a float in (0, 1] (at least that share).
        agree_iou: the least IoU of two regions that agree.
        verified_only: keep only regions to which a verifier said yes.
    """

    quorum: Quorum = "majority"
    agree_iou: float = 0.5
    verified_only: bool = False

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            DataError: naming the setting.
        """
        quorum = self.quorum
        if isinstance(quorum, int) and quorum < 1:
            raise DataError("quorum out of range", found=quorum, expected="1 worker or more")
        if isinstance(quorum, float) and not 0 < quorum <= 1:
            raise DataError("quorum out of range", found=quorum, expected="a share from 0 to 1")
        if not 0 < self.agree_iou <= 1:
            raise DataError(
                "agree-iou out of range", found=self.agree_iou, expected="above 0, up to 1"
            )

    def needed(self, workers: int) -> int:
        """Return how many of an image's workers must agree."""
        if self.quorum == "majority":
            return workers // 2 + 1
        if isinstance(self.quorum, float):
            return max(1, math.ceil(self.quorum * workers - 1e-9))
        return int(self.quorum)


def read_quorum(text: str) -> Quorum:
    """Parse a quorum: `majority`, `2`, `0.6`, `60%`.

    Raises:
        DataError: anything else.
    """
    word = text.strip().lower()
    if word == "majority":
        return "majority"
    try:
        return int(word) if word.isdigit() else _share(word)
    except ValueError:
        expected = "majority, a number of workers (2), or a share (0.6, 60%)"
        raise DataError("quorum", found=repr(text), expected=expected) from None


def _share(word: str) -> float:
    return float(word[:-1]) / 100 if word.endswith("%") else float(word)


class DrawnRegion(NamedTuple):
    """A region of one concept in one image, as pixels.

    Attributes:
        worker: who drew it.
        verified: the verifier's answer; None without one.
        pixels: at the image's resolution.
    """

    worker: str
    verified: bool | None
    pixels: RunLengths


class Consensus(NamedTuple):
    """What annotators agree on: one concept in one image.

    Attributes:
        masks: one per group that reached the quorum.
        reasons: why a region was dropped, by its position; regions that were kept have none.
        drew: how many workers drew the concept, without regions that the verifier refused.
        mean_iou: mean over pairs of those workers of the IoU of all that each drew; None if there
            are fewer than two.
    """

    masks: tuple[RunLengths, ...]
    reasons: dict[int, str]
    drew: int
    mean_iou: float | None


def find_consensus(
    regions: Sequence[DrawnRegion], workers: int, rules: AgreementRules
) -> Consensus:
    """Find what annotators agree on: one concept in one image.

    Args:
        regions: all that were drawn.
        workers: of the image; 0 keeps everything that a verifier does not refuse.
        rules: when they agree.
    """
    reasons = _refused(regions, rules)
    accepted = [position for position in range(len(regions)) if position not in reasons]
    # Sorted, so that the order in the file does not matter.
    accepted.sort(key=lambda position: (regions[position].worker, regions[position].pixels.counts))
    candidates = [regions[position] for position in accepted]
    if not workers:
        masks = tuple(region.pixels for region in candidates)
        return Consensus(masks, reasons, len({region.worker for region in candidates}), None)
    needed = rules.needed(workers)
    agreed = []
    for group in _groups(candidates, rules.agree_iou):
        common = _common([candidates[member].pixels for member in group], needed)
        if common is not None:
            agreed.append(common)
            continue
        reason = f"{len(group)} of {workers} workers, {needed} needed"
        if len(group) >= needed:
            reason = f"no pixel that {needed} workers agree on"
        reasons.update(dict.fromkeys((accepted[member] for member in group), reason))
    drew, mean_iou = _agreement(candidates)
    return Consensus(tuple(agreed), reasons, drew, mean_iou)


def _refused(regions: Sequence[DrawnRegion], rules: AgreementRules) -> dict[int, str]:
    reasons = {}
    for position, region in enumerate(regions):
        if region.verified is False:
            reasons[position] = "verifier: no"
        elif rules.verified_only and region.verified is None:
            reasons[position] = "not verified"
        elif not area(region.pixels):
            reasons[position] = "no pixel of the image"
    return reasons


def _groups(regions: Sequence[DrawnRegion], agree_iou: float) -> list[list[int]]:
    """Group regions of different workers that all agree; positions, in order of first member."""
    if not regions:
        return []
    iou = pairwise_iou([region.pixels for region in regions])
    different = np.array([[a.worker != b.worker for b in regions] for a in regions])
    agreed = (iou >= agree_iou) & different
    first, second = np.nonzero(np.triu(agreed, 1))
    order = np.lexsort((second, first, -iou[first, second]))
    group_of = {position: [position] for position in range(len(regions))}
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        group_a, group_b = group_of[a], group_of[b]
        if group_a is not group_b and agreed[np.ix_(group_a, group_b)].all():
            joined = sorted([*group_a, *group_b])
            group_of.update(dict.fromkeys(joined, joined))
    return [group for position, group in group_of.items() if group[0] == position]


def _common(masks: Sequence[RunLengths], needed: int) -> RunLengths | None:
    """Return the pixels that at least `needed` masks cover; None if there are none."""
    if len(masks) < needed:
        return None
    if len(masks) == 1:
        return masks[0]
    times: NDArray[np.uint16] = np.zeros((masks[0].height, masks[0].width), np.uint16, order="F")
    for mask in masks:
        times += decode(mask)
    common = encode(times >= needed)
    return common if area(common) else None


def _agreement(regions: Iterable[DrawnRegion]) -> tuple[int, float | None]:
    """Count the workers who drew the concept; mean IoU over pairs of all that each drew."""
    by_worker: dict[str, list[RunLengths]] = {}
    for region in regions:
        by_worker.setdefault(region.worker, []).append(region.pixels)
    if len(by_worker) < 2:
        return len(by_worker), None
    iou = pairwise_iou([union(masks) for masks in by_worker.values()])
    return len(by_worker), float(iou[np.triu_indices(len(iou), 1)].mean())
