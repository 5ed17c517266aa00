"""How well predicted path effects agree with those really measured, method by method.

    python -m benchmarks.faithfulness RUN IMAGES --images 100

For each image, its predicted class, and the 64 units u of the last block that carry most of the
logit: every path v → u from every unit v of the block before. Measured is W[u] · (g[u] − g[u]
without v), the later block really run once for each v. Predicted is the same by each method. Stated
are the correlation over all these paths, how many of the 20 strongest are the same, and the
correlation of the sums over u (what a unit v does in all); each is the mean over the images.

Longer paths: of each length, the 100 strongest and 100 others, measured along the path alone.
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

from conceptgraph.explain.decomposition import (
    Decomposition,
    Tail,
    account,
    measure,
    pull,
    search,
    strongest,
)
from conceptgraph.explain.network import RunNetwork, open_network
from conceptgraph.graph.run.reader import open_run

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAM, TOP, STEPS = 64, 20, 8
METHODS = ("exact", "integrated gradients", "one-unit × activation", "one-unit", "random")


def ledgers(subject: RunNetwork, image: Path, length: int) -> tuple[Tail, Decomposition]:
    """The account of the predicted class's logit over the last `length` blocks."""
    blocks = subject.network.blocks[-length:]
    tail = subject.tail(blocks)
    logits, source = subject.look(subject.read(image), blocks[0])
    weight, bias = subject.head.weight, subject.head.bias
    chosen = int(logits[0].argmax())
    return tail, account(tail, source, weight[chosen], bias[chosen])


def measured(tail: Tail, ledger: Decomposition, units: Tensor) -> Tensor:
    """(units, sources): what taking each source unit away costs by way of each unit."""
    source = ledger.maps[0]
    found = []
    with torch.no_grad():
        for some in torch.split(torch.arange(len(source)), BEAM):
            maps = source.repeat(len(some), 1, 1, 1)
            maps[torch.arange(len(some)), some] = 0
            found.append(tail.stages[0](maps).mean(dim=(2, 3))[:, units])
    return (ledger.weights[units] * (ledger.means[units] - torch.cat(found))).T


def predicted(
    subject: RunNetwork, tail: Tail, ledger: Decomposition, units: Tensor
) -> dict[str, Tensor]:
    """The same by each method."""
    source, weights = ledger.maps[0], ledger.weights[units]
    height, width = ledger.maps[1].shape[1:]
    share = (weights / (height * width))[:, None, None].expand(-1, height, width)

    def along(scale: float) -> Tensor:
        slopes = pull(tail.stages[0], source * scale, units, share)
        return (slopes * source).sum(dim=(2, 3))

    edges = torch.from_numpy(np.array(subject.run.contributions(*subject.network.blocks[-2:])))
    one_unit = weights[:, None] * edges.T[units].to(weights)
    steps = [along((step + 0.5) / STEPS) for step in range(STEPS)]
    return {
        "exact": along(1.0),
        "integrated gradients": torch.stack(steps).mean(dim=0),
        "one-unit × activation": one_unit * source.mean(dim=(1, 2)),
        "one-unit": one_unit,
        "random": torch.rand(one_unit.shape, generator=torch.Generator().manual_seed(0)),
    }


def agreement(guess: Tensor, truth: Tensor) -> tuple[float, float, float]:
    """Correlation over paths, share of the strongest in common, correlation over first units."""
    first, second = ({tuple(row) for row in strongest(x, TOP).tolist()} for x in (guess, truth))
    return (
        correlation(guess.flatten(), truth.flatten()),
        len(first & second) / TOP,
        correlation(guess.sum(dim=0), truth.sum(dim=0)),
    )


def correlation(x: Tensor, y: Tensor) -> float:
    """Pearson's r."""
    return float(torch.corrcoef(torch.stack([x.double(), y.double()]))[0, 1])


def longer(subject: RunNetwork, image: Path, length: int) -> float:
    """Correlation of exact accounting with the effects measured along paths of some length."""
    tail, ledger = ledgers(subject, image, length)
    found = search(tail, ledger, BEAM)
    order = strongest(found.contributions, found.contributions.numel())
    others = torch.randperm(len(order), generator=torch.Generator().manual_seed(0))[:100]
    rows = torch.cat([order[:100], order[others]])
    units = torch.cat([rows[:, 1:], found.endings[rows[:, 0]]], dim=1)
    return correlation(found.contributions[rows[:, 0], rows[:, 1]], measure(tail, ledger, units))


def figures(
    subject: RunNetwork, images: list[Path], lengths: int
) -> Iterator[tuple[str, list[float]]]:
    """One row a method, then one a length."""
    rows: dict[str, list[tuple[float, float, float]]] = {method: [] for method in METHODS}
    for image in images:
        tail, ledger = ledgers(subject, image, 2)
        units = strongest((ledger.weights * ledger.means).unsqueeze(0), BEAM)[:, 1]
        truth = measured(tail, ledger, units)
        for method, guess in predicted(subject, tail, ledger, units).items():
            rows[method].append(agreement(guess, truth))
    for method, values in rows.items():
        yield method, [float(np.mean(column)) for column in zip(*values, strict=True)]
    for length in range(3, lengths + 1):
        found = [longer(subject, image, length) for image in images[: max(1, len(images) // 5)]]
        yield f"exact, {length} blocks", [float(np.mean(found))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path, help="images, also in folders below")
    parser.add_argument("--pattern", default="*.jpg")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    subject = open_network(open_run(arguments.run), weights=arguments.weights)
    files = sorted(arguments.folder.rglob(arguments.pattern))
    chosen = [files[int(i)] for i in np.linspace(0, len(files) - 1, arguments.images)]
    begun = time.perf_counter()
    rows = dict(figures(subject, chosen, len(subject.network.blocks)))
    if arguments.json:
        print(json.dumps({"images": len(chosen), "rows": rows}))
        return
    print(f"{len(chosen)} images, {time.perf_counter() - begun:.0f} s")
    print(f"{'':24}{'r, paths':>10}{'top 20':>10}{'r, units':>10}")
    for name, values in rows.items():
        print(f"{name:24}" + "".join(f"{value:10.3f}" for value in values))


if __name__ == "__main__":
    main()
