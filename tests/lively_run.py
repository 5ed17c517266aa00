"""A small ingested run of a random network with hardly any dead unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def lively_run(data: Path, folder: Path) -> Run:
    """Ingest concept data into `folder`/lively.cg."""
    settings = Settings(quantile=0.1, min_iou=0.01, top_images=1)
    return ingest("tests.lively_run:lively_network", data, folder / "lively.cg", settings)
