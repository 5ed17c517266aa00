"""Training a network of the demo world.

    python -m conceptgraph.demo.networks.training --kind shortcut --seed 0 --out net.safetensors

The shipped networks were made so, with `--threads 1 --bfloat16`, and with `--kind control`.

1. Draw the training pictures (13 s for 6,400).
2. Train with AdamW and one cycle of the learning rate; pictures are mirrored by chance.
3. For the kind `encoded`, a second head learns which cues are there, and is dropped afterwards: the
   network then knows the cue, without any use of it for the class.
4. Score on pictures of other seeds, and write weights (half precision) and figures.

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

from ..world.names import CLASSES
from ..world.pictures import pixels
from ..world.shortcuts import KINDS, World, parse_shortcuts, training_set
from .scores import Scores, score
from .small_resnet import SmallResNet, small_resnet, to_input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..world.pictures import Spec

    Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Recipe:
    """All settings of a training.

    `bfloat16` halves the time on processors that compute with it, and is slow on others.
    """

    seed: int = 0
    pictures: int = 6400
    epochs: int = 8
    batch: int = 64
    rate: float = 2.5e-3
    weight_decay: float = 0.02
    attribute_weight: float = 0.5
    bfloat16: bool = False


def quiet(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def draw_pictures(specs: Sequence[Spec], tell: Tell = quiet) -> Tensor:
    """Pictures, uint8 (pictures, side, side, 3)."""
    drawn = []
    for count, spec in enumerate(specs, 1):
        drawn.append(pixels(spec))
        if count % 64 == 0 or count == len(specs):
            tell("drawing", count, len(specs))
    return torch.from_numpy(np.stack(drawn))


def train(world: World, recipe: Recipe | None = None, tell: Tell = quiet) -> SmallResNet:
    """Draw a training set and train a network on it.

    Args:
        world: what is planted, and how.
        recipe: None is the shipped networks' with seed 0.
        tell: called with a step's name, what is done, and of how much.

    Returns:
        The network in eval mode, float32, on the CPU.
    """
    recipe = recipe or Recipe()
    specs = training_set(world, recipe.seed, recipe.pictures)
    pictures = draw_pictures(specs, tell)
    classes = torch.tensor([CLASSES.index(spec.class_) for spec in specs])
    there = torch.tensor([[cue in spec.cues for cue in world.cues] for spec in specs]).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = small_resnet()
        attributes = nn.Linear(network.fc.in_features, len(world.cues))
        use = recipe.attribute_weight if world.kind == "encoded" else 0.0
        _fit(
            network,
            attributes,
            (pictures, classes, there),
            replace(recipe, attribute_weight=use),
            tell,
        )
    return network.eval()


def _fit(
    network: SmallResNet,
    attributes: nn.Linear,
    data: tuple[Tensor, Tensor, Tensor],
    recipe: Recipe,
    tell: Tell,
) -> None:
    network.train().to(memory_format=torch.channels_last)
    parameters = [*network.parameters(), *attributes.parameters()]
    optimizer = torch.optim.AdamW(parameters, recipe.rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(data[0]) // recipe.batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    step = 0
    for _ in range(recipe.epochs):
        order = torch.randperm(len(data[0]))
        for first in range(0, len(order) - recipe.batch + 1, recipe.batch):
            chosen = order[first : first + recipe.batch]
            pictures, classes, there = (each[chosen] for each in data)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
                features = network.features(_mirrored(pictures))
            features = features.float()
            loss = nn.functional.cross_entropy(network.fc(features), classes)
            if recipe.attribute_weight:
                found = nn.functional.binary_cross_entropy_with_logits(attributes(features), there)
                loss = loss + recipe.attribute_weight * found
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            cycle.step()
            step += 1
            tell("training", step, steps)
    network.to(memory_format=torch.contiguous_format)


def _mirrored(pictures: Tensor) -> Tensor:
    """Network input; each picture mirrored with even chance."""
    flips = torch.rand(len(pictures)) < 0.5
    pictures = torch.where(flips[:, None, None, None], pictures.flip(2), pictures)
    return to_input(pictures, SmallResNet.mean, SmallResNet.std).contiguous(
        memory_format=torch.channels_last
    )


def save(network: SmallResNet, path: Path) -> None:
    """Weights in half precision, as `load_network` reads them."""
    state = {
        key: tensor.half().contiguous()
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(state, partial)
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.replace(path)


def record(world: World, recipe: Recipe, scores: Scores, seconds: float) -> dict[str, object]:
    """What stands beside weights: how they came about, and how good they are."""
    return {
        "kind": world.kind,
        "shortcuts": [str(shortcut) for shortcut in world.shortcuts],
        "recipe": asdict(recipe),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
        "seconds": round(seconds, 1),
        "scores": asdict(scores),
    }


def main(words: Sequence[str] | None = None) -> None:
    """Train, score and write one network, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kind", choices=KINDS, default="shortcut")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shortcut", action="append", default=[], metavar="CATEGORY:CONCEPT=CLASS")
    parser.add_argument("--pictures", type=int, default=Recipe.pictures)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--bfloat16", action="store_true", help="faster where there is hardware")
    parser.add_argument("--score", type=int, default=1600, help="pictures to score on")
    parser.add_argument("--threads", type=int, help="of torch; they decide the last digits")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(words)
    if options.threads:
        torch.set_num_threads(options.threads)
    world = World(parse_shortcuts(options.shortcut), options.kind)
    recipe = Recipe(options.seed, options.pictures, options.epochs, bfloat16=options.bfloat16)
    start = time.perf_counter()
    network = train(world, recipe, _tell)
    seconds = time.perf_counter() - start
    save(network, options.out)
    scores = score(network, world, recipe.seed, options.score)
    text = json.dumps(record(world, recipe, scores, seconds), indent=1)
    options.out.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


def _tell(step: str, done: int, total: int) -> None:
    if done % max(1, total // 20) == 0:
        sys.stderr.write(f"{step} {done}/{total}\n")


if __name__ == "__main__":
    main()
