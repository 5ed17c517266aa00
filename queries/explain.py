"""Explaining one image: the network is run on it, and its logit taken apart into concept paths.

The only question that needs the network itself, and so the only place that asks `ingest` for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..graph.errors import ModelError, QueryError
from ..ingest.affine import affine_copy, shifts
from ..ingest.forward import watching
from ..ingest.images import normalise, open_image, to_array
from ..ingest.networks import Network, load_network
from .accounting import Ledger, Search, Tail, account, search
from .explanation import Accounting, ConceptShare, Explanation, ImagePath, Prediction
from .labels import class_index, unit_labels

if TYPE_CHECKING:
    from ..graph.run import Run

Method = Literal["exact", "one-unit"]


@dataclass(frozen=True)
class Subject:
    """A run's network, ready to explain images.

    Attributes:
        run: whose units the network has.
        network: checked to be the one that was dissected.
        module: its affine copy, in which everything is computed.
        tail: the last block and final layer of that copy.
    """

    run: Run
    network: Network
    module: nn.Module
    tail: Tail

    @property
    def blocks(self) -> tuple[str, str]:
        """The last two blocks."""
        return self.network.blocks[-2], self.network.blocks[-1]


def open_subject(
    run: Run,
    *,
    weights: str | None = None,
    trust_pickle: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Subject:
    """Load the network that a run dissected.

    Args:
        run: an open run.
        weights: where the weights lie now, if not where they were.
        trust_pickle: load a checkpoint that runs code.
        dtype: of the accounting.

    Raises:
        ModelError: the weights moved, or are others than those dissected.
        QueryError: the run lacks the last two blocks.
    """
    model = run.manifest["model"]
    path = weights or cast("str | None", model["weights"])
    if path and not weights and Path(path).is_absolute() and not Path(path).is_file():
        remedy = "Say with --weights where they are now"
        raise ModelError("the weights that were dissected are gone", file=path, remedy=remedy)
    seed = cast("int", run.manifest["settings"]["seed"])
    network = load_network(
        cast("str", model["name"]), path, None, trust_pickle=trust_pickle, seed=seed
    )
    if network.digest != model["digest"]:
        raise ModelError(
            "not the weights that were dissected",
            file=path or network.name,
            found=f"digest {network.digest[:12]}…",
            expected=f"{str(model['digest'])[:12]}…, as run {run.name} states",
            remedy="Give the right file with --weights, or ingest again",
        )
    last = network.blocks[-2:]
    if len(last) < 2 or any(block not in run.blocks for block in last):
        raise QueryError(
            f"run {run.name} lacks the network's last two blocks",
            found=", ".join(run.blocks),
            expected=", ".join(last),
            remedy="Ingest with these blocks to explain images",
        )
    module = affine_copy(network.module).to(dtype)
    stage = module.get_submodule(last[1].replace("block", "layer"))
    fc = cast("nn.Linear", module.get_submodule("fc"))
    return Subject(run, network, module, Tail(stage, fc, shifts(stage)))


def explain(
    run: Run | Subject,
    image: Path | str,
    class_name: str | None = None,
    *,
    versus: str | None = None,
    top: int = 10,
    method: Method = "exact",
    cover: float = 0.8,
) -> Explanation:
    """Why the network gives this image that class.

    Args:
        run: an open run, or its subject where several images are to be explained.
        image: any image; it is turned upright and squashed to the network's input.
        class_name: the class to explain; None explains the top prediction.
        versus: explain the difference of the class's logit and this one's.
        top: paths to show.
        method: exact accounting, or the paper's one-unit edges times the units' activations.
        cover: share of Σ |W · g| over which single paths are searched (exact only).

    Raises:
        ConceptGraphError: image, class or network are not usable.
    """
    subject = run if isinstance(run, Subject) else open_subject(run)
    logits, source = _look(subject, Path(image))
    names = [str(name) for name in subject.run.classes["name"]]
    chosen = int(logits.argmax()) if class_name is None else class_index(subject.run, class_name)
    other = None if versus is None else class_index(subject.run, versus)
    if other == chosen:
        raise QueryError(f"class {names[chosen]!r} is compared with itself", expected="two classes")
    weights, bias = _direction(subject.tail.fc, chosen, other)
    ledger = account(subject.tail, source, weights, bias)
    difference = logits[chosen] - (0 if other is None else logits[other])
    _check_head(ledger.total, float(difference), subject.network)
    found = (
        _one_unit(subject, ledger) if method == "one-unit" else search(subject.tail, ledger, cover)
    )
    paths = _strongest(subject, ledger, found, top)
    shown = sum(path.contribution for path in paths)
    others = ledger.total - ledger.biases - shown
    probabilities = logits.double().softmax(0)
    return Explanation(
        run=subject.run.name,
        image=str(image),
        class_name=names[chosen],
        versus=None if other is None else names[other],
        method=method,
        logit=float(logits[chosen]),
        probability=float(probabilities[chosen]),
        predicted=tuple(
            Prediction(names[i], float(probabilities[i]))
            for i in probabilities.argsort(descending=True)[:5].tolist()
        ),
        paths=paths,
        accounting=Accounting(shown, others, ledger.biases, shown + others + ledger.biases),
        searched=(len(found.targets), found.alive, found.share),
        by_concept=_by_concept(subject, ledger),
        cam=torch.einsum("u,uhw->hw", weights, ledger.maps).float().numpy(),
    )


def _look(subject: Subject, image: Path) -> tuple[Tensor, Tensor]:
    """Logits, (classes,), and output of the last block but one, for one image file."""
    shape = subject.run.manifest["input"]
    pixels = to_array(open_image(image, upright=True), shape["height"], shape["width"])
    batch = normalise(torch.from_numpy(pixels.copy()).unsqueeze(0), shape["mean"], shape["std"])
    stages = {"source": subject.module.get_submodule(subject.blocks[0].replace("block", "layer"))}
    dtype = subject.tail.fc.weight.dtype
    with watching(subject.module, stages) as outputs, torch.no_grad():
        logits: Tensor = subject.module(batch.to(dtype))
    return logits[0], outputs["source"]


def _direction(fc: nn.Linear, chosen: int, other: int | None) -> tuple[Tensor, Tensor]:
    """Weights (targets,) and bias of a logit, or of the difference of two."""
    weight = fc.weight.detach()
    bias = weight.new_zeros(len(weight)) if fc.bias is None else fc.bias.detach()
    if other is None:
        return weight[chosen], bias[chosen]
    return weight[chosen] - weight[other], bias[chosen] - bias[other]


def _check_head(accounted: float, logit: float, network: Network) -> None:
    """The final layer must stand on the spatial means of the last block, and on nothing else."""
    if abs(accounted - logit) > 1e-3 * max(1.0, abs(logit)):
        raise ModelError(
            f"{network.name} does more between its last block and `fc` than take spatial means",
            found=f"logit {logit:.6g}",
            expected=f"{accounted:.6g}",
            remedy="Only ResNets that end in global average pooling and `fc` can be explained",
        )


def _one_unit(subject: Subject, ledger: Ledger) -> Search:
    """The paper's image-free edges, times the mean activation of the unit they start from."""
    edges = torch.from_numpy(np.array(subject.run.contributions(*subject.blocks)))
    activation = ledger.source.mean(dim=(1, 2))
    steps = edges.T.to(activation) * activation
    return Search(torch.arange(len(steps)), steps, 1.0, len(steps))


def _strongest(subject: Subject, ledger: Ledger, found: Search, top: int) -> tuple[ImagePath, ...]:
    """The paths with the largest contributions, of either sign; ties by unit number."""
    weights = ledger.weights[found.targets].unsqueeze(1)
    contributions = weights * found.steps
    _, order = contributions.abs().flatten().topk(min(top, contributions.numel()))
    first, last = subject.blocks
    picked = sorted(
        (-abs(float(contributions[row, v])), int(v), int(found.targets[row]), int(row))
        for row, v in ((i // contributions.shape[1], i % contributions.shape[1]) for i in order)
    )
    picked = [path for path in picked if path[0] < 0]
    labels = unit_labels(
        subject.run, {uid for _, v, u, _ in picked for uid in (f"{first}/{v}", f"{last}/{u}")}
    )
    return tuple(
        ImagePath(
            rank,
            float(contributions[row, v]),
            (labels[f"{first}/{v}"], labels[f"{last}/{u}"]),
            (float(found.steps[row, v]), float(weights[row, 0] * ledger.means[u])),
        )
        for rank, (_, v, u, row) in enumerate(picked, start=1)
    )


def _by_concept(subject: Subject, ledger: Ledger) -> tuple[ConceptShare, ...]:
    """All paths, by the concept of the unit they start from, split at that unit's threshold."""
    block = subject.blocks[0]
    units = subject.run.units[subject.run.units["block"] == block].sort_values("index")
    thresholds = torch.tensor(units["threshold"].to_numpy())
    fires = ledger.source > thresholds.view(-1, 1, 1)
    split = torch.stack([ledger.by_position * fires, ledger.by_position * ~fires])
    above, below = split.double().sum(dim=(2, 3)).tolist()
    labels = unit_labels(subject.run, units["uid"])
    sums: dict[tuple[str, str], list[float]] = {}
    unlabelled = [0.0, 0.0]
    for unit, uid in enumerate(units["uid"]):
        concept = labels[uid].concept
        entry = unlabelled
        if concept is not None:
            entry = sums.setdefault((concept.name, concept.category), [0.0, 0.0])
        entry[0] += above[unit]
        entry[1] += below[unit]
    shares = [
        ConceptShare(name, category, present, present, 0.0, rest)
        for (name, category), (present, rest) in sums.items()
    ]
    shares.sort(key=lambda s: (-abs(s.contribution), s.category or "", s.name or ""))
    return (*shares, ConceptShare(None, None, 0.0, 0.0, *unlabelled))
