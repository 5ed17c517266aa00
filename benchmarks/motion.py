"""Static or dynamic: the correlations of a run, compared with what is drawn.

    python -m benchmarks.motion RUN… --clips 96

Clips of the moving world are drawn at five paces, from backwards to forwards, and at rest: in the
middle all show the same. So what differs between the maps of the slots in the middle is due to
motion, and the truth of a unit is the share of that variance in all of it, over clips and
positions.

The table has, by block, Spearman's correlation of this share with one less each of the correlations
that `ingest` measures, with reversed and with frozen clips, and one less the mean of both.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from conceptgraph.demo.moving.shortcuts import MovingWorld
from conceptgraph.demo.world.concept_data import concept_spec
from conceptgraph.explain.network import open_network
from conceptgraph.graph.run.motion import read_motion
from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.concept_data.images import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conceptgraph.demo.moving.clips import ClipSpec
    from conceptgraph.explain.network import RunNetwork
    from conceptgraph.graph.run.reader import Run

PACES = (-1.0, -0.5, 0.0, 0.5, 1.0)
SEED = 6_000_000  # of the clips


def middle_maps(network: RunNetwork, block: str, specs: Sequence[ClipSpec]) -> Tensor:
    """Return the maps of the two slots in the middle, (clips, units, positions)."""
    shape = network.run.manifest["input"]
    clips = torch.from_numpy(np.stack([spec.pixels() for spec in specs]))
    _, maps = network.forward(normalise(clips, shape["mean"], shape["std"]), block)
    first = maps.shape[2] // 2 - 1
    return maps[:, :, first : first + 2].flatten(2).double()


def motion_shares(network: RunNetwork, block: str, count: int) -> Tensor:
    """Return by unit the share of the variance that is due to motion, float64 (units,)."""
    world = MovingWorld()
    specs = [concept_spec(world, SEED, index) for index in range(count)]
    moments, within, positions = [], torch.zeros(1), 0
    for start in range(0, count, 16):
        chosen = specs[start : start + 16]
        by_pace = torch.stack(
            [
                middle_maps(network, block, [replace(spec, pace=pace) for spec in chosen])
                for pace in PACES
            ]
        )
        within = within + by_pace.var(0, unbiased=False).sum((0, 2))
        moments.append(torch.stack([by_pace.mean(0).sum((0, 2)), (by_pace**2).mean(0).sum((0, 2))]))
        positions += len(chosen) * by_pace.shape[-1]
    mean, square = torch.stack(moments).sum(0) / positions
    shares: Tensor = within / positions / (square - mean**2)
    return shares


def spearman(run: Run, block: str, count: int) -> dict[str, float]:
    """Return Spearman's correlation of the truth with each of the measures of a run."""
    motion = read_motion(run)
    assert motion is not None
    units = run.units[run.units["block"] == block][["uid", "index"]]
    rows = units.merge(motion, left_on="uid", right_on="unit")
    truth = motion_shares(open_network(run), block, count).numpy()[rows["index"]]
    table = 1 - rows[["reversed", "frozen"]]
    table = table.assign(both=table.mean(axis=1, skipna=False), truth=truth).dropna()
    ranks = table.corr("spearman")["truth"].drop("truth")
    return {str(name): float(value) for name, value in ranks.items()}


def main() -> None:
    """Measure all runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", help="of networks of the moving world")
    parser.add_argument("--clips", type=int, default=96)
    arguments = parser.parse_args()
    for path in arguments.runs:
        run = open_run(path)
        for block in run.blocks:
            values = spearman(run, block, arguments.clips)
            print(path.name, block, *(f"{name} {value:.3f}" for name, value in values.items()))


if __name__ == "__main__":
    main()
