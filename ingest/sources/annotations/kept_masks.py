"""Masks of concepts: the regions of an image that its annotators agree on, at the mask size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...concept_data.writing.label_maps import resize_mask, rotate_mask
from .consensus import DrawnRegion, find_consensus
from .draw import draw
from .run_lengths import decode, union

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .consensus import AgreementRules, Consensus
    from .image_files import View
    from .regions import Region
    from .report import BuildLog


class KeptMasks:
    """Draws what is kept of regions, and logs what is dropped."""

    def __init__(
        self,
        numbers: Mapping[tuple[str, str], int],
        side: int,
        rules: AgreementRules,
        log: BuildLog,
    ) -> None:
        """Keep the settings.

        Args:
            numbers: label number by category and concept.
            side: of the masks.
            rules: when several annotators agree.
            log: receives what becomes of every region.
        """
        self._numbers, self._side, self._rules, self._log = numbers, side, rules, log

    def draw(
        self, image: str, regions: Sequence[Region], view: View
    ) -> dict[str, dict[int, NDArray[np.bool_]]]:
        """Return the mask of each concept of an image, by category and label number."""
        by_concept: dict[tuple[str, str], list[Region]] = {}
        for region in regions:
            by_concept.setdefault((region.category, region.concept), []).append(region)
        masks: dict[str, dict[int, NDArray[np.bool_]]] = {}
        for pair in sorted(by_concept):
            mask = self._draw_concept(image, by_concept[pair], view)
            if mask is not None:
                masks.setdefault(pair[0], {})[self._numbers[pair]] = mask
        return masks

    def _draw_concept(
        self, image: str, regions: Sequence[Region], view: View
    ) -> NDArray[np.bool_] | None:
        """Return what is kept of one concept, at mask size; None if nothing is."""
        consensus = agree(regions, view, self._log.workers_of(image), self._rules)
        mask = upright_mask(consensus, view)
        if mask is not None:
            mask = resize_mask(mask, self._side, self._side)
            if not mask.any():
                reason = f"too small for masks of {self._side}×{self._side}"
                too_small = dict.fromkeys(range(len(regions)), reason)
                consensus = consensus._replace(reasons={**too_small, **consensus.reasons})
                mask = None
        self._log.add(image, regions, consensus)
        return mask


def agree(regions: Sequence[Region], view: View, workers: int, rules: AgreementRules) -> Consensus:
    """Return what the annotators of an image agree on; `workers` as of `find_consensus`."""
    drawn = [
        DrawnRegion(region.worker, region.verified, draw(region.geometry, *view.size))
        for region in regions
    ]
    return find_consensus(drawn, workers, rules)


def upright_mask(consensus: Consensus, view: View) -> NDArray[np.bool_] | None:
    """Return the pixels that are kept, as the image is seen: bool (height, width), or None."""
    if not consensus.masks:
        return None
    return rotate_mask(decode(union(consensus.masks)), view.orientation)
