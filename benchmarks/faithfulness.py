"""How well the path effects that each method predicts agree with measured ones.

    python -m benchmarks.faithfulness RUN IMAGES --images 100

For each image: the predicted class, the `UNITS` units u of the last block with the largest
|contribution| to its logit, and all paths v → u from units v of the block before. The measured
effect of a path is W[u] · (g[u] − g[u] with v ablated): the last block is run once for each v.
The table gives, as means over images, the correlation over paths, the share of the `TOP` strongest
paths that both have in common, and the correlation over units v of the sums over u.

For longer paths: of each length, the 100 strongest paths and 100 random others, each measured along
the path alone.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from conceptgraph.explain.decomposition import Decomposition, Downstream, decompose, vjp
from conceptgraph.explain.network import RunNetwork, open_network
from conceptgraph.explain.path_search import (
    measure_paths,
    search_paths,
    strongest,
    unit_cotangents,
)
from conceptgraph.graph.run.reader import open_run

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS, TOP, STEPS = 64, 20, 8  # STEPS of integrated gradients
METHODS = ("exact", "integrated gradients", "one-unit × activation", "one-unit", "random")


def decompose_prediction(
    network: RunNetwork, image: Path, length: int
) -> tuple[Downstream, Decomposition]:
    """Decompose the predicted class's logit over the last `length` blocks."""
    blocks = network.network.blocks[-length:]
    downstream = network.downstream(blocks)
    logits, activations = network.forward(network.load_image(image), blocks[0])
    class_ = int(logits[0].argmax())
    return downstream, decompose(downstream, activations, network.direction(class_))


def pooled_and_weights(decomposition: Decomposition) -> tuple[Tensor, Tensor]:
    """Return the means of the last block's maps, and the gradients by them; (units,) each."""
    pooled = decomposition.maps[-1].mean(dim=(1, 2))
    return pooled, decomposition.last_gradient.sum(dim=(1, 2))


def measured_effects(downstream: Downstream, decomposition: Decomposition, units: Tensor) -> Tensor:
    """Measure the effect of ablating each source unit, through each unit; (units, sources)."""
    activations = decomposition.maps[0]
    pooled = []
    with torch.no_grad():
        for sources in torch.split(torch.arange(len(activations)), UNITS):
            maps = activations.repeat(len(sources), 1, 1, 1)
            maps[torch.arange(len(sources)), sources] = 0
            pooled.append(downstream.stages[0](maps).mean(dim=(2, 3))[:, units])
    before, weights = pooled_and_weights(decomposition)
    effects: Tensor = (weights[units] * (before[units] - torch.cat(pooled))).T
    return effects


def predicted_effects(
    network: RunNetwork, downstream: Downstream, decomposition: Decomposition, units: Tensor
) -> dict[str, Tensor]:
    """Predict the same effects by each method; (units, sources) each."""
    activations = decomposition.maps[0]
    weights = pooled_and_weights(decomposition)[1][units]
    height, width = decomposition.maps[1].shape[1:]
    cotangents = (weights / (height * width))[:, None, None].expand(-1, height, width)

    def gradient_times_activation(scale: float) -> Tensor:
        gradients = vjp(
            downstream.stages[0],
            activations * scale,
            unit_cotangents(decomposition.maps[1], units, cotangents),
        )
        return (gradients * activations).sum(dim=(2, 3))

    edges = torch.from_numpy(np.array(network.run.contributions(*network.network.blocks[-2:])))
    one_unit = weights[:, None] * edges.T[units].to(weights)
    steps = [gradient_times_activation((step + 0.5) / STEPS) for step in range(STEPS)]
    return {
        "exact": gradient_times_activation(1.0),
        "integrated gradients": torch.stack(steps).mean(dim=0),
        "one-unit × activation": one_unit * activations.mean(dim=(1, 2)),
        "one-unit": one_unit,
        "random": torch.rand(one_unit.shape, generator=torch.Generator().manual_seed(0)),
    }


def agreement(predicted: Tensor, measured: Tensor) -> tuple[float, float, float]:
    """Return correlation over paths, share of top paths in common, correlation over sources."""
    first, second = (
        {tuple(path) for path in strongest(effects, TOP).tolist()}
        for effects in (predicted, measured)
    )
    return (
        correlation(predicted.flatten(), measured.flatten()),
        len(first & second) / TOP,
        correlation(predicted.sum(dim=0), measured.sum(dim=0)),
    )


def correlation(x: Tensor, y: Tensor) -> float:
    """Return Pearson's r."""
    return float(torch.corrcoef(torch.stack([x.double(), y.double()]))[0, 1])


def correlation_of_long_paths(network: RunNetwork, image: Path, length: int) -> float:
    """Return the correlation of exact contributions and measured effects of paths."""
    downstream, decomposition = decompose_prediction(network, image, length)
    search = search_paths(downstream, decomposition, UNITS)
    order = strongest(search.contributions, search.contributions.numel())
    sample = torch.randperm(len(order), generator=torch.Generator().manual_seed(0))[:100]
    rows, firsts = torch.cat([order[:100], order[sample]]).unbind(1)
    measured = measure_paths(downstream, decomposition, search.paths(rows, firsts))
    return correlation(search.contributions[rows, firsts], measured)


def table_rows(
    network: RunNetwork, images: list[Path], longest: int
) -> Iterator[tuple[str, list[float]]]:
    """Yield one row for each method, then one for each length of longer paths."""
    agreements: dict[str, list[tuple[float, float, float]]] = {method: [] for method in METHODS}
    for image in images:
        downstream, decomposition = decompose_prediction(network, image, 2)
        units = strongest(decomposition.by_last_unit.unsqueeze(0), UNITS)[:, 1]
        measured = measured_effects(downstream, decomposition, units)
        predictions = predicted_effects(network, downstream, decomposition, units)
        for method, predicted in predictions.items():
            agreements[method].append(agreement(predicted, measured))
    for method, values in agreements.items():
        yield method, [float(np.mean(column)) for column in zip(*values, strict=True)]
    fewer_images = images[: max(1, len(images) // 5)]
    for length in range(3, longest + 1):
        r = [correlation_of_long_paths(network, image, length) for image in fewer_images]
        yield f"exact, {length} blocks", [float(np.mean(r))]


def main() -> None:
    """Compare the methods on a run's network and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory, NAME.cg")
    parser.add_argument("folder", type=Path, help="images, also in folders below")
    parser.add_argument("--pattern", default="*.jpg", help="file names of the images")
    parser.add_argument("--images", type=int, default=100, help="images to use, evenly spaced")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--weights", help="checkpoint, if it is no longer where the run says")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = open_network(open_run(arguments.run), weights=arguments.weights)
    files = sorted(arguments.folder.rglob(arguments.pattern))
    images = [files[int(i)] for i in np.linspace(0, len(files) - 1, arguments.images)]
    start = time.perf_counter()
    rows = dict(table_rows(network, images, len(network.network.blocks)))
    if arguments.json:
        print(json.dumps({"images": len(images), "rows": rows}))
        return
    print(f"{len(images)} images, {time.perf_counter() - start:.0f} s")
    print(f"{'':24}{'r, paths':>10}{'top 20':>10}{'r, units':>10}")
    for name, values in rows.items():
        print(f"{name:24}" + "".join(f"{value:10.3f}" for value in values))


if __name__ == "__main__":
    main()
