"""Silent units: what is left of a block's output when some of its units see nothing.

A concept is taken away where it is *present*: at positions where its presence probe finds it, and
those next to them, the units that detect it are zero. Elsewhere they go on: a unit that detects
"polka dotted" also carries other evidence, and an image without dots is left as it is. A probe that
is poor is not asked; then units are zero where they exceed their thresholds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import QueryError, nearest
from .concept_attribution import POOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..graph.run.reader import Run


@dataclass(frozen=True, eq=False)
class AblationMask:
    """Units of one block, silent everywhere or in places.

    Attributes:
        units: their numbers.
        probe: float64 (units of the block + 1,), the constant last: they are silent around
            positions where its reading is at least 0; None where no probe is asked.
        limits: float64 (len(units),), each unit is silent where it exceeds its own; None for none.
    """

    units: tuple[int, ...]
    probe: Tensor | None = None
    limits: Tensor | None = None

    def places(self, output: Tensor) -> Tensor:
        """Where they are silent: bool (images, units or 1, height, width)."""
        if self.limits is not None:
            return output[:, list(self.units)] > self.limits[:, None, None].to(output)
        if self.probe is None:
            return torch.ones_like(output[:, :1], dtype=torch.bool)
        probe = self.probe.to(output)
        reading = torch.einsum("iuyx,u->iyx", output, probe[:-1]) + probe[-1]
        there = (reading >= 0).to(output).unsqueeze(1)
        return torch.nn.functional.max_pool2d(there, 3, stride=1, padding=1) > 0


AblationMasks = dict[str, list[AblationMask]]
"""By block."""


def ablation_of_concept(
    run: Run, uid: str, at: Sequence[str] | None = None, *, everywhere: bool = False
) -> AblationMasks:
    """A concept taken away, at the blocks `at` (None: all that were dissected).

    Raises:
        QueryError: no unit detects it, or no such block.
    """
    found: AblationMasks = {}
    column = list(run.concepts["uid"]).index(uid)
    known = run.presence[run.presence["concept"] == uid].set_index("block")
    thresholds = run.units.set_index("uid")["threshold"]
    for block, units in detectors(run, uid, at).items():
        silence = AblationMask(tuple(units))
        if not everywhere and block in known.index and known.at[block, "f1"] >= POOR:
            probe = torch.tensor(run.probes(block)[:, column]).double()
            probe[-1] -= float(known.at[block, "threshold"])
            silence = AblationMask(tuple(units), probe)
        elif not everywhere:
            limits = [float(thresholds[f"{block}/{unit}"]) for unit in units]
            silence = AblationMask(tuple(units), limits=torch.tensor(limits, dtype=torch.float64))
        found[block] = [silence]
    return found


def ablation_of_units(run: Run, uids: Iterable[str]) -> AblationMasks:
    """Single units ("block3/17") silent everywhere; QueryError where there is none."""
    units: dict[str, list[int]] = defaultdict(list)
    for uid in uids:
        row = run.unit(uid)
        units[str(row["block"])].append(int(row["index"]))
    return {block: [AblationMask(tuple(found))] for block, found in units.items()}


def together(parts: Iterable[AblationMasks]) -> AblationMasks:
    """All of them at once."""
    found: AblationMasks = defaultdict(list)
    for part in parts:
        for block, silences in part.items():
            found[block] += silences
    return dict(found)


def ablated_units(silences: AblationMasks) -> tuple[str, ...]:
    """Uids of all units that are silent anywhere, in order."""
    found = {
        (block, unit) for block, each in silences.items() for one in each for unit in one.units
    }
    return tuple(f"{block}/{unit}" for block, unit in sorted(found))


def ablating(sets: Sequence[AblationMasks]) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """What changes the blocks' outputs for `ingest.network.forward.changing`.

    Args:
        sets: one for each image of a batch; or one alone, for all of them.
    """
    blocks = sorted({block for silences in sets for block in silences})
    return {block: partial(_muted, [each.get(block, []) for each in sets]) for block in blocks}


def _muted(rows: Sequence[Sequence[AblationMask]], output: Tensor) -> Tensor:
    keep = torch.ones_like(output)
    for row, silences in enumerate(rows):
        images = slice(None) if len(rows) == 1 else slice(row, row + 1)
        for silence in silences:
            heard = ~silence.places(output[images].detach())
            units = list(silence.units)
            keep[images, units] *= heard.to(output)
    return output * keep


def detectors(run: Run, uid: str, at: Sequence[str] | None = None) -> dict[str, list[int]]:
    """The interpretable units that detect a concept above the run's `min_iou`, by block.

    Raises:
        QueryError: there are none, or no such block.
    """
    blocks = check_blocks(run, at)
    there = run.units[run.units["block"].isin(blocks)].set_index("uid")
    firm = run.interpretable_detections
    firm = firm[firm["unit"].isin(there.index)]
    units = there.loc[sorted(firm["unit"][firm["concept"] == uid])]
    if units.empty:
        remedy = nearest(uid, sorted(set(firm["concept"])))
        raise QueryError(f"no unit of {', '.join(blocks)} detects {uid!r}", remedy=remedy)
    silent: dict[str, list[int]] = defaultdict(list)
    for block, unit in sorted(zip(units["block"], units["index"], strict=True)):
        silent[str(block)].append(int(unit))
    return dict(silent)


def check_blocks(run: Run, at: Sequence[str] | None) -> tuple[str, ...]:
    """The blocks meant, all of the run's for None; QueryError for one that it has not."""
    blocks = run.blocks if at is None else tuple(at)
    if unknown := [block for block in blocks if block not in run.blocks]:
        raise QueryError("no such block", found=unknown[0], expected=", ".join(run.blocks))
    return blocks
