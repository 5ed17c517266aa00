"""A small ingested run of a random network with hardly any dead unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from conceptgraph.graph.run.reader import open_run
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests.random_networks import random_network

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from conceptgraph.graph.run.reader import Run


def lively_network() -> nn.Module:
    """Build the run's network; `--model tests.lively_run:lively_network` calls this."""
    return random_network("basic", classes=4, seed=3).module


def even_network() -> nn.Module:
    """Build the same network with a bias that lets it predict each of its classes."""
    module = lively_network()
    with torch.no_grad():
        module.get_parameter("fc.bias").sub_(torch.tensor([-0.2, -10.8, 10.1, -1.8]))
    return module


def lively_run(data: Path, folder: Path, network: str = "lively_network") -> Run:
    """Ingest concept data into `folder`/lively.cg.

    So few images show neither that a probe is good nor that a name holds. So probes with some F1
    are declared usable, and every other detection holds.
    """
    settings = Settings(quantile=0.1, min_iou=0.01, top_images=1)
    run = ingest(f"tests.lively_run:{network}", data, folder / "lively.cg", settings)
    usable = run.presence["f1"] >= 0.3
    run.presence.assign(usable=usable).to_parquet(run.path / "presence.parquet")
    rows = run.detections
    best = (rows["rank"] < settings.top_labels) | ~rows.duplicated(["unit", "category"])
    best &= rows["iou"] > 0  # the others are there for their AUC alone
    rows.assign(holds=best & (best.cumsum() % 2 == 1)).to_parquet(run.path / "detections.parquet")
    return open_run(run.path)
