"""What all paths through the units of a concept add to a logit, and how honestly.

Every position of every unit of the first block adds a known part of the logit (`accounting`). A
unit's part is divided among the concepts that it detects above the run's `min_iou`, in proportion
to their IoU, so that the sum is kept; that of a unit without any goes to no concept. Each part is
split by where it comes from: *present*, *firing*, *below*. Only *present* counts as the concept's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .explanation import ConceptShare

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..graph.run import Run


MAPPED = 8
"""Concepts whose places in the image are kept."""


def concept_shares(
    run: Run, block: str, source: Tensor, parts: Sequence[Tensor]
) -> tuple[tuple[ConceptShare, ...], dict[str, NDArray[np.float32]]]:
    """Gather by concept, largest first; the last one is that of all units without a concept.

    Args:
        run: whose units these are.
        block: the first block of the paths.
        source: (units, height, width), its output at this image.
        parts: what each position adds, in one tensor of that shape; or in two that are gathered
            together and stated apart: what argues for a class, what argues against another.

    Returns:
        The shares; and for the `MAPPED` largest, by "category/name", float32 (height, width), what
        each position adds to the concept's contribution.
    """
    concepts, divided = division(run, block)
    units = run.units[run.units["block"] == block].sort_values("index")
    thresholds = torch.tensor(units["threshold"].to_numpy())
    fires = (source > thresholds.view(-1, 1, 1)).flatten(1)
    pieces = [part.flatten(1).double() for part in parts]
    together = torch.stack(pieces).sum(dim=0)
    above = divided.T @ (together * fires)
    below = (divided.T @ (together * ~fires)).sum(dim=1).tolist()
    whole = above.sum(dim=1).tolist()
    apart = [(divided.T @ (piece * fires)).sum(dim=1).tolist() for piece in pieces]
    split = list(zip(*apart, strict=True)) if len(apart) > 1 else [(None, None)] * len(whole)
    shares: list[ConceptShare] = []
    maps: dict[str, NDArray[np.float32]] = {}
    order = sorted(range(len(concepts)), key=lambda i: (-abs(whole[i]), concepts[i][::-1]))
    for i in order:
        name, category = concepts[i]
        shares.append(ConceptShare(name, category, whole[i], whole[i], 0.0, below[i], *split[i]))
        if len(maps) < MAPPED:
            maps[f"{category}/{name}"] = above[i].view(source.shape[1:]).float().numpy()
    shares.append(ConceptShare(None, None, 0.0, 0.0, whole[-1], below[-1], *split[-1]))
    return tuple(shares), maps


def division(run: Run, block: str) -> tuple[list[tuple[str, str]], Tensor]:
    """Concepts that units of a block detect, and how each unit's part is divided among them.

    The matrix is (units, concepts + 1), each row sums to 1; the last column is for no concept.
    """
    units = run.units[run.units["block"] == block]
    able = set(units["uid"][run.interpretable[units.index]])
    found = run.detections
    found = found[(found["iou"] > run.min_iou) & found["unit"].isin(able)]
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
