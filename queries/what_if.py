"""What if a unit saw nothing: units silenced at an image, and what the network says then.

A silent unit's map is zero for everything after its block. The network is really run so; nothing is
predicted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..graph.errors import QueryError, nearest
from .explain import explain
from .explanation import Prediction
from .names import find_concept

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..graph.run import Run
    from .explanation import ConceptShare, Explanation
    from .subject import Subject

_BATCH = 32
CANDIDATES = 32
MOST = 5

Units = dict[str, list[int]]
"""Unit numbers by block."""


class ConceptRow(NamedTuple):
    """A concept of a run."""

    uid: str
    name: str


@dataclass(frozen=True)
class WhatIf:
    """What the network says of an image when some units are silent.

    Attributes:
        concepts: whose units were silenced, as "category/name".
        units: uids of all units that were silenced.
        before: the most probable classes of the network as it is, and of that without the units.
        after: the same classes, without these units.
        took_over: concepts that carry the class predicted after, in the network without them.
    """

    concepts: tuple[str, ...]
    units: tuple[str, ...]
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    took_over: tuple[ConceptShare, ...]

    @property
    def flips(self) -> bool:
        """Whether the decision is another one."""
        return self.before[0].name != self.after[0].name

    def to_json(self) -> dict[str, object]:
        """One JSON object."""
        return {
            "concepts": list(self.concepts),
            "units": list(self.units),
            "flips": self.flips,
            "before": [{"class": p.name, "probability": p.probability} for p in self.before],
            "after": [{"class": p.name, "probability": p.probability} for p in self.after],
            "took_over": [share._asdict() for share in self.took_over],
        }


def what_if(
    subject: Subject,
    image: Path | str,
    *,
    concepts: Sequence[str] = (),
    units: Sequence[str] = (),
    at: Sequence[str] | None = None,
) -> WhatIf:
    """Silence the units that are labelled with some concepts, and single units.

    Args:
        subject: the network.
        image: an image file.
        concepts: names, or "category/name" where several share a name.
        units: "block3/17".
        at: blocks at which the concepts' units are silenced; None means all that were dissected.

    Raises:
        QueryError: no such concept, unit or block, or no unit is labelled with the concept.
    """
    uids = [_concept(subject.run, name) for name in concepts]
    silent = _together([*(detectors(subject.run, uid, at) for uid in uids), _units(subject, units)])
    if not silent:
        raise QueryError("nothing to silence", expected="a concept or a unit")
    logits = _logits(subject, subject.read(image), [{}, silent]).double()
    shown = sorted({i for row in logits for i in row.topk(min(5, len(row))).indices.tolist()})
    names = [str(subject.run.classes["name"].iloc[i]) for i in shown]
    before, after = (
        tuple(sorted(map(Prediction, names, row), key=lambda each: -each.probability))
        for row in logits.softmax(dim=1)[:, shown].tolist()
    )
    with subject.silencing(_keep(subject, [silent])):
        then = explain(subject, image, top=1, beam=1).by_concept[:-1]
    return WhatIf(
        tuple(uids),
        tuple(f"{block}/{unit}" for block, found in sorted(silent.items()) for unit in found),
        before,
        after,
        tuple(share for share in then if share.contribution > 0)[:5],
    )


def least_removal(
    subject: Subject, found: Explanation, *, at: Sequence[str] | None = None
) -> WhatIf | None:
    """The fewest concepts found whose silence changes the decision; None if none were found.

    Greedy: the concept that costs the prediction most of its lead goes first, then the next beside
    it, five at most; then whatever was not needed is given back. Every set is really tried.

    Args:
        subject: the network.
        found: an explanation of the image; its concepts are tried, those that carry most first.
        at: blocks at which the concepts' units are silenced.
    """
    batch = subject.read(found.image)
    named = sorted(found.by_concept[:-1], key=lambda share: -share.contribution)
    concepts = {}
    for share in named[:CANDIDATES]:
        uid = f"{share.category}/{share.name}"
        try:
            concepts[uid] = detectors(subject.run, uid, at)
        except QueryError:  # it is only ever a unit's second concept
            continue
    chosen: list[str] = []
    first = int(_logits(subject, batch, [{}])[0].argmax())
    while len(chosen) < min(MOST, len(concepts)):
        tried = [uid for uid in concepts if uid not in chosen]
        sets = [_together(concepts[each] for each in [*chosen, uid]) for uid in tried]
        leads = _leads(_logits(subject, batch, sets), first)
        best = int(leads.argmin())
        chosen.append(tried[best])
        if leads[best] < 0:
            return what_if(
                subject,
                found.image,
                concepts=_needed(subject, batch, concepts, chosen, first),
                at=at,
            )
    return None


def _needed(
    subject: Subject, batch: Tensor, concepts: Mapping[str, Units], chosen: list[str], first: int
) -> list[str]:
    """Give back, the first chosen first, what the decision changes without."""
    for uid in chosen[:-1]:
        fewer = [each for each in chosen if each != uid]
        silent = _together(concepts[each] for each in fewer)
        if float(_leads(_logits(subject, batch, [silent]), first)[0]) < 0:
            chosen = fewer
    return chosen


def detectors(run: Run, uid: str, at: Sequence[str] | None = None) -> Units:
    """The units labelled with a concept, by block.

    Raises:
        QueryError: there are none, or no such block.
    """
    blocks = run.blocks if at is None else tuple(at)
    if unknown := [block for block in blocks if block not in run.blocks]:
        raise QueryError("no such block", found=unknown[0], expected=", ".join(run.blocks))
    category, _, name = uid.partition("/")
    mine = run.units[run.interpretable & run.units["block"].isin(blocks)]
    labelled = mine[(mine["label"] == name) & (mine["category"] == category)]
    if labelled.empty:
        known = sorted({f"{c}/{n}" for c, n in zip(mine["category"], mine["label"], strict=True)})
        raise QueryError(
            f"no unit of {', '.join(blocks)} is labelled {uid!r}", remedy=nearest(uid, known)
        )
    silent: Units = defaultdict(list)
    for block, unit in zip(labelled["block"], labelled["index"], strict=True):
        silent[str(block)].append(int(unit))
    return dict(silent)


def _concept(run: Run, name: str) -> str:
    rows = zip(run.concepts["uid"], run.concepts["name"], strict=True)
    return find_concept([ConceptRow(str(uid), str(each)) for uid, each in rows], name).uid


def _units(subject: Subject, uids: Iterable[str]) -> Units:
    silent: Units = defaultdict(list)
    for uid in uids:
        row = subject.run.unit(uid)
        silent[str(row["block"])].append(int(row["index"]))
    return silent


def _together(parts: Iterable[Units]) -> Units:
    silent: dict[str, set[int]] = defaultdict(set)
    for part in parts:
        for block, units in part.items():
            silent[block].update(units)
    return {block: sorted(units) for block, units in silent.items()}


def _keep(subject: Subject, sets: Sequence[Units]) -> dict[str, Tensor]:
    """For each block that any of the sets names, (sets, units): 0 for units that are silent."""
    keep = {}
    for block in {block for silent in sets for block in silent}:
        keep[block] = torch.ones(len(sets), subject.run.width(block))
        for row, silent in enumerate(sets):
            keep[block][row, silent.get(block, [])] = 0
    return keep


def _logits(subject: Subject, batch: Tensor, sets: Sequence[Units]) -> Tensor:
    """The network's answers with each set of units silent in turn, (sets, classes)."""
    found = []
    for start in range(0, len(sets), _BATCH):
        some = sets[start : start + _BATCH]
        with torch.no_grad(), subject.silencing(_keep(subject, some)):
            found.append(subject.module(batch.expand(len(some), -1, -1, -1)))
    return torch.cat(found)


def _leads(logits: Tensor, first: int) -> Tensor:
    """How far the class `first` is ahead of the best other one, (sets,)."""
    others = logits.clone()
    others[:, first] = -torch.inf
    return logits[:, first] - others.amax(dim=1)
