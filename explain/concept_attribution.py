"""What all paths through the units of a concept add to a logit, and how honestly.

Every position of every unit of the first block adds a known part of the logit (`accounting`). A
unit's part is divided among the concepts that it detects above the run's `min_iou`, in proportion
to their IoU, so that the sum is kept; that of a unit without any goes to no concept. Each part is
split by where it comes from:

    present   positions where the concept's presence probe finds the concept
    firing    other positions where the unit exceeds its threshold
    below     the rest

Only *present* counts as the concept's. A concept whose probe is poor counts where units fire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .explanation import ConceptAttribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..graph.run.reader import Run


MAPPED = 8
"""Concepts whose places in the image are kept."""
POOR = 0.3
"""A probe whose F1 on held-out images is lower is not believed."""


class Split(NamedTuple):
    """What each position adds, by concept and by where it comes from.

    Attributes:
        present: float64 (…, concepts + 1, positions); the last row is for no concept.
        firing: likewise.
        below: likewise.
    """

    present: Tensor
    firing: Tensor
    below: Tensor


@dataclass(frozen=True)
class ConceptAttributor:
    """Gathers by concept what the units of a block add.

    Attributes:
        concepts: name and category of each that some unit of the block detects.
        probe: for each of them, F1 of its presence probe on held-out images; None for a poor one.
        divided: float64 (units, concepts + 1), each row sums to 1; the last column is for no
            concept.
        thresholds: float64 (units, 1).
        probes: float64 (units + 1, concepts), constants last; readings from 0 on say "there".
    """

    concepts: tuple[tuple[str, str], ...]
    probe: tuple[float | None, ...]
    divided: Tensor
    thresholds: Tensor
    probes: Tensor

    def split(self, source: Tensor, part: Tensor) -> Split:
        """Divide among concepts what positions add.

        Args:
            source: (…, units, positions), what the units put out.
            part: of the same shape, what that adds.
        """
        part, source = part.double(), source.double()
        together = self.divided.T @ part
        fired = self.divided.T @ (part * (source > self.thresholds))
        readings = self.probes[:-1].T @ source + self.probes[-1, :, None]
        there = torch.zeros_like(together, dtype=torch.bool)
        there[..., :-1, :] = readings >= 0
        believed = torch.tensor([f1 is not None for f1 in self.probe] + [False])[:, None]
        poor = ~believed
        poor[-1] = False
        present = together * (there & believed) + fired * poor
        firing = fired * ~there * ~poor
        return Split(present, firing, together - present - firing)


def concept_attributor(run: Run, block: str) -> ConceptAttributor:
    """The concept_attributor of a run's block."""
    units = run.units[run.units["block"] == block].sort_values("index")
    concepts, divided = _division(run, block)
    rows = run.presence[run.presence["block"] == block].set_index("concept")
    column = {uid: number for number, uid in enumerate(run.concepts["uid"])}
    probe: list[float | None] = []
    probes = torch.zeros(len(units) + 1, len(concepts), dtype=torch.float64)
    for number, (name, category) in enumerate(concepts):
        uid = f"{category}/{name}"
        believed = uid in rows.index and rows.at[uid, "f1"] >= POOR
        probe.append(float(rows.at[uid, "f1"]) if believed else None)
        if believed:
            probes[:, number] = torch.tensor(run.probes(block)[:, column[uid]])
            probes[-1, number] -= float(rows.at[uid, "threshold"])
    thresholds = torch.tensor(units["threshold"].to_numpy()).unsqueeze(1)
    return ConceptAttributor(tuple(concepts), tuple(probe), divided, thresholds, probes)


def attribute_to_concepts(
    gather: ConceptAttributor, source: Tensor, parts: Sequence[Tensor]
) -> tuple[tuple[ConceptAttribution, ...], dict[str, NDArray[np.float32]]]:
    """Gather by concept, largest first; the last one is that of all units without a concept.

    Args:
        gather: of the first block of the paths.
        source: (units, height, width), the block's output at this image.
        parts: what each position adds, in one tensor of that shape; or in two that are gathered
            together and stated apart: what argues for a class, what argues against another.

    Returns:
        The shares; and for the `MAPPED` largest, by "category/name", float32 (height, width), what
        each position adds to the concept's contribution.
    """
    flat = source.flatten(1)
    pieces = [gather.split(flat, part.flatten(1)) for part in parts]
    present, firing, below = (torch.stack(each).sum(dim=0) for each in zip(*pieces, strict=True))
    sums = [each.sum(dim=1).tolist() for each in (present, firing, below)]
    # Without a concept nothing is present: what argues for and against is what fires.
    apart = [
        torch.cat([piece.present[:-1], piece.firing[-1:]]).sum(dim=1).tolist() for piece in pieces
    ]
    split = list(zip(*apart, strict=True)) if len(apart) > 1 else [(None, None)] * len(sums[0])
    shares: list[ConceptAttribution] = []
    maps: dict[str, NDArray[np.float32]] = {}
    whole = sums[0]
    order = sorted(
        range(len(gather.concepts)), key=lambda i: (-abs(whole[i]), gather.concepts[i][::-1])
    )
    for i in order:
        name, category = gather.concepts[i]
        there, fires, rest = (each[i] for each in sums)
        shares.append(
            ConceptAttribution(
                name, category, there, there, fires, rest, gather.probe[i], *split[i]
            )
        )
        if len(maps) < MAPPED:
            maps[f"{category}/{name}"] = present[i].view(source.shape[1:]).float().numpy()
    there, fires, rest = (each[-1] for each in sums)
    shares.append(ConceptAttribution(None, None, 0.0, there, fires, rest, None, *split[-1]))
    return tuple(shares), maps


def _division(run: Run, block: str) -> tuple[list[tuple[str, str]], Tensor]:
    """Concepts that units of a block detect, and how each unit's part is divided among them."""
    units = run.units[run.units["block"] == block]
    found = run.interpretable_detections
    found = found[found["unit"].isin(units["uid"])]
    uids = sorted(set(found["concept"]))
    column = {uid: number for number, uid in enumerate(uids)}
    matrix = torch.zeros(len(units), len(uids) + 1, dtype=torch.float64)
    index = dict(zip(units["uid"], units["index"], strict=True))
    for unit, concept, iou in zip(found["unit"], found["concept"], found["iou"], strict=True):
        matrix[index[unit], column[concept]] = iou
    matrix[:, -1] = (matrix.sum(dim=1) == 0).double()
    names = run.concepts.set_index("uid")[["name", "category"]]
    concepts = [(str(names.at[uid, "name"]), str(names.at[uid, "category"])) for uid in uids]
    return concepts, matrix / matrix.sum(dim=1, keepdim=True)
