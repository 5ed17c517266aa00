"""What if a concept were not there: its units silenced at an image, and what the network says then.

What is silent is `silence`'s to say. The network is really run so; nothing is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import QueryError
from ..queries.names import find_concept
from .ablation_masks import (
    ablated_units,
    ablating,
    ablation_of_concept,
    ablation_of_units,
    check_blocks,
    together,
)
from .explain import explain
from .explanation import Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..graph.run.reader import Run
    from .ablation_masks import AblationMasks
    from .explanation import ConceptAttribution, Explanation
    from .network import RunNetwork

_BATCH = 32
CANDIDATES = 32
MOST = 5


class ConceptRow(NamedTuple):
    """A concept of a run."""

    uid: str
    name: str


@dataclass(frozen=True)
class Ablation:
    """What the network says of an image when some units are silent.

    Attributes:
        concepts: that were taken away, as "category/name".
        units: uids of all units that were silenced somewhere.
        everywhere: whether that was on their whole maps, or only where the concepts are present.
        found: whether anything was silenced: else the concepts are not present in the image.
        before: the most probable classes of the network as it is, and of that without the units.
        after: the same classes, without these units.
        took_over: concepts that carry the class predicted after, in the network without them.
        least: whether these are the fewest concepts found that change the decision.
    """

    concepts: tuple[str, ...]
    units: tuple[str, ...]
    everywhere: bool
    found: bool
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    took_over: tuple[ConceptAttribution, ...]
    least: bool = False

    @property
    def flips(self) -> bool:
        """Whether the decision is another one."""
        return self.before[0].name != self.after[0].name

    def to_json(self) -> dict[str, object]:
        """One JSON object."""
        return {
            "concepts": list(self.concepts),
            "units": list(self.units),
            "everywhere": self.everywhere,
            "found": self.found,
            "least": self.least,
            "flips": self.flips,
            "before": [{"class": p.name, "probability": p.probability} for p in self.before],
            "after": [{"class": p.name, "probability": p.probability} for p in self.after],
            "took_over": [share._asdict() for share in self.took_over],
        }


def what_if(
    subject: RunNetwork,
    image: Path | str,
    *,
    concepts: Sequence[str] = (),
    units: Sequence[str] = (),
    at: Sequence[str] | None = None,
    everywhere: bool = False,
    blocks: Sequence[str] | None = None,
) -> Ablation:
    """AblationMask the units that detect some concepts, and single units.

    Args:
        subject: the network.
        image: an image file.
        concepts: names, or "category/name" where several share a name.
        units: "block3/17"; they are silent on their whole maps.
        at: blocks at which the concepts' units are silenced; None means all that were dissected.
        everywhere: silence the concepts' units on their whole maps, not only where the concepts
            are present.
        blocks: that `took_over` looks through, as in `explain`.

    Raises:
        QueryError: no such concept, unit or block, or no unit detects the concept.
    """
    run = subject.run
    uids = [_concept(run, name) for name in concepts]
    silent = together(
        [
            *(ablation_of_concept(run, uid, at, everywhere=everywhere) for uid in uids),
            ablation_of_units(run, units),
        ]
    )
    if not silent:
        raise QueryError("nothing to silence", expected="a concept or a unit")
    logits = _logits(subject, subject.read(image), [{}, silent]).double()
    shown = sorted({i for row in logits for i in row.topk(min(5, len(row))).indices.tolist()})
    names = [str(run.classes["name"].iloc[i]) for i in shown]
    before, after = (
        tuple(sorted(map(Prediction, names, row), key=lambda each: -each.probability))
        for row in logits.softmax(dim=1)[:, shown].tolist()
    )
    with subject.changing(ablating([silent])):
        then = explain(subject, image, blocks=blocks, top=1, beam=1).by_concept[:-1]
    return Ablation(
        tuple(uids),
        ablated_units(silent),
        everywhere,
        bool((logits[0] != logits[1]).any()),
        before,
        after,
        tuple(share for share in then if share.contribution > 0)[:5],
    )


def minimal_ablation_set(
    subject: RunNetwork,
    found: Explanation,
    *,
    at: Sequence[str] | None = None,
    everywhere: bool = False,
) -> Ablation | None:
    """The fewest concepts found whose silence changes the decision; None if none were found.

    Greedy: the concept that costs the prediction most of its lead goes first, then the next beside
    it, five at most; then whatever was not needed is given back. Every set is really tried.

    Args:
        subject: the network.
        found: an explanation of the image; the concepts that its blocks find for the prediction are
            tried, those that carry most first.
        at: blocks at which the concepts' units are silenced.
        everywhere: as in `what_if`.
    """
    batch = subject.read(found.image)
    first = int(_logits(subject, batch, [{}])[0].argmax())
    said = explain(subject, found.image, blocks=found.blocks, top=1, beam=1)
    named = sorted(said.by_concept[:-1], key=lambda share: -share.contribution)
    check_blocks(subject.run, at)
    concepts: dict[str, AblationMasks] = {}
    for share in named[:CANDIDATES]:
        uid = f"{share.category}/{share.name}"
        try:
            concepts[uid] = ablation_of_concept(subject.run, uid, at, everywhere=everywhere)
        except QueryError:  # not at these blocks
            continue
    chosen: list[str] = []
    while len(chosen) < min(MOST, len(concepts)):
        tried = [uid for uid in concepts if uid not in chosen]
        sets = [together(concepts[each] for each in [*chosen, uid]) for uid in tried]
        leads = _leads(_logits(subject, batch, sets), first)
        best = int(leads.argmin())
        chosen.append(tried[best])
        if leads[best] < 0:
            needed = _needed(subject, batch, concepts, chosen, first)
            least = what_if(
                subject, found.image, concepts=needed, at=at, everywhere=everywhere,
                blocks=found.blocks,
            )  # fmt: skip
            return replace(least, least=True)
    return None


def _needed(
    subject: RunNetwork,
    batch: Tensor,
    concepts: Mapping[str, AblationMasks],
    chosen: list[str],
    first: int,
) -> list[str]:
    """Give back, the first chosen first, what the decision changes without."""
    for uid in chosen[:-1]:
        fewer = [each for each in chosen if each != uid]
        silent = together(concepts[each] for each in fewer)
        if float(_leads(_logits(subject, batch, [silent]), first)[0]) < 0:
            chosen = fewer
    return chosen


def _concept(run: Run, name: str) -> str:
    rows = zip(run.concepts["uid"], run.concepts["name"], strict=True)
    return find_concept([ConceptRow(str(uid), str(each)) for uid, each in rows], name).uid


def _logits(subject: RunNetwork, batch: Tensor, sets: Sequence[AblationMasks]) -> Tensor:
    """The network's answers with each set of units silent in turn, (sets, classes)."""
    found = []
    for start in range(0, len(sets), _BATCH):
        some = sets[start : start + _BATCH]
        with torch.no_grad(), subject.changing(ablating(some)):
            found.append(subject.module(batch.expand(len(some), -1, -1, -1)))
    return torch.cat(found)


def _leads(logits: Tensor, first: int) -> Tensor:
    """How far the class `first` is ahead of the best other one, (sets,)."""
    others = logits.clone()
    others[:, first] = -torch.inf
    return logits[:, first] - others.amax(dim=1)
