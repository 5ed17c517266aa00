"""What several workers agree on: of each image and concept, the regions that enough of them drew.

1. A verifier's "no" takes a region out (with `verified_only`, so does no answer).
2. Workers of an image are those who drew anything in it. The quorum says how many of them must
   agree: more than half, a share, or a number.
3. Regions of different workers agree when their IoU reaches `agree_iou`. They are gathered into
   groups of at most one region a worker, in which *all* pairs agree, pairs of high IoU first.
4. Of a group of at least the quorum, the pixels are kept that at least the quorum of its regions
   cover. All other regions are dropped, with the reason.

With one worker in an image there is nobody to agree with: with a quorum given as a number above 1
his regions are dropped, else kept. Where no image has several workers, everything is kept whatever
the quorum. (Source: the paper's concept set keeps the overlap of several workers' regions and has
it verified; the numbers are ours.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from ....errors import DataError
from .run_lengths import area, decode, encode, overlaps, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .run_lengths import RunLengths

Quorum: TypeAlias = Literal["majority"] | int | float


@dataclass(frozen=True)
class Rules:
    """What agreement means.

    Attributes:
        quorum: how many workers of an image must agree: `majority` (more than half), a whole
            number, or a share as a float in (0, 1] (at least that share).
        agree_iou: two regions agree from this IoU on.
        verified_only: keep only regions of which a verifier said yes.
    """

    quorum: Quorum = "majority"
    agree_iou: float = 0.5
    verified_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

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
        """How many of an image's workers must agree."""
        if self.quorum == "majority":
            return workers // 2 + 1
        if isinstance(self.quorum, float):
            return max(1, math.ceil(self.quorum * workers - 1e-9))
        return int(self.quorum)


def read_quorum(text: str) -> Quorum:
    """The quorum that a text means: `majority`, `2`, `0.6`, `60%`.

    Raises:
        DataError: it means none.
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


class Drawn(NamedTuple):
    """A region of one concept in one image, drawn.

    Attributes:
        worker: who drew it.
        verified: what the verifier said, if anything.
        pixels: at the image's resolution.
    """

    worker: str
    verified: bool | None
    pixels: RunLengths


class Consensus(NamedTuple):
    """What remains of the regions of one concept in one image.

    Attributes:
        kept: one mask per group that reached the quorum.
        reasons: why a region was dropped, by its place among those given; absent if it was kept.
        drew: workers who drew the concept here and were not refused by the verifier.
        mean_iou: mean over pairs of those workers of the IoU of all that each drew; None of fewer
            than two.
    """

    kept: tuple[RunLengths, ...]
    reasons: dict[int, str]
    drew: int
    mean_iou: float | None


def agree(regions: Sequence[Drawn], workers: int, rules: Rules) -> Consensus:
    """The consensus on one concept in one image.

    Args:
        regions: all of them.
        workers: how many workers the image has; 0 keeps everything that a verifier does not refuse.
        rules: what agreement means.
    """
    reasons = _refused(regions, rules)
    left = [place for place in range(len(regions)) if place not in reasons]
    # A canonical order, so that the order of the file decides nothing.
    left.sort(key=lambda place: (regions[place].worker, regions[place].pixels.counts))
    if not workers:
        kept = tuple(regions[place].pixels for place in left)
        return Consensus(kept, reasons, len({regions[place].worker for place in left}), None)
    needed = rules.needed(workers)
    masks = []
    for group in _groups([regions[place] for place in left], rules.agree_iou):
        places = [left[member] for member in group]
        common = _common([regions[place].pixels for place in places], needed)
        if common is not None:
            masks.append(common)
            continue
        reason = f"{len(group)} of {workers} workers, {needed} needed"
        if len(group) >= needed:
            reason = f"no pixel that {needed} workers agree on"
        reasons.update(dict.fromkeys(places, reason))
    drew, mean_iou = _agreement([regions[place] for place in left])
    return Consensus(tuple(masks), reasons, drew, mean_iou)


def _refused(regions: Sequence[Drawn], rules: Rules) -> dict[int, str]:
    reasons = {}
    for place, region in enumerate(regions):
        if region.verified is False:
            reasons[place] = "verifier: no"
        elif rules.verified_only and region.verified is None:
            reasons[place] = "not verified"
        elif not area(region.pixels):
            reasons[place] = "no pixel of the image"
    return reasons


def _groups(regions: Sequence[Drawn], agree_iou: float) -> list[list[int]]:
    """Places of regions that all agree with one another, one a worker, in order of first member."""
    if not regions:
        return []
    iou = overlaps([region.pixels for region in regions])
    different = np.array([[a.worker != b.worker for b in regions] for a in regions])
    agreed = (iou >= agree_iou) & different
    first, second = np.nonzero(np.triu(agreed, 1))
    order = np.lexsort((second, first, -iou[first, second]))
    group = {place: [place] for place in range(len(regions))}
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        ours, theirs = group[a], group[b]
        if ours is not theirs and agreed[np.ix_(ours, theirs)].all():
            joined = sorted([*ours, *theirs])
            group.update(dict.fromkeys(joined, joined))
    return [members for place, members in group.items() if members[0] == place]


def _common(masks: Sequence[RunLengths], needed: int) -> RunLengths | None:
    """The pixels that at least `needed` masks cover; None if there are none."""
    if len(masks) < needed:
        return None
    if len(masks) == 1:
        return masks[0]
    times: NDArray[np.uint16] = np.zeros((masks[0].height, masks[0].width), np.uint16, order="F")
    for mask in masks:
        times += decode(mask)
    common = encode(times >= needed)
    return common if area(common) else None


def _agreement(regions: Iterable[Drawn]) -> tuple[int, float | None]:
    """How many workers drew the concept, and the mean IoU over pairs of all that each drew."""
    by_worker: dict[str, list[RunLengths]] = {}
    for region in regions:
        by_worker.setdefault(region.worker, []).append(region.pixels)
    if len(by_worker) < 2:
        return len(by_worker), None
    iou = overlaps([union(masks) for masks in by_worker.values()])
    return len(by_worker), float(iou[np.triu_indices(len(iou), 1)].mean())
