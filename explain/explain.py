"""Explaining one image: the network is run on it, and its logit taken apart into concept paths."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..errors import QueryError
from ..ingest.engine.tensors import grid_mean
from ..queries.labels import class_index, unit_labels
from .concept_attribution import attribute_to_concepts, concept_attributor
from .decomposition import (
    Decomposition,
    Search,
    Tail,
    account,
    measure,
    search,
    search_edges,
    strongest,
)
from .explanation import Accounting, ConceptAttribution, Explanation, ImagePath, Prediction
from .network import RunNetwork, open_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..graph.run.reader import Run
    from ..ingest.network.architecture import Head

Method = Literal["exact", "one-unit"]
_Pair: TypeAlias = "tuple[int, int | None]"  # the class explained, and the one it is compared with


def explain(
    run: Run | RunNetwork,
    image: Path | str,
    class_name: str | None = None,
    *,
    versus: str | None = None,
    blocks: Sequence[str] | None = None,
    top: int = 10,
    method: Method = "exact",
    beam: int = 64,
) -> Explanation:
    """Why the network gives this image that class.

    Args:
        run: an open run, or its subject where several images are to be explained.
        image: any image; it is turned upright and squashed to the network's input.
        class_name: the class to explain; None explains the top prediction.
        versus: explain the difference of the class's logit and this one's.
        blocks: neighbouring blocks up to the network's last; None means its last two.
        top: paths to show.
        method: exact accounting, or the paper's one-unit edges times the units' activations.
        beam: endings of paths to follow at each block, from the class backwards.

    Raises:
        ConceptGraphError: image, class or network are not usable.
    """
    if top < 1 or beam < 1:
        raise QueryError("number of paths", found=min(top, beam), expected="at least 1")
    subject = run if isinstance(run, RunNetwork) else open_network(run)
    chosen = tuple(blocks or subject.last_blocks())
    tail = subject.tail(chosen)
    batched, source = subject.look(subject.read(image), chosen[0])
    logits = batched[0]
    pair = _pair(subject.run, logits, class_name, versus)
    ledger = account(tail, source, *_direction(subject.head, pair))
    other = 0.0 if pair[1] is None else float(logits[pair[1]])
    subject.check_head(ledger.total, float(logits[pair[0]]) - other)
    if method == "one-unit":
        found = _one_unit(subject.run, chosen, ledger, beam)
    else:
        found = search(tail, ledger, beam)
    paths = _named_paths(subject.run, chosen, found, top, partial(measure, tail, ledger))
    shown = sum(path.contribution for path in paths)
    others = ledger.total - ledger.biases - shown
    by_concept, concept_maps = _by_concept(subject, chosen[0], tail, ledger, pair)
    names = [str(name) for name in subject.run.classes["name"]]
    return Explanation(
        run=subject.run.name,
        image=str(image),
        class_name=names[pair[0]],
        versus=None if pair[1] is None else names[pair[1]],
        method=method,
        logit=float(logits[pair[0]]),
        probability=float(logits.double().softmax(0)[pair[0]]),
        predicted=predictions(names, logits),
        paths=paths,
        accounting=Accounting(shown, others, ledger.biases, shown + others + ledger.biases),
        blocks=chosen,
        coverage=_coverage(paths, found),
        searched=found.levels,
        by_concept=by_concept,
        cam=torch.einsum("u,uhw->hw", ledger.weights, ledger.maps[-1]).float().numpy(),
        unit_maps={
            unit.uid: ledger.maps[chosen.index(unit.block)][unit.index].float().numpy()
            for path in paths
            for unit in path.units
        },
        concept_maps=concept_maps,
    )


def predictions(names: Sequence[str], logits: Tensor) -> tuple[Prediction, ...]:
    """The five most probable classes, of logits (classes,)."""
    probabilities = logits.double().softmax(0)
    order = probabilities.argsort(descending=True, stable=True)[:5].tolist()
    return tuple(Prediction(names[i], float(probabilities[i])) for i in order)


def _coverage(paths: Sequence[ImagePath], found: Search) -> float:
    every = float(found.contributions.double().abs().sum())
    return sum(abs(path.contribution) for path in paths) / every if every else 0.0


def _pair(run: Run, logits: Tensor, class_name: str | None, versus: str | None) -> _Pair:
    chosen = int(logits.argmax()) if class_name is None else class_index(run, class_name)
    other = None if versus is None else class_index(run, versus)
    if other == chosen:
        name = run.classes["name"].iloc[chosen]
        raise QueryError(f"class {name!r} is compared with itself", expected="two classes")
    return chosen, other


def _direction(head: Head, pair: _Pair) -> tuple[Tensor, Tensor]:
    """Weights (targets,) and bias of a logit, or of the difference of two."""
    chosen, other = pair
    weight, bias = head.weight, head.bias
    if other is None:
        return weight[chosen], bias[chosen]
    return weight[chosen] - weight[other], bias[chosen] - bias[other]


def _by_concept(
    subject: RunNetwork, block: str, tail: Tail, ledger: Decomposition, pair: _Pair
) -> tuple[tuple[ConceptAttribution, ...], dict[str, NDArray[np.float32]]]:
    """All paths by concept; of a difference, what raises one logit and lowers the other, apart."""
    parts = [ledger.by_position]
    if pair[1] is not None:
        source = ledger.maps[0].unsqueeze(0)
        alone = account(tail, source, *_direction(subject.head, (pair[0], None))).by_position
        parts = [alone, ledger.by_position - alone]
    return attribute_to_concepts(concept_attributor(subject.run, block), ledger.maps[0], parts)


def _one_unit(run: Run, blocks: Sequence[str], ledger: Decomposition, beam: int) -> Search:
    """The paper's image-free edges, times the mean activation of the unit they start from."""
    edges = [torch.from_numpy(np.array(run.contributions(*hop))) for hop in pairwise(blocks)]
    activation = grid_mean(ledger.maps[0].unsqueeze(0))[0]
    return search_edges([edge.to(activation) for edge in edges], ledger.weights, activation, beam)


def _named_paths(
    run: Run,
    blocks: Sequence[str],
    found: Search,
    top: int,
    measured: Callable[[Tensor], Tensor],
) -> tuple[ImagePath, ...]:
    """The paths with the largest contributions, of either sign, with names and measured effects."""
    picked = strongest(found.contributions, top)
    row, first = picked.unbind(1)
    units = torch.cat([first.unsqueeze(1), found.endings[row]], dim=1)
    contribution = found.contributions[row, first]
    steps = torch.cat([contribution.unsqueeze(1), found.carried[row]], dim=1).tolist()
    effects = measured(units).tolist() if len(units) else []
    uids = [[f"{b}/{i}" for b, i in zip(blocks, path, strict=True)] for path in units.tolist()]
    labels = unit_labels(run, {uid for path in uids for uid in path})
    return tuple(
        ImagePath(rank, step[0], effect, tuple(labels[uid] for uid in path), tuple(step))
        for rank, (step, effect, path) in enumerate(zip(steps, effects, uids, strict=True), start=1)
    )
