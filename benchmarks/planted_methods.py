"""The methods that `planted` compares: each scores every concept of one picture and class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from conceptgraph.explain.ablation_masks import AblationMasks, ablation_hooks
from conceptgraph.explain.concept_attribution import ConceptAttributor, concept_attributor
from conceptgraph.explain.decomposition import Decomposition, decompose
from conceptgraph.ingest.concept_data.images import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conceptgraph.demo.world.specs import DrawnSpec
    from conceptgraph.explain.network import RunNetwork

BLOCKS = ("block3", "block4")
STEPS = 8  # of integrated gradients


@dataclass(frozen=True)
class ConceptScores:
    """The scores of all concepts for one picture and class.

    Attributes:
        by_method: scores by concept ("category/name"), by method.
        evidence: sum of all evidence for the class.
    """

    by_method: dict[str, dict[str, float]]
    evidence: float


class PictureExplainer:
    """A dissected network that predicts pictures, or clips, and scores concepts by each method."""

    def __init__(self, network: RunNetwork) -> None:
        self.network = network
        self.classes = list(network.run.classes["name"])
        self.attributor: ConceptAttributor = concept_attributor(network.run, BLOCKS[0])
        self.last_attributor: ConceptAttributor = concept_attributor(network.run, BLOCKS[1])
        self.downstream = network.downstream(BLOCKS)
        edges, to_classes = (
            torch.from_numpy(np.array(network.run.contributions(*hop)))
            for hop in (BLOCKS, (BLOCKS[-1], "class"))
        )
        self.one_unit = edges.double() @ to_classes.double()  # (units, classes)

    def batch(self, specs: Sequence[DrawnSpec]) -> Tensor:
        """Draw pictures and return the network's input."""
        shape = self.network.run.manifest["input"]
        pictures = torch.from_numpy(np.stack([spec.pixels() for spec in specs]))
        return normalise(pictures, shape["mean"], shape["std"])

    def predict(self, specs: Sequence[DrawnSpec], masks: AblationMasks | None = None) -> list[str]:
        """Predict the classes of pictures, optionally with units ablated."""
        predictions: list[str] = []
        for start in range(0, len(specs), 64):
            with torch.no_grad(), self.network.intervene(ablation_hooks([masks or {}])):
                logits = self.network.module(self.batch(specs[start : start + 64]))
            predictions += [self.classes[i] for i in logits.argmax(dim=1).tolist()]
        return predictions

    def score_concepts(self, spec: DrawnSpec, class_: str) -> ConceptScores:
        """Score every concept by each method."""
        chosen, true = self.classes.index(class_), self.classes.index(spec.class_)
        _, activations = self.network.forward(self.batch([spec]), BLOCKS[0])
        decomposition = self._decompose(activations, chosen)
        shares, uids = self.attributor.unit_shares.T, self.attributor.uids
        flat, amounts = activations[0].flatten(1), decomposition.by_position.flatten(1)
        present = self.attributor.attribute(flat, amounts).present
        versus = present
        if true != chosen:
            difference = self._decompose(activations, chosen, true).by_position.flatten(1)
            versus = self.attributor.attribute(flat, difference).present
        firing = amounts.double() * (flat > self.attributor.thresholds)
        means = flat.double().mean(dim=1)
        integrated = self._integrated_gradients(activations, chosen).flatten(1).double()
        vectors = {
            "exact, present": present.sum(dim=1),
            "exact, firing": (shares @ firing).sum(dim=1),
            "exact, everywhere": (shares @ amounts.double()).sum(dim=1),
            "versus, present": versus.sum(dim=1),
            "integrated gradients": shares @ integrated.sum(dim=1),
            "one-unit × activation": shares @ (self.one_unit[:, chosen] * means),
            "one-unit": shares @ self.one_unit[:, chosen],
        }
        scores = {
            method: dict(zip(uids, vector[:-1].tolist(), strict=True))
            for method, vector in vectors.items()
        }
        last = self.last_attributor.unit_shares.T @ decomposition.by_last_unit.double()
        scores["weight × activation"] = dict(
            zip(self.last_attributor.uids, last[:-1].tolist(), strict=True)
        )
        rng = np.random.default_rng([spec.seed, spec.index, chosen])
        scores["random"] = dict(zip(uids, rng.random(len(uids)).tolist(), strict=True))
        return ConceptScores(scores, float(amounts.clamp(min=0).sum()))

    def _decompose(
        self, activations: Tensor, class_: int, other: int | None = None
    ) -> Decomposition:
        """Decompose the logit of a class, or its difference to that of another."""
        return decompose(self.downstream, activations, self.network.direction(class_, other))

    def _integrated_gradients(self, activations: Tensor, class_: int) -> Tensor:
        """Compute integrated gradients of a logit, from zero; (units, height, width)."""
        total = torch.zeros_like(activations)
        for step in range(STEPS):
            leaf = (activations * ((step + 0.5) / STEPS)).detach().requires_grad_()
            value = self.downstream.logits(leaf)[0, class_]
            total += torch.autograd.grad(value, leaf)[0]
        return (total / STEPS * activations)[0].detach()
