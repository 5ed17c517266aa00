"""What is left of names and of explanations when the network's weights are random.

Labels that a network without training has just as well say nothing of what was learnt, and an
explanation that stays what it is explains the picture, not the network (the sanity checks of
Adebayo et al. 2018). So the network is dissected on some of the images, as it is and with random
weights, and the evidence of the same classes is compared.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from ..graph.uids import concept_uids
from ..ingest.concept_data.damaged import without_damaged
from ..ingest.engine.process_group import ProcessGroup
from ..ingest.engine.workers import default_workers
from ..ingest.network.affine import affine_copy
from ..ingest.network.builders import builder, is_code
from ..ingest.network.published import architecture_of
from ..ingest.pipeline import ingest_network
from ..progress import NoProgress
from ..settings import Settings
from .decomposition import decompose
from .network import RunNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ..graph.run.reader import Run
    from ..ingest.concept_data.concepts import ConceptData
    from ..ingest.network.loading import Network
    from ..progress import Progress


class RandomMeasures(NamedTuple):
    """The network beside the same with random weights.

    Attributes:
        images: on which both were dissected.
        units: of the blocks that explanations go through.
        named: how many of them have a name; and how many with random weights.
        best: by block, the largest IoU of any unit with random weights, by concept.
        order: Spearman's ρ of what units add to a logit, with both weights; mean over images.
        places: likewise of the evidence at positions.
    """

    images: int
    units: int
    named: tuple[int, ...]
    best: dict[str, pd.Series[float]]
    order: float
    places: float

    def learnt(self, run: Run) -> pd.Series[bool]:
        """Tell which units have a name that was learnt, per row of the run's `units`.

        They are better at their concept than any unit of the same block with random weights. In
        blocks that were not dissected with these, all names count.
        """
        units = run.units
        bound = pd.Series(0.0, units.index)
        for block, best in self.best.items():
            rows = units[units["block"] == block]
            uids = pd.Series(concept_uids(rows["category"], rows["label"]), rows.index)
            bound[rows.index] = uids.map(best).fillna(0.0)
        learnt: pd.Series[bool] = run.named & (units["iou"] > bound)
        return learnt


def with_random_weights(network: Network, seed: int = 0) -> Network:
    """Return a copy of a network with weights as before training.

    A network that is built by its name is built anew. Of one that the user's code makes, each
    module resets its own parameters; those that no module resets are shuffled.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if is_code(network.name):
            module = copy.deepcopy(network.module)
            for part in module.modules():
                reset = getattr(part, "reset_parameters", None)
                if callable(reset):
                    reset()
                else:
                    _shuffle(part)
        else:
            module = builder(architecture_of(network.name))(len(network.classes) or None)
    module = module.eval().float().requires_grad_(requires_grad=False)
    return replace(network, module=module, weights="random", digest="random")


def _shuffle(part: nn.Module) -> None:
    for parameter in part.parameters(recurse=False):
        values = parameter.data.flatten()
        parameter.data = values[torch.randperm(len(values))].view_as(parameter)


def against_random_weights(
    network: RunNetwork,
    data: ConceptData,
    files: Sequence[Path],
    *,
    images: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> RandomMeasures:
    """Dissect a network and the same with random weights, and compare their explanations.

    Args:
        network: of the run.
        data: the concept data of the run.
        files: images to explain.
        images: of the concept data, drawn at random, to dissect on.
        seed: of the weights and of the images.
        progress: told of both dissections.

    Raises:
        DataError: no image can be read.
    """
    progress = progress or NoProgress()
    chosen = np.random.default_rng(seed).permutation(len(data.images))[:images]
    sample = replace(data, images=tuple(data.images[number] for number in sorted(chosen)))
    sample = without_damaged(sample, ProcessGroup(), default_workers(), progress, strict=False)
    settings = Settings.from_dict(network.run.manifest["settings"])
    settings = replace(
        settings,
        blocks=network.last_blocks(),
        quantile=network.run.manifest["quantile"],
        top_images=1,
    )
    random = with_random_weights(network.network, settings.seed + seed + 1)
    runs = []
    with tempfile.TemporaryDirectory(prefix="conceptgraph-") as folder:
        for name, one in (("trained", network.network), ("random", random)):
            out = Path(folder) / f"{name}.cg"
            runs.append(ingest_network(one, sample, out, settings, device="cpu"))
        named = tuple(int(run.named.sum()) for run in runs)
        best = {block: runs[1].iou(block).max() for block in runs[1].blocks}
    order, places = _agreement(network, random, files)
    units = len(runs[0].units)
    return RandomMeasures(len(sample.images), units, named, best, order, places)


def _agreement(network: RunNetwork, random: Network, files: Sequence[Path]) -> tuple[float, float]:
    """Return the mean rank correlations of evidence by unit, and by position."""
    affine = affine_copy(random.module).to(network.dtype)
    whole = random.architecture.whole(affine)
    other = RunNetwork(network.run, random, affine, whole)
    block = network.last_blocks()[0]
    by_unit: list[float] = []
    by_place: list[float] = []
    for image in network.load_images(files):
        if isinstance(image, str):
            continue
        logits, _ = network.forward(image, block)
        direction = network.direction(int(logits[0].argmax()))
        evidence = []
        for one in (network, other):
            _, maps = one.forward(image, block)
            downstream = one.downstream(one.last_blocks())
            evidence.append(decompose(downstream, maps, direction).by_position.flatten(1))
        by_unit.append(_rank_correlation(*(positions.sum(dim=1) for positions in evidence)))
        by_place.append(_rank_correlation(*(positions.sum(dim=0) for positions in evidence)))
    return float(np.mean(by_unit)), float(np.mean(by_place))


def _rank_correlation(first: Tensor, second: Tensor) -> float:
    """Return Spearman's ρ; ties, which are zeros, are in the order of their places."""
    ranks = [values.argsort(stable=True).argsort().double() for values in (first, second)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])
