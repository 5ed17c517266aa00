"""The methods that `planted` compares: each scores every concept of one picture and class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from conceptgraph.demo.world.names import CLASSES
from conceptgraph.demo.world.pictures import Spec, pixels
from conceptgraph.explain.ablation_masks import AblationMasks, ablating
from conceptgraph.explain.concept_attribution import ConceptAttributor, concept_attributor
from conceptgraph.explain.decomposition import account
from conceptgraph.ingest.concept_data.images import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conceptgraph.explain.network import RunNetwork

BLOCKS = ("block3", "block4")
STEPS = 8  # of integrated gradients


@dataclass(frozen=True)
class Explained:
    """One picture: by method, scores by concept; and all that argues for the class."""

    scores: dict[str, dict[str, float]]
    share: float


class Lens:
    """A dissected network, asked about pictures."""

    def __init__(self, subject: RunNetwork) -> None:
        self.subject = subject
        self.gather: ConceptAttributor = concept_attributor(subject.run, BLOCKS[0])
        self.last: ConceptAttributor = concept_attributor(subject.run, BLOCKS[1])
        self.tail = subject.tail(BLOCKS)
        self.weight, self.bias = subject.head.weight, subject.head.bias
        edges = torch.from_numpy(np.array(subject.run.contributions(*BLOCKS)))
        self.one_unit = edges.double() @ self.weight.T.double()  # (units, classes)

    def batch(self, specs: Sequence[Spec]) -> Tensor:
        """Network input of some pictures."""
        shape = self.subject.run.manifest["input"]
        drawn = torch.from_numpy(np.stack([pixels(spec) for spec in specs]))
        return normalise(drawn, shape["mean"], shape["std"])

    def answers(self, specs: Sequence[Spec], silent: AblationMasks | None = None) -> list[str]:
        """What the network says, also with units silent."""
        found: list[str] = []
        for start in range(0, len(specs), 64):
            with torch.no_grad(), self.subject.changing(ablating([silent or {}])):
                logits = self.subject.module(self.batch(specs[start : start + 64]))
            found += [CLASSES[i] for i in logits.argmax(dim=1).tolist()]
        return found

    def explain(self, spec: Spec, class_: str) -> Explained:
        """Score every concept by each method."""
        chosen, truth = CLASSES.index(class_), CLASSES.index(spec.class_)
        _, source = self.subject.look(self.batch([spec]), BLOCKS[0])
        ledger = account(self.tail, source, self.weight[chosen], self.bias[chosen])
        flat, part = source[0].flatten(1), ledger.by_position.flatten(1)
        split = self.gather.split(flat, part)
        fired = self.gather.divided.T @ (part.double() * (flat > self.gather.thresholds))
        everywhere = (self.gather.divided.T @ part.double()).sum(dim=1)
        versus = split.present
        if truth != chosen:
            apart = account(
                self.tail, source, self.weight[chosen] - self.weight[truth],
                self.bias[chosen] - self.bias[truth],
            )  # fmt: skip
            versus = self.gather.split(flat, apart.by_position.flatten(1)).present
        means = source[0].double().mean(dim=(1, 2))
        units = {
            "integrated gradients": self._integrated(source, chosen).flatten(1).double().sum(dim=1),
            "one-unit × activation": self.one_unit[:, chosen] * means,
            "one-unit": self.one_unit[:, chosen],
        }
        named = [f"{category}/{name}" for name, category in self.gather.concepts]
        vectors = {
            "exact, present": split.present.sum(dim=1),
            "exact, firing": fired.sum(dim=1),
            "exact, everywhere": everywhere,
            "versus, present": versus.sum(dim=1),
            **{method: self.gather.divided.T @ values for method, values in units.items()},
        }
        scores = {m: dict(zip(named, v[:-1].tolist(), strict=True)) for m, v in vectors.items()}
        last = self.last.divided.T @ (self.weight[chosen] * ledger.means).double()
        names = [f"{category}/{name}" for name, category in self.last.concepts]
        scores["weight × activation"] = dict(zip(names, last[:-1].tolist(), strict=True))
        chance = np.random.default_rng([spec.seed, spec.index, chosen])
        scores["random"] = dict(zip(named, chance.random(len(named)).tolist(), strict=True))
        return Explained(scores, float(part.clamp(min=0).sum()))

    def _integrated(self, source: Tensor, chosen: int) -> Tensor:
        total = torch.zeros_like(source)
        for step in range(STEPS):
            leaf = (source * ((step + 0.5) / STEPS)).detach().requires_grad_()
            maps = leaf
            for stage in self.tail.stages:
                maps = stage(maps)
            value = (self.weight[chosen] * maps.mean(dim=(2, 3))[0]).sum()
            total += torch.autograd.grad(value, leaf)[0]
        return (total / STEPS * source)[0].detach()
