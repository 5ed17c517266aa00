"""Masks as run lengths (COCO's compressed RLE), by pycocotools: small in memory, quick to compare.

Runs go down the columns and start with how many pixels are off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pycocotools import mask as coco

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class RunLengths(NamedTuple):
    """A mask of height × width pixels."""

    counts: bytes
    height: int
    width: int


def encode(mask: NDArray[np.bool_]) -> RunLengths:
    """A mask, bool (height, width), as run lengths."""
    packed = coco.encode(np.asfortranarray(mask, np.uint8))
    return RunLengths(packed["counts"], *mask.shape)


def decode(runs: RunLengths) -> NDArray[np.bool_]:
    """Run lengths as a mask, bool (height, width)."""
    mask: NDArray[np.uint8] = coco.decode(_packed(runs))
    return mask.view(np.bool_)


def from_lengths(lengths: Sequence[int], height: int, width: int) -> RunLengths:
    """Uncompressed lengths, which sum to height · width."""
    packed = coco.frPyObjects({"size": [height, width], "counts": list(lengths)}, height, width)
    return RunLengths(packed["counts"], height, width)


def from_polygons(rings: Sequence[Sequence[float]], height: int, width: int) -> RunLengths:
    """All that lies in any of the rings (x, y, x, y, …), by COCO's rule."""
    packed = coco.merge(coco.frPyObjects([list(ring) for ring in rings], height, width))
    return RunLengths(packed["counts"], height, width)


def union(masks: Sequence[RunLengths]) -> RunLengths:
    """The pixels of any of the masks, which share one size; there is at least one."""
    packed = coco.merge([_packed(each) for each in masks])
    return RunLengths(packed["counts"], masks[0].height, masks[0].width)


def area(runs: RunLengths) -> int:
    """How many pixels are on."""
    return int(coco.area(_packed(runs)))


def overlaps(masks: Sequence[RunLengths]) -> NDArray[np.float64]:
    """IoU of each pair of masks, none empty: (masks, masks)."""
    packed = [_packed(each) for each in masks]
    found: NDArray[np.float64] = coco.iou(packed, packed, [0] * len(packed))
    return found


def lengths_of(counts: bytes) -> list[int] | None:
    """The lengths that a compressed text codes; None if it codes none.

    5 bits a character, least first; from the fourth length on, differences from the last but one.
    pycocotools decodes such text without checking it, beyond its end if need be: check foreign text
    here first.
    """
    lengths: list[int] = []
    value = shift = 0
    for byte in counts:
        bits = byte - 48
        if not 0 <= bits < 64 or shift > 50:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return None if shift else lengths


def _packed(runs: RunLengths) -> dict[str, object]:
    """As pycocotools takes it."""
    return {"size": [runs.height, runs.width], "counts": runs.counts}
