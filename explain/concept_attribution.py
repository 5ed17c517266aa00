"""Attribution of a logit to concepts: what all paths through the units of a concept add.

Every position of every unit of the first block adds a known amount to the logit
(`decomposition.Decomposition.by_position`). A unit's amount is divided among the concepts that it
detects above the run's `min_iou`, in proportion to their IoU, so that the sum stays the same. A
unit that detects none adds to no concept. Each concept's amount is split by position:

    present   the concept's presence probe finds the concept there
    firing    the probe does not, but the unit exceeds its threshold there
    below     neither

Only *present* counts as evidence from the concept. If the probe is poor (`probe_scores`: no better
than chance, or not much), *present* is where the unit exceeds its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..graph.uids import concept_uid
from .explanation import ConceptAttribution
from .presence import usable_probes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..graph.run.reader import Run


_LOADED: WeakKeyDictionary[Run, dict[str, ConceptAttributor]] = WeakKeyDictionary()
"""By open run and block; freed with the run."""
MAPPED_CONCEPTS = 8
"""How many concepts of an explanation have a map."""


class PositionAttribution(NamedTuple):
    """What each position adds, by concept.

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
    """Attributes to concepts what the units of one block add.

    Attributes:
        concepts: name and category of each concept that some unit of the block detects.
        probe_mcc: for each of them, the Matthews correlation of its presence probe on held-out
            images; None for a poor one.
        unit_shares: float64 (units, concepts + 1), how each unit's amount is divided; rows sum to
            1, the last column is for no concept.
        thresholds: float64 (units, 1).
        probes: float64 (units + 1, concepts), constants last; the concept is present where the
            probe score is at least 0.
    """

    concepts: tuple[tuple[str, str], ...]
    probe_mcc: tuple[float | None, ...]
    unit_shares: Tensor
    thresholds: Tensor
    probes: Tensor

    @property
    def uids(self) -> list[str]:
        """The concepts as "category/name"."""
        return [concept_uid(category, name) for name, category in self.concepts]

    def attribute(self, activations: Tensor, amounts: Tensor) -> PositionAttribution:
        """Divide among concepts what each position of each unit adds.

        Args:
            activations: (…, units, positions), the block's output.
            amounts: of the same shape, what each activation adds to the logit.
        """
        amounts, activations = amounts.double(), activations.double()
        everywhere = self.unit_shares.T @ amounts
        fired = self.unit_shares.T @ (amounts * (activations > self.thresholds))
        scores = self.probes[:-1].T @ activations + self.probes[-1, :, None]
        is_present = torch.zeros_like(everywhere, dtype=torch.bool)
        is_present[..., :-1, :] = scores >= 0
        good = torch.tensor([mcc is not None for mcc in self.probe_mcc] + [False])[:, None]
        poor = ~good
        poor[-1] = False
        present = everywhere * (is_present & good) + fired * poor
        firing = fired * ~is_present * ~poor
        return PositionAttribution(present, firing, everywhere - present - firing)


def concept_attributor(run: Run, block: str) -> ConceptAttributor:
    """Load what attributes to concepts for one block of a run; once for each open run."""
    by_block = _LOADED.setdefault(run, {})
    if block not in by_block:
        by_block[block] = _load(run, block)
    return by_block[block]


def _load(run: Run, block: str) -> ConceptAttributor:
    units = run.units[run.units["block"] == block].sort_values("index")
    concepts, unit_shares = _unit_shares(run, block)
    rows = run.presence[run.presence["block"] == block].set_index("concept")
    uids = [concept_uid(category, name) for name, category in concepts]
    usable = usable_probes(run, block, set(uids))
    probe_mcc = [float(rows.at[uid, "mcc"]) if uid in usable else None for uid in uids]
    none = torch.zeros(len(units) + 1, dtype=torch.float64)
    probes = torch.stack([none, *(usable.get(uid, none) for uid in uids)], dim=1)[:, 1:]
    thresholds = torch.tensor(units["threshold"].to_numpy()).unsqueeze(1)
    return ConceptAttributor(tuple(concepts), tuple(probe_mcc), unit_shares, thresholds, probes)


def attribute_to_concepts(
    attributor: ConceptAttributor, activations: Tensor, amounts: Sequence[Tensor]
) -> tuple[tuple[ConceptAttribution, ...], dict[str, NDArray[np.float32]]]:
    """Attribute a logit to concepts.

    Args:
        attributor: of the first block of the paths.
        activations: (units, *grid), the block's output at this image.
        amounts: what each position adds, a tensor of that shape; or two of them, evidence for a
            class and evidence against another, which are added up and also reported apart.

    Returns:
        Attributions, the largest |contribution| first, that of units without a concept last; and
        for the first `MAPPED_CONCEPTS`, by "category/name", what each position adds to the
        concept's contribution, float32 (*grid).
    """
    flat = activations.flatten(1)
    parts = [attributor.attribute(flat, amount.flatten(1)) for amount in amounts]
    present, firing, below = (torch.stack(kind).sum(dim=0) for kind in zip(*parts, strict=True))
    present_sum, firing_sum, below_sum = (
        kind.sum(dim=1).tolist() for kind in (present, firing, below)
    )
    # Units without a concept have nothing present: their evidence is what fires.
    counted = [torch.cat([part.present[:-1], part.firing[-1:]]) for part in parts]
    apart: list[tuple[float | None, float | None]] = [(None, None)] * len(present)
    if len(amounts) == 2:
        evidence_for, evidence_against = (part.sum(dim=1).tolist() for part in counted)
        apart = list(zip(evidence_for, evidence_against, strict=True))
    concepts, mcc = attributor.concepts, attributor.probe_mcc
    order = sorted(range(len(concepts)), key=lambda i: (-abs(present_sum[i]), concepts[i][::-1]))
    attributions = [
        ConceptAttribution(
            *concepts[i],
            present_sum[i],
            present_sum[i],
            firing_sum[i],
            below_sum[i],
            mcc[i],
            *apart[i],
        )
        for i in order
    ]
    attributions.append(
        ConceptAttribution(
            None, None, 0.0, present_sum[-1], firing_sum[-1], below_sum[-1], None, *apart[-1]
        )
    )
    uids, grid = attributor.uids, activations.shape[1:]
    maps = {uids[i]: present[i].view(grid).float().numpy() for i in order[:MAPPED_CONCEPTS]}
    return tuple(attributions), maps


def _unit_shares(run: Run, block: str) -> tuple[list[tuple[str, str]], Tensor]:
    """Return the concepts that units of a block detect, and `ConceptAttributor.unit_shares`."""
    units = run.units[run.units["block"] == block]
    detections = run.interpretable_detections
    detections = detections[detections["unit"].isin(units["uid"])]
    uids = sorted(set(detections["concept"]))
    column = {uid: number for number, uid in enumerate(uids)}
    row = dict(zip(units["uid"], units["index"], strict=True))
    ious = torch.zeros(len(units), len(uids) + 1, dtype=torch.float64)
    for unit, concept, iou in zip(
        detections["unit"], detections["concept"], detections["iou"], strict=True
    ):
        ious[row[unit], column[concept]] = iou
    ious[:, -1] = (ious.sum(dim=1) == 0).double()
    names = run.concepts.set_index("uid")[["name", "category"]]
    concepts = [(str(names.at[uid, "name"]), str(names.at[uid, "category"])) for uid in uids]
    return concepts, ious / ious.sum(dim=1, keepdim=True)
