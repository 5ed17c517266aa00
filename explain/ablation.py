"""Ablation: which class the network predicts for an image when concepts or units are ablated.

`ablation_masks` states what is set to 0. The network is run with it; nothing is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import QueryError
from ..graph.uids import concept_uid
from ..queries.labels import class_index
from ..queries.names import find_concept
from ..queries.rows import Rows
from .ablation_masks import (
    ablated_units,
    ablation_hooks,
    ablation_of_concept,
    ablation_of_units,
    check_blocks,
    detectors,
    merge_masks,
)
from .explain import concept_evidence
from .explanation import Prediction
from .network import RunNetwork, network_of, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..graph.run.reader import Run
    from .ablation_masks import AblationMasks
    from .explanation import ConceptAttribution, Explanation

_BATCH = 32
MAX_CANDIDATES = 32
"""How many concepts `minimal_ablation_set` tries."""
MAX_CONCEPTS = 5
"""How many concepts it ablates at once."""


class _NamedConcept(NamedTuple):
    uid: str
    name: str


class ClassChange(NamedTuple):
    """A class, and its probability before and after an ablation."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Ablation:
    """What the network predicts for an image before and after an ablation.

    Attributes:
        concepts: the concepts that were ablated, as "category/name".
        units: uids of all units with a mask.
        by_probe: those of the concepts that no unit detects; the units that carry their presence
            probes were ablated.
        everywhere: whether they were ablated on their whole maps, or only where the concepts are
            present.
        changed: whether any logit changed; if not, the concepts are not present in the image.
        before: the most probable classes before or after the ablation, and those asked for, with
            their probabilities before.
        after: the same classes with their probabilities after.
        took_over: concepts with evidence for the class predicted after, in the ablated network.
        is_minimal: whether it is from `minimal_ablation_set`.
        overtakes: if that was of two classes that are compared: the one that then has the larger
            logit, and the other one.
    """

    concepts: tuple[str, ...]
    units: tuple[str, ...]
    by_probe: tuple[str, ...]
    everywhere: bool
    changed: bool
    before: Rows[Prediction]
    after: Rows[Prediction]
    took_over: Rows[ConceptAttribution]
    is_minimal: bool = False
    overtakes: tuple[str, str] | None = None

    @property
    def flips(self) -> bool:
        """Whether another class is predicted."""
        return self.before[0].name != self.after[0].name

    @property
    def changes(self) -> Rows[ClassChange]:
        """The classes with their probabilities, the most probable one before first."""
        after = dict(self.after)
        return Rows(ClassChange(row.name, row.probability, after[row.name]) for row in self.before)

    def __repr__(self) -> str:
        ablated = ", ".join(self.concepts or self.units)
        outcome = "the decision changes" if self.flips else "the decision stays"
        if not self.changed:
            outcome = "not present in the image, so nothing changes"
        return f"{ablated} ablated: {outcome}\n{self.changes!r}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        title = repr(self).partition("\n")[0]
        return f"<p>{escape(title)}</p>{self.changes._repr_html_()}"

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {
            "concepts": list(self.concepts),
            "units": list(self.units),
            "by_probe": list(self.by_probe),
            "everywhere": self.everywhere,
            "found": self.changed,
            "least": self.is_minimal,
            "flips": self.flips,
            "overtakes": self.overtakes and list(self.overtakes),
            "before": [{"class": p.name, "probability": p.probability} for p in self.before],
            "after": [{"class": p.name, "probability": p.probability} for p in self.after],
            "took_over": [concept._asdict() for concept in self.took_over],
        }


def ablate(
    run: Run | RunNetwork,
    image: Path | str,
    *,
    concepts: Sequence[str] = (),
    units: Sequence[str] = (),
    at: Sequence[str] | None = None,
    everywhere: bool = False,
    blocks: Sequence[str] | None = None,
    classes: Sequence[str] = (),
) -> Ablation:
    """Ablate concepts and units at an image, and run the network.

    Args:
        run: an open run, or its network from `open_network`.
        image: an image file.
        concepts: names, or "category/name" where several share a name. The units that detect them
            are ablated; if there are none, those that carry their presence probes.
        units: uids, "block3/17"; they are ablated on their whole maps.
        at: blocks at which the concepts' units are ablated; None means all that were dissected.
        everywhere: ablate the concepts' units on their whole maps, not only where the concepts are
            present.
        blocks: the blocks of `Ablation.took_over`, as in `explain`.
        classes: those to list even if they are not among the most probable ones.

    Raises:
        QueryError: no such concept, unit or block, or neither units nor probes find a concept.
        DataError: the image cannot be read.
        ModelError: the network cannot be loaded.
    """
    masks = requested_masks(run_of(run), concepts, units, at=at, everywhere=everywhere)
    network = network_of(run)
    uids = [concept_named(network.run, name) for name in concepts]
    logits = _logits(network, network.load_image(image), [{}, masks]).double()
    before, after = _predictions(network, logits, classes)
    with network.intervene(ablation_hooks([masks])):
        by_concept = concept_evidence(network, image, blocks)[:-1]
    return Ablation(
        tuple(uids),
        ablated_units(masks),
        tuple(uid for uid in uids if not detectors(network.run, uid, at)),
        everywhere,
        bool((logits[0] != logits[1]).any()),
        before,
        after,
        Rows(concept for concept in by_concept if concept.contribution > 0)[:5],
    )


def minimal_ablation_set(
    run: Run | RunNetwork,
    explanation: Explanation,
    *,
    at: Sequence[str] | None = None,
    everywhere: bool = False,
) -> Ablation | None:
    """Search the fewest concepts whose ablation changes the predicted class.

    Of an explanation that compares two classes: whose ablation changes which of them has the larger
    logit, whatever the network predicts then.

    Greedy: ablate the concept that costs the class ahead most of its margin, then the next one
    beside it, up to `MAX_CONCEPTS`; then leave out those that prove unnecessary. The network is run
    with each set. That no smaller set exists is not shown.

    Args:
        run: an open run, or its network from `open_network`.
        explanation: of the image; the concepts that its blocks detect are tried, those with most
            evidence for the class ahead first.
        at: blocks at which the concepts' units are ablated; None means all that were dissected.
        everywhere: as in `ablate`.

    Returns:
        The ablation of these concepts; None if no set that was tried does so.

    Raises:
        QueryError: no such block.
    """
    network = network_of(run)
    batch = network.load_image(explanation.image)
    margin = _margin_of(network, explanation, _logits(network, batch, [{}])[0])
    candidates = _candidates(network, explanation, at, everywhere=everywhere)
    chosen: list[str] = []
    while len(chosen) < min(MAX_CONCEPTS, len(candidates)):
        rest = [uid for uid in candidates if uid not in chosen]
        sets = [merge_masks(candidates[c] for c in [*chosen, uid]) for uid in rest]
        margins = margin(_logits(network, batch, sets))
        best = int(margins.argmin())
        chosen.append(rest[best])
        if margins[best] < 0:
            needed = _drop_unnecessary(network, batch, candidates, chosen, margin)
            ablation = ablate(
                network,
                explanation.image,
                concepts=needed,
                at=at,
                everywhere=everywhere,
                blocks=explanation.blocks,
                classes=compared_classes(explanation),
            )
            return replace(ablation, is_minimal=True, overtakes=_overtakes(explanation))
    return None


def _candidates(
    network: RunNetwork, explanation: Explanation, at: Sequence[str] | None, *, everywhere: bool
) -> dict[str, AblationMasks]:
    """Return masks by concept uid, those with most evidence for the class ahead first."""
    check_blocks(network.run, at)
    if explanation.versus is None:
        evidence = concept_evidence(network, explanation.image, explanation.blocks)
        sign = 1
    else:
        evidence = tuple(explanation.by_concept)
        sign = 1 if explanation.is_ahead else -1
    by_concept = sorted(evidence[:-1], key=lambda c: -sign * c.contribution)
    candidates: dict[str, AblationMasks] = {}
    for concept in by_concept[:MAX_CANDIDATES]:
        uid = concept_uid(concept.category or "", concept.name or "")
        try:
            candidates[uid] = ablation_of_concept(network.run, uid, at, everywhere=everywhere)
        except QueryError:  # neither units nor probes of these blocks find it
            continue
    return candidates


def _drop_unnecessary(
    network: RunNetwork,
    batch: Tensor,
    candidates: Mapping[str, AblationMasks],
    chosen: list[str],
    margin: Callable[[Tensor], Tensor],
) -> list[str]:
    """Drop concepts, the first chosen first, while the margin is below 0 without them."""
    for uid in chosen[:-1]:
        fewer = [concept for concept in chosen if concept != uid]
        masks = merge_masks(candidates[concept] for concept in fewer)
        if float(margin(_logits(network, batch, [masks]))[0]) < 0:
            chosen = fewer
    return chosen


def requested_masks(
    run: Run,
    concepts: Sequence[str],
    units: Sequence[str],
    *,
    at: Sequence[str] | None = None,
    everywhere: bool = False,
) -> AblationMasks:
    """Return the masks of `ablate`, before any network is loaded.

    Raises:
        QueryError: no such concept, unit or block, or no unit detects a concept.
    """
    uids = [concept_named(run, name) for name in concepts]
    by_concept = [ablation_of_concept(run, uid, at, everywhere=everywhere) for uid in uids]
    masks = merge_masks([*by_concept, ablation_of_units(run, units)])
    if not masks:
        raise QueryError("nothing to ablate", expected="a concept or a unit")
    return masks


def concept_named(run: Run, name: str) -> str:
    """Return the concept of a name, or of "category/name", as the latter.

    Raises:
        QueryError: there is none, or several have this name.
    """
    rows = zip(run.concepts["uid"], run.concepts["name"], strict=True)
    return find_concept([_NamedConcept(str(uid), str(name)) for uid, name in rows], name).uid


def _predictions(
    network: RunNetwork, logits: Tensor, classes: Sequence[str]
) -> tuple[Rows[Prediction], Rows[Prediction]]:
    """Return the classes that are among the top 5 of either row of logits, and some others.

    Args:
        network: of the run.
        logits: (2, classes).
        classes: the others.
    """
    numbers = {i for row in logits for i in row.topk(min(5, len(row))).indices.tolist()}
    top = sorted(numbers.union(class_index(network.run, name) for name in classes))
    names = [network.class_names[i] for i in top]
    before, after = (
        Rows(sorted(map(Prediction, names, row), key=lambda p: -p.probability))
        for row in network.probabilities(logits)[:, top].tolist()
    )
    return before, after


def _logits(network: RunNetwork, batch: Tensor, ablations: Sequence[AblationMasks]) -> Tensor:
    """Return the logits of one image under each ablation in turn, (ablations, classes)."""
    logits = []
    for start in range(0, len(ablations), _BATCH):
        masks = ablations[start : start + _BATCH]
        with torch.no_grad(), network.intervene(ablation_hooks(masks)):
            logits.append(network.module(batch.expand(len(masks), *batch.shape[1:])))
    return torch.cat(logits)


def _margin_of(
    network: RunNetwork, explanation: Explanation, logits: Tensor
) -> Callable[[Tensor], Tensor]:
    """Return what computes, of logits (ablations, classes), the margin that is to fall below 0.

    It is that of the predicted class over the largest other one; if two classes are compared, that
    of the one ahead over the other.
    """
    if explanation.versus is None:
        return partial(_over_the_largest_other, int(logits.argmax()))
    behind, ahead = (class_index(network.run, name) for name in _overtakes(explanation) or ())
    return lambda rows: rows[:, ahead] - rows[:, behind]


def _over_the_largest_other(predicted: int, logits: Tensor) -> Tensor:
    """Return the logit of a class less the largest other one, (ablations,)."""
    rivals = logits.clone()
    rivals[:, predicted] = -torch.inf
    return logits[:, predicted] - rivals.amax(dim=1)


def _overtakes(explanation: Explanation) -> tuple[str, str] | None:
    """Return of two classes that are compared the one that is behind, and the one ahead."""
    if explanation.versus is None:
        return None
    pair = explanation.versus, explanation.class_name
    return pair if explanation.is_ahead else pair[::-1]


def compared_classes(explanation: Explanation) -> tuple[str, ...]:
    """Return the class explained, and the one that it is compared with, if any."""
    names = explanation.class_name, explanation.versus
    return tuple(name for name in names if name is not None)
