"""Ablation masks: at which positions the outputs of which units are set to 0.

A concept is ablated where it is *present*: the units that detect it are 0 at positions where its
presence probe finds it, and at the positions next to those. Elsewhere they keep their activations,
since a unit that detects "polka dotted" is evidence for other things too, and an image without dots
stays as it is. If the probe is poor, units are 0 where they exceed their thresholds.

If no unit detects the concept, but a probe is not poor, the units that carry the probe stand in for
them: those with most of weight × threshold, half of what is positive.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d, max_pool2d, max_pool3d

from ..errors import QueryError
from ..graph.uids import unit_uid
from ..ingest.statistics.probe_scores import MIN_MCC
from .presence import usable_probes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..graph.run.reader import Run

_MAX_POOLS = (max_pool1d, max_pool2d, max_pool3d)


@dataclass(frozen=True, eq=False)
class AblationMask:
    """Units of one block, and where they are ablated: at some positions or on their whole maps.

    Attributes:
        units: their indices.
        probe: float64 (units of the block + 1,), the constant last: they are ablated around
            positions where the probe score is at least 0; None if no probe is used.
        thresholds: float64 (len(units),): each unit is ablated where it exceeds its own; None if
            none are used.
    """

    units: tuple[int, ...]
    probe: Tensor | None = None
    thresholds: Tensor | None = None

    def positions(self, output: Tensor) -> Tensor:
        """Return where the units are ablated, bool (images, units or 1, *grid).

        Args:
            output: of the block, (images, units of the block, *grid).
        """
        if self.thresholds is not None:
            thresholds = self.thresholds.view(-1, *[1] * (output.ndim - 2))
            return output[:, list(self.units)] > thresholds.to(output)
        if self.probe is None:
            return torch.ones_like(output[:, :1], dtype=torch.bool)
        probe = self.probe.to(output)
        scores = torch.einsum("iu...,u->i...", output, probe[:-1]) + probe[-1]
        return _with_neighbours((scores >= 0).unsqueeze(1))


AblationMasks = dict[str, list[AblationMask]]
"""By block."""

CARRIED = 0.5
"""Of a probe's positive weight × threshold, the share that the units have that carry it."""


def _with_neighbours(positions: Tensor) -> Tensor:
    """Return positions and those next to them, diagonally too; bool (images, 1, *grid)."""
    max_pool = _MAX_POOLS[positions.ndim - 3]
    return max_pool(positions.float(), 3, stride=1, padding=1) > 0


def ablation_of_concept(
    run: Run, uid: str, at: Sequence[str] | None = None, *, everywhere: bool = False
) -> AblationMasks:
    """Return the masks that ablate a concept.

    Args:
        run: an open run.
        uid: "category/name".
        at: blocks whose units are ablated; None means all that were dissected.
        everywhere: ablate the units on their whole maps, not only where the concept is present.

    Raises:
        QueryError: no unit detects the concept, and no probe of it is any good; or no such block.
    """
    probes = _probes(run, uid, check_blocks(run, at))
    by_block = detectors(run, uid, at)
    if not by_block:
        carriers = {block: _carriers(run, block, probe) for block, probe in probes.items()}
        by_block = {block: units for block, units in carriers.items() if units}
    if not by_block:
        raise _not_known(run, uid, check_blocks(run, at))
    masks: AblationMasks = {}
    for block, units in by_block.items():
        if everywhere:
            mask = AblationMask(tuple(units))
        elif block in probes:
            mask = AblationMask(tuple(units), probes[block])
        else:
            mask = AblationMask(tuple(units), thresholds=_thresholds(run, block)[units])
        masks[block] = [mask]
    return masks


def _probes(run: Run, uid: str, blocks: Sequence[str]) -> dict[str, Tensor]:
    """Return a concept's probes, unless they are poor, as in `AblationMask.probe`, by block."""
    by_block = {block: usable_probes(run, block, {uid}) for block in blocks}
    return {block: probes[uid] for block, probes in by_block.items() if probes}


def _thresholds(run: Run, block: str) -> Tensor:
    """Return the thresholds of a block's units, float64 (units,)."""
    units = run.units[run.units["block"] == block].sort_values("index")
    return torch.tensor(units["threshold"].to_numpy(dtype="float64"))


def _carriers(run: Run, block: str, probe: Tensor) -> list[int]:
    """Return the fewest units with `CARRIED` of a probe's positive weight × threshold."""
    carried = (probe[:-1] * _thresholds(run, block)).clamp(min=0)
    size, unit = carried.sort(descending=True, stable=True)
    before = size.cumsum(0) - size
    return sorted(unit[(size > 0) & (before < CARRIED * size.sum())].tolist())


def _not_known(run: Run, uid: str, blocks: Sequence[str]) -> QueryError:
    """Return the error for a concept that neither units nor probes of these blocks find."""
    what = f"no unit of {', '.join(blocks)} detects {uid!r}"
    if _probes(run, uid, blocks):
        return QueryError(f"{what}, and none raises the score of its presence probe")
    rows = run.presence[(run.presence["concept"] == uid) & run.presence["block"].isin(blocks)]
    best, low = max(zip(rows["mcc"], rows["mcc_low"], strict=True), default=(0.0, 0.0))
    return QueryError(
        f"{what}, and its presence probes are poor",
        found=f"a best Matthews correlation of {best:.2f}, at least {low:.2f}",
        expected=f"{MIN_MCC:g} or more, and surely above 0",
    )


def ablation_of_units(run: Run, uids: Iterable[str]) -> AblationMasks:
    """Return the masks that ablate single units ("block3/17") on their whole maps.

    Raises:
        QueryError: there is no such unit.
    """
    units: dict[str, list[int]] = defaultdict(list)
    for uid in uids:
        row = run.unit(uid)
        units[str(row["block"])].append(int(row["index"]))
    return {block: [AblationMask(tuple(indices))] for block, indices in units.items()}


def merge_masks(ablations: Iterable[AblationMasks]) -> AblationMasks:
    """Return the masks of several ablations at once."""
    merged: AblationMasks = defaultdict(list)
    for ablation in ablations:
        for block, masks in ablation.items():
            merged[block] += masks
    return dict(merged)


def ablated_units(masks: AblationMasks) -> tuple[str, ...]:
    """Return the uids of all units that have a mask, in order."""
    units = {
        (block, unit)
        for block, block_masks in masks.items()
        for mask in block_masks
        for unit in mask.units
    }
    return tuple(unit_uid(block, unit) for block, unit in sorted(units))


def ablation_hooks(
    ablations: Sequence[AblationMasks],
) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """Return, by block, the function that ablates its output, as `RunNetwork.intervene` takes it.

    Args:
        ablations: one for each image of a batch; or a single one, for all images.
    """
    blocks = sorted({block for masks in ablations for block in masks})
    return {block: partial(_ablate, [masks.get(block, []) for masks in ablations])
            for block in blocks}  # fmt: skip


def _ablate(ablations: Sequence[Sequence[AblationMask]], output: Tensor) -> Tensor:
    """Apply masks to a block's output; one list of masks for each image, or one for all."""
    factor = torch.ones_like(output)
    for row, masks in enumerate(ablations):
        images = slice(None) if len(ablations) == 1 else slice(row, row + 1)
        for mask in masks:
            unchanged = ~mask.positions(output[images].detach())
            factor[images, list(mask.units)] *= unchanged.to(output)
    return output * factor


def detectors(run: Run, uid: str, at: Sequence[str] | None = None) -> dict[str, list[int]]:
    """Return the interpretable units that detect a concept above the run's `min_iou`, by block.

    Raises:
        QueryError: no such block.
    """
    blocks = check_blocks(run, at)
    units = run.units[run.units["block"].isin(blocks)].set_index("uid")
    detections = run.interpretable_detections
    detections = detections[detections["unit"].isin(units.index)]
    detecting = units.loc[sorted(detections["unit"][detections["concept"] == uid])]
    by_block: dict[str, list[int]] = defaultdict(list)
    for block, unit in sorted(zip(detecting["block"], detecting["index"], strict=True)):
        by_block[str(block)].append(int(unit))
    return dict(by_block)


def check_blocks(run: Run, at: Sequence[str] | None) -> tuple[str, ...]:
    """Return the blocks meant, all of the run's for None.

    Raises:
        QueryError: the run has no such block.
    """
    blocks = run.blocks if at is None else tuple(at)
    if unknown := [block for block in blocks if block not in run.blocks]:
        raise QueryError("no such block", found=unknown[0], expected=", ".join(run.blocks))
    return blocks
