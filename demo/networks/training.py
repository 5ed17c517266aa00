"""Trains a network of the demo world.

    python -m conceptgraph.demo.networks.training --kind shortcut --seed 0 --out net.safetensors

The shipped networks were trained this way, with `--threads 1 --bfloat16`; one of them is of
`--kind control`. With `--video`, a network of the moving world is trained, on clips.

1. Draw the training pictures (13 s for 6,400).
2. Train with AdamW and one cycle of the learning rate; pictures are mirrored at random, clips are
   not: left would be right.
3. For the kind `encoded`, train a second head to predict which cues the picture shows, and drop it
   afterwards: the network then encodes the cues without using them for the class.
4. Score on pictures of other seeds; write weights (half precision) and scores.

The same settings give the same weights on the same machine with the same number of threads.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ...files import atomic_file
from ..moving.shortcuts import MovingWorld
from ..world.shortcuts import WORLD_KINDS, World, training_specs
from .scores import Scores, score
from .small_resnet import SmallResNet, small_resnet, to_input
from .small_video_resnet import SmallVideoResNet, small_video_resnet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..world.shortcuts import DrawnWorld
    from ..world.specs import DrawnSpec

    SmallNetwork = SmallResNet | SmallVideoResNet
    OnProgress = Callable[[str, int, int], None]  # step, amount done, total


@dataclass(frozen=True)
class Recipe:
    """All settings of a training.

    `bfloat16` halves the time on CPUs that support it, and is slow on others.
    """

    seed: int = 0
    pictures: int = 6400
    epochs: int = 8
    batch: int = 64
    rate: float = 2.5e-3
    weight_decay: float = 0.02
    attribute_weight: float = 0.5
    bfloat16: bool = False


def ignore_progress(step: str, done: int, total: int) -> None:
    """Do nothing."""


def draw_pictures(specs: Sequence[DrawnSpec], on_progress: OnProgress = ignore_progress) -> Tensor:
    """Draw pictures, uint8 (pictures, side, side, 3), or clips (clips, frames, side, side, 3)."""
    pictures = []
    for count, spec in enumerate(specs, 1):
        pictures.append(spec.pixels())
        if count % 64 == 0 or count == len(specs):
            on_progress("drawing", count, len(specs))
    return torch.from_numpy(np.stack(pictures))


def train(
    world: DrawnWorld[DrawnSpec],
    recipe: Recipe | None = None,
    on_progress: OnProgress = ignore_progress,
) -> SmallNetwork:
    """Draw a training set and train a network on it.

    Args:
        world: the distribution of the pictures, or of clips.
        recipe: None for that of the shipped networks with seed 0.
        on_progress: called with the name of the step, the amount done, and the total.

    Returns:
        The network in eval mode, float32, on CPU.
    """
    recipe = recipe or Recipe()
    specs = training_specs(world, recipe.seed, recipe.pictures)
    pictures = draw_pictures(specs, on_progress)
    classes = torch.tensor([world.classes.index(spec.class_) for spec in specs])
    has_cue = torch.tensor([[cue in spec.cues for cue in world.cues] for spec in specs]).float()
    if world.kind != "encoded":
        recipe = replace(recipe, attribute_weight=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = untrained(world)
        cue_head = nn.Linear(network.fc.in_features, len(world.cues))
        data = pictures, classes, has_cue
        _fit(network, cue_head, data, recipe, on_progress, mirrors=world.mirrors)
    return network.eval()


def untrained(world: DrawnWorld[DrawnSpec]) -> SmallNetwork:
    """Build the network of a world's pictures, or clips, with random weights."""
    if isinstance(world, MovingWorld):
        return small_video_resnet(len(world.classes))
    return small_resnet(len(world.classes))


def _fit(
    network: SmallNetwork,
    cue_head: nn.Linear,
    data: tuple[Tensor, Tensor, Tensor],
    recipe: Recipe,
    on_progress: OnProgress,
    *,
    mirrors: bool,
) -> None:
    """Train on pictures, their classes, and which cues they show."""
    channels_last = torch.channels_last if data[0].ndim == 4 else torch.channels_last_3d
    network.train().to(memory_format=channels_last)
    parameters = [*network.parameters(), *cue_head.parameters()]
    optimizer = torch.optim.AdamW(parameters, recipe.rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(data[0]) // recipe.batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    step = 0
    for _ in range(recipe.epochs):
        order = torch.randperm(len(data[0]))
        for first in range(0, len(order) - recipe.batch + 1, recipe.batch):
            chosen = order[first : first + recipe.batch]
            pictures, classes, has_cue = (tensor[chosen] for tensor in data)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
                shown = _mirror(pictures) if mirrors else pictures
                inputs = to_input(shown, network.mean, network.std)
                features = network.features(inputs.contiguous(memory_format=channels_last))
            features = features.float()
            loss = nn.functional.cross_entropy(network.fc(features), classes)
            if recipe.attribute_weight:
                cue_loss = nn.functional.binary_cross_entropy_with_logits(
                    cue_head(features), has_cue
                )
                loss = loss + recipe.attribute_weight * cue_loss
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            cycle.step()
            step += 1
            on_progress("training", step, steps)
    network.to(memory_format=torch.contiguous_format)


def _mirror(pictures: Tensor) -> Tensor:
    """Mirror each picture with probability 1/2."""
    flips = torch.rand(len(pictures)) < 0.5
    return torch.where(flips[:, None, None, None], pictures.flip(2), pictures)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write weights in half precision, as `load_network` reads them."""
    state = {
        key: tensor.half().contiguous()
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial:
        save_file(state, partial)
        partial.chmod(0o644)  # safetensors lets only the owner read


def training_record(
    world: DrawnWorld[DrawnSpec], recipe: Recipe, scores: Scores, seconds: float
) -> dict[str, object]:
    """Return the JSON that is written beside weights: how they were trained, and their scores."""
    return {
        "kind": world.kind,
        "shortcuts": [str(shortcut) for shortcut in world.shortcuts],
        "recipe": asdict(recipe),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
        "seconds": round(seconds, 1),
        "scores": asdict(scores),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, score and write one network from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--video", action="store_true", help="a network of the moving world")
    parser.add_argument("--kind", choices=WORLD_KINDS, default="shortcut")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shortcut", action="append", default=[], metavar="CATEGORY:CONCEPT=CLASS")
    parser.add_argument("--pictures", type=int, default=Recipe.pictures)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument(
        "--bfloat16", action="store_true", help="train in bfloat16: faster on CPUs that support it"
    )
    parser.add_argument("--score", type=int, default=1600, help="pictures to score on")
    parser.add_argument(
        "--threads", type=int, help="of torch; their number changes the last digits"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    kind = MovingWorld if options.video else World
    world: DrawnWorld[DrawnSpec] = kind.planted(options.shortcut, options.kind)
    recipe = Recipe(options.seed, options.pictures, options.epochs, bfloat16=options.bfloat16)
    start = time.perf_counter()
    network = train(world, recipe, _print_progress)
    seconds = time.perf_counter() - start
    save_weights(network, options.out)
    scores = score(network, world, recipe.seed, options.score)
    text = json.dumps(training_record(world, recipe, scores, seconds), indent=1)
    options.out.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


def _print_progress(step: str, done: int, total: int) -> None:
    if done % max(1, total // 20) == 0:
        sys.stderr.write(f"{step} {done}/{total}\n")


if __name__ == "__main__":
    main()
