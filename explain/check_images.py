"""What a check measures on images: do the sums hold, are the effects real, what has a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..progress import NoProgress
from .explain import decompose_image
from .image_regions import explain_regions
from .path_search import measure_paths, search_paths, strongest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from ..graph.run.reader import Run
    from ..progress import Progress
    from .decomposition import Decomposition, Downstream
    from .explain import DecomposedImage
    from .image_regions import ImageRegions
    from .network import RunNetwork

BEAM, PATHS = 32, 50
"""Of each image: path suffixes that are extended; the strongest paths, and as many others."""
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Of a block's units that are kept, or ablated, for the circuit curve."""
RANDOM_ORDERS = 3
LEAST_CHANGE = 1e-3
"""Images whose logit hardly depends on the block have no curve: it would be divided by this."""


class Circuit(NamedTuple):
    """Circuit curves at `SHARES`: the share of the logit that units keep alone.

    With m(C) the logit when all units of a block but C are ablated, f(C) is (m(C) − m(∅)) over
    (m(all) − m(∅)).

    Attributes:
        kept: f of the strongest units.
        lost: f of all but the strongest.
        random: f of units in random orders.
    """

    kept: NDArray[np.float64]
    lost: NDArray[np.float64]
    random: NDArray[np.float64]


@dataclass
class ImageMeasures:
    """Measures of some images, one entry for each.

    Attributes:
        block: whose units are kept and ablated, the first of the paths.
        residual: how far evidence and bias terms are from the logit, as a share of the sum of
            what the units of the last block add, and at least of 1.
        paths_r: correlation of contributions of paths and their measured effects.
        things: evidence of a thing, and what the logit loses when it is painted over; a pair each.
        circuit: an entry for each image whose logit depends on the block.
        carried: what units add to the logits, in absolute values, by block (units,): means over
            images of shares.
        found: share that lies where a concept is found, in the category in which that is most.
        unread: images that cannot be read.
    """

    block: str
    residual: list[float] = field(default_factory=list)
    paths_r: list[float] = field(default_factory=list)
    things: list[tuple[float, float]] = field(default_factory=list)
    circuit: list[Circuit] = field(default_factory=list)
    carried: dict[str, list[Tensor]] = field(default_factory=dict)
    found: list[float] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def carried_by(self, run: Run, units: pd.Series[bool]) -> dict[str, float]:
        """Return the share of the evidence that some units carry, by block.

        Args:
            run: whose units these are.
            units: per row of the run's `units`.
        """
        shares = {}
        for block, carried in self.carried.items():
            rows = run.units[units & (run.units["block"] == block)]
            mean = torch.stack(carried).mean(dim=0)
            shares[block] = float(mean[torch.from_numpy(rows["index"].to_numpy().copy())].sum())
        return shares

    @property
    def mean_circuit(self) -> Circuit | None:
        """The mean of the curves; None if there is none."""
        if not self.circuit:
            return None
        return Circuit(*(np.mean(curves, axis=0) for curves in zip(*self.circuit, strict=True)))


def measure_images(
    network: RunNetwork, files: Sequence[Path], *, seed: int = 0, progress: Progress | None = None
) -> ImageMeasures:
    """Explain the class that the network predicts for each image, and measure how true that is.

    Args:
        network: of the run.
        files: the images.
        seed: of random orders and paths.
        progress: told of the images.
    """
    measures = ImageMeasures(network.last_blocks()[0])
    random = torch.Generator().manual_seed(seed)
    with (progress or NoProgress()).step("images", len(files)) as advance:
        for photograph in network.load_photographs(files):
            if isinstance(photograph, str):
                measures.unread.append(photograph)
            else:
                image = decompose_image(network, photograph.batch, None, None, None)
                _measure(measures, network, image, random)
                picture = explain_regions(network, image.whole(network, photograph.pixels))
                _measure_regions(measures, picture)
            advance(1)
    return measures


def _measure(
    measures: ImageMeasures,
    network: RunNetwork,
    image: DecomposedImage,
    random: torch.Generator,
) -> None:
    decomposition, downstream = image.decomposition, network.downstream(image.blocks)
    measures.residual.append(image.from_first.residual)
    r = _path_correlation(downstream, decomposition, random)
    measures.paths_r += [] if r is None else [r]
    by_unit = decomposition.by_position.double().flatten(1).sum(dim=1)
    circuit = circuit_curves(downstream, decomposition, by_unit, random)
    measures.circuit += [] if circuit is None else [circuit]
    for block, gradient, maps in zip(
        image.blocks, decomposition.gradients, decomposition.maps, strict=True
    ):
        strength = (gradient * maps).double().flatten(1).sum(dim=1).abs()
        shares = strength / strength.sum().clamp(min=1e-12)
        measures.carried.setdefault(block, []).append(shares)


def _path_correlation(
    downstream: Downstream, decomposition: Decomposition, random: torch.Generator
) -> float | None:
    """Return Pearson's r of contributions and measured effects; None if either is constant."""
    search = search_paths(downstream, decomposition, BEAM)
    order = strongest(search.contributions, search.contributions.numel())
    others = order[PATHS:][torch.randperm(max(0, len(order) - PATHS), generator=random)[:PATHS]]
    rows, firsts = torch.cat([order[:PATHS], others]).unbind(1)
    measured = measure_paths(downstream, decomposition, search.paths(rows, firsts))
    return correlation(search.contributions[rows, firsts].numpy(), measured.numpy())


def circuit_curves(
    downstream: Downstream, decomposition: Decomposition, by_unit: Tensor, random: torch.Generator
) -> Circuit | None:
    """Compute how much of the logit a block's units keep alone.

    Args:
        downstream: the network after the block.
        decomposition: from the block on.
        by_unit: (units,), what each unit adds.
        random: of `RANDOM_ORDERS`.

    Returns:
        None if the logit hardly depends on the block.
    """
    units = len(by_unit)
    orders = [by_unit.abs().argsort(descending=True, stable=True)]
    orders += [torch.randperm(units, generator=random) for _ in range(RANDOM_ORDERS)]
    counts = [round(share * units) for share in SHARES]
    kept = torch.zeros(len(orders) + 1, len(counts), units)
    for number, order in enumerate(orders):
        for place, count in enumerate(counts):
            kept[number, place, order[:count]] = 1
    kept[-1] = 1 - kept[0]
    flags = kept.view(-1, units, *[1] * (decomposition.maps[0].ndim - 1)).to(decomposition.maps[0])
    with torch.no_grad():
        values = torch.cat(
            [
                downstream.logits(part * decomposition.maps[0]) @ decomposition.direction
                for part in torch.split(flags, len(counts))
            ]
        )
    values = values.double().view(len(orders) + 1, len(counts))
    empty, whole = values[0, 0], values[0, -1]
    if abs(float(whole - empty)) < LEAST_CHANGE:
        return None
    shares = ((values - empty) / (whole - empty)).numpy()
    return Circuit(shares[0], shares[-1], shares[1:-1].mean(axis=0))


def _measure_regions(measures: ImageMeasures, picture: ImageRegions) -> None:
    for thing in picture.things:
        if thing.counterfactual is not None:
            measures.things.append((thing.evidence, thing.counterfactual.measured))
    found: dict[str, list[float]] = {}
    for region in picture.regions:
        if region.block == picture.thing_block:
            sums = found.setdefault(region.category, [0.0, 0.0])
            sums[region.name is not None] += abs(region.evidence)
    shares = [named / (named + none) for none, named in found.values() if named + none > 0]
    measures.found.append(max(shares, default=0.0))


def correlation(x: NDArray[np.floating], y: NDArray[np.floating]) -> float | None:
    """Return Pearson's r; None if either is constant or has fewer than three values."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])
