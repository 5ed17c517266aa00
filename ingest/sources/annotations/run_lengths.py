"""Masks as run lengths (COCO's compressed RLE), by pycocotools: small in memory, fast to compare.

Runs go down the columns, and the first one is of pixels that are off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pycocotools import mask as coco

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class RunLengths(NamedTuple):
    """A mask of height × width pixels, in COCO's compressed text."""

    counts: bytes
    height: int
    width: int


def encode(mask: NDArray[np.bool_]) -> RunLengths:
    """Encode a mask, bool (height, width)."""
    packed = coco.encode(np.asfortranarray(mask, np.uint8))
    return RunLengths(packed["counts"], *mask.shape)


def decode(runs: RunLengths) -> NDArray[np.bool_]:
    """Decode to a mask, bool (height, width)."""
    mask: NDArray[np.uint8] = coco.decode(_packed(runs))
    return mask.view(np.bool_)


def from_lengths(lengths: Sequence[int], height: int, width: int) -> RunLengths:
    """Compress lengths, which sum to height · width."""
    packed = coco.frPyObjects({"size": [height, width], "counts": list(lengths)}, height, width)
    return RunLengths(packed["counts"], height, width)


def from_polygons(rings: Sequence[Sequence[float]], height: int, width: int) -> RunLengths:
    """Fill the union of rings (x, y, x, y, …), by COCO's rule."""
    packed = coco.merge(coco.frPyObjects([list(ring) for ring in rings], height, width))
    return RunLengths(packed["counts"], height, width)


def union(masks: Sequence[RunLengths]) -> RunLengths:
    """Return the union of one mask or more, all of one size."""
    packed = coco.merge([_packed(mask) for mask in masks])
    return RunLengths(packed["counts"], masks[0].height, masks[0].width)


def area(runs: RunLengths) -> int:
    """Count the pixels that are on."""
    return int(coco.area(_packed(runs)))


def pairwise_iou(masks: Sequence[RunLengths]) -> NDArray[np.float64]:
    """Compute the IoU of each pair of masks, none of them empty: (masks, masks)."""
    packed = [_packed(mask) for mask in masks]
    iou: NDArray[np.float64] = coco.iou(packed, packed, [0] * len(packed))
    return iou


def lengths_of(counts: bytes) -> list[int] | None:
    """Decode the lengths in a compressed text; None if it is damaged.

    5 bits a character, the lowest first; from the fourth length on, differences from the last but
    one. pycocotools decodes without any check, even beyond the end of the text: check text from
    files here first.
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
    """Return run lengths as pycocotools takes them."""
    return {"size": [runs.height, runs.width], "counts": runs.counts}
