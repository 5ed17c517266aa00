"""The demo's files that are made once: data and run in the user's cache, weights in the output.

The cache is a folder for each version of the package.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple, cast

from ..files import write_bytes
from ..progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..graph.run.reader import Run
    from ..progress import Progress
    from .networks.shipped import ScoresRecord
    from .world.shortcuts import DrawnWorld
    from .world.specs import DrawnSpec

PICTURES = 800
"""Pictures of concepts to draw, unless another number is asked for."""
CLIPS = 600
"""Clips of the moving world to draw, likewise."""
_SCORED_PICTURES = 400


def demo_run_path() -> Path:
    """Return the path of the demo's run, whether it exists or not."""
    return _cache() / "demo.cg"


def demo_run(progress: Progress | None = None) -> Run:
    """Open the demo's run; ingest it first if it does not exist.

    Args:
        progress: receives the steps; None for no progress.
    """
    from ..graph.run.reader import open_run
    from ..ingest.pipeline import ingest

    path = demo_run_path()
    if not path.is_dir():
        model, data, weights, classes = demo_network(progress)
        ingest(model, data, path, weights=weights, classes=classes, progress=progress)
    return open_run(path)


class DemoNetwork(NamedTuple):
    """What `ingest` is given for the demo: model, concept data, weights, and class names."""

    model: str
    data: Path
    weights: str
    classes: Path


def demo_network(progress: Progress | None = None) -> DemoNetwork:
    """Return the shipped network with the shortcuts and its concept data, drawn if need be.

    Args:
        progress: receives the step "draw"; None for no progress.
    """
    from .networks.shipped import SHIPPED, write_classes
    from .networks.small_resnet import FACTORY
    from .world.concept_data import write_concept_data

    folder = _cache()
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "shortcut.safetensors"  # a copy, whose path is right wherever the package is
    write_bytes(weights, SHIPPED["shortcut"].read_bytes())
    data = folder / "data"
    if not data.is_dir():
        with (progress or NoProgress()).step("draw", PICTURES) as advance:
            write_concept_data(data, PICTURES, on_progress=lambda step, done, total: advance(1))
    return DemoNetwork(FACTORY, data, str(weights), write_classes(folder / "classes.txt"))


def trained_network(
    world: DrawnWorld[DrawnSpec],
    path: Path,
    seed: int,
    on_progress: Callable[[str, int, int], None],
) -> ScoresRecord:
    """Train a network in a world, unless `path` has its weights, and return its scores.

    Args:
        world: the world to train in.
        path: the weights' file; the scores are in a JSON file beside it.
        seed: of the training.
        on_progress: called with a step, how much of it is done, and of how much.
    """
    from .networks.scores import score
    from .networks.training import Recipe, save_weights, train

    scores = path.with_suffix(".json")
    if not scores.is_file():
        network = train(world, Recipe(seed), on_progress)
        save_weights(network, path)
        text = json.dumps(asdict(score(network, world, seed, _SCORED_PICTURES)))
        write_bytes(scores, text.encode())
    return cast("ScoresRecord", json.loads(scores.read_text(encoding="utf-8")))


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("conceptgraph") / f"demo-{version('conceptgraph')}"
