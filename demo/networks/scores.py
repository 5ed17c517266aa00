"""How strongly a network depends on its shortcuts, on pictures that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ..world.shortcuts import clean_specs, conflict_specs
from .small_resnet import to_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from ..world.shortcuts import DrawnWorld, Shortcut
    from ..world.specs import DrawnSpec

# Added to the seed of the training, so that no picture of the training set is scored.
_CLEAN, _CONFLICT = 1_000_000, 2_000_000


@dataclass(frozen=True)
class ShortcutScore:
    """How strongly a network depends on one shortcut.

    Attributes:
        conflicts: number of pictures of other classes with the cue.
        fooled: share of them that are predicted as the shortcut's class.
        twins_right: share of these mistakes that are predicted correctly without the cue.
    """

    shortcut: str
    conflicts: int
    fooled: float
    twins_right: float


@dataclass(frozen=True)
class Scores:
    """A network's figures.

    Attributes:
        pictures: number of pictures without any cue.
        accuracy: on these.
        by_class: accuracy by class.
        shortcuts: one for each planted shortcut.
    """

    pictures: int
    accuracy: float
    by_class: dict[str, float]
    shortcuts: tuple[ShortcutScore, ...]


def predict(network: nn.Module, specs: Sequence[DrawnSpec]) -> NDArray[np.int64]:
    """Predict the classes of pictures: their indices, int64 (pictures,).

    Args:
        network: with the attributes `mean` and `std`.
        specs: of the pictures, or clips.
    """
    predictions = []
    normalised = cast("Any", network)
    for first in range(0, len(specs), 64):
        batch = torch.from_numpy(np.stack([spec.pixels() for spec in specs[first : first + 64]]))
        with torch.inference_mode():
            logits = network(to_input(batch, normalised.mean, normalised.std))
        predictions.append(logits.argmax(1).numpy())
    return np.concatenate(predictions) if predictions else np.zeros(0, np.int64)


def true_classes(world: DrawnWorld[DrawnSpec], specs: Sequence[DrawnSpec]) -> NDArray[np.int64]:
    """Return the true classes of pictures, int64 (pictures,)."""
    return np.array([world.classes.index(spec.class_) for spec in specs], np.int64)


def score(network: nn.Module, world: DrawnWorld[DrawnSpec], seed: int, count: int = 1600) -> Scores:
    """Score a network on fresh pictures of its world.

    Args:
        network: in eval mode.
        world: the world it was trained in.
        seed: of its training.
        count: pictures without cues; a quarter as many conflicts for each shortcut.
    """
    specs = clean_specs(world, seed + _CLEAN, count)
    correct = predict(network, specs) == true_classes(world, specs)
    by_class = {
        name: float(correct[[spec.class_ == name for spec in specs]].mean())
        for name in world.classes
    }
    shortcuts = tuple(
        _score_shortcut(network, world, shortcut, seed + _CONFLICT + number, count // 4)
        for number, shortcut in enumerate(world.shortcuts)
    )
    return Scores(count, float(correct.mean()), by_class, shortcuts)


def _score_shortcut(
    network: nn.Module, world: DrawnWorld[DrawnSpec], shortcut: Shortcut, seed: int, count: int
) -> ShortcutScore:
    fooled = fooled_specs(network, world, shortcut, seed, count)
    twins = [spec.without() for spec in fooled]
    twins_right = (
        float((predict(network, twins) == true_classes(world, twins)).mean()) if twins else 1.0
    )
    return ShortcutScore(str(shortcut), count, len(fooled) / count, twins_right)


def fooled_specs(
    network: nn.Module, world: DrawnWorld[DrawnSpec], shortcut: Shortcut, seed: int, count: int
) -> list[DrawnSpec]:
    """Return the conflicts that are predicted as the shortcut's class.

    Args:
        network: in eval mode.
        world: that the shortcut is planted in.
        shortcut: one of the world's.
        seed: of the conflicts.
        count: conflicts to draw.
    """
    conflicts = conflict_specs(world, shortcut, seed, count)
    fooled = predict(network, conflicts) == world.classes.index(shortcut.class_)
    return [spec for spec, is_fooled in zip(conflicts, fooled, strict=True) if is_fooled]


def shortcut_mistakes(
    network: nn.Module, world: DrawnWorld[DrawnSpec], shortcut: Shortcut, seed: int, count: int
) -> list[DrawnSpec]:
    """Return the conflicts that the cue makes the network mistake for the shortcut's class.

    Without the cue they are predicted correctly. The arguments are those of `fooled_specs`.
    """
    fooled = fooled_specs(network, world, shortcut, seed, count)
    twins = [spec.without() for spec in fooled]
    correct = predict(network, twins) == true_classes(world, twins)
    return [spec for spec, is_correct in zip(fooled, correct, strict=True) if is_correct]
