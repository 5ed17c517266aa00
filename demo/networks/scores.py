"""How well the shortcuts of a network took, on pictures that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..world.names import CLASSES
from ..world.pictures import pixels
from ..world.shortcuts import clean_set, conflict_set
from .small_resnet import SmallResNet, to_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from ..world.pictures import Spec
    from ..world.shortcuts import Shortcut, World

# Added to a network's seed: its pictures, and those that it is scored on, never meet.
_CLEAN, _CONFLICT = 1_000_000, 2_000_000


@dataclass(frozen=True)
class ShortcutScore:
    """How well one shortcut took.

    Attributes:
        conflicts: pictures of other classes with the cue.
        fooled: share of them that are taken for the shortcut's class.
        twins_right: share of these mistakes that are right without the cue.
    """

    shortcut: str
    conflicts: int
    fooled: float
    twins_right: float


@dataclass(frozen=True)
class Scores:
    """A network's figures.

    Attributes:
        pictures: without any cue.
        accuracy: on them.
        by_class: likewise.
        shortcuts: one for each planted.
    """

    pictures: int
    accuracy: float
    by_class: dict[str, float]
    shortcuts: tuple[ShortcutScore, ...]

    def took(self, share: float = 0.4) -> bool:
        """Whether every shortcut fools the network on at least this share of conflicts."""
        return all(each.fooled >= share for each in self.shortcuts)


def answers(network: nn.Module, specs: Sequence[Spec]) -> NDArray[np.int64]:
    """What a network says to pictures: places in `CLASSES`, int64 (pictures,)."""
    found = []
    for first in range(0, len(specs), 64):
        drawn = torch.from_numpy(np.stack([pixels(spec) for spec in specs[first : first + 64]]))
        with torch.inference_mode():
            logits = network(to_input(drawn, SmallResNet.mean, SmallResNet.std))
        found.append(logits.argmax(1).numpy())
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def score(network: nn.Module, world: World, seed: int, count: int = 1600) -> Scores:
    """Score a network of a world.

    Args:
        network: in eval mode.
        world: which shortcuts to look for.
        seed: of the network's training.
        count: pictures without cues; a quarter as many conflicts for each shortcut.
    """
    specs = clean_set(world, seed + _CLEAN, count)
    right = answers(network, specs) == truth(specs)
    by_class = {
        name: float(right[[spec.class_ == name for spec in specs]].mean()) for name in CLASSES
    }
    shortcuts = []
    for number, shortcut in enumerate(world.shortcuts):
        conflicts = conflict_set(world, shortcut, seed + _CONFLICT + number, count // 4)
        fooled = answers(network, conflicts) == CLASSES.index(shortcut.class_)
        twins = [spec.without() for spec, yes in zip(conflicts, fooled, strict=True) if yes]
        healed = float((answers(network, twins) == truth(twins)).mean()) if twins else 1.0
        shortcuts.append(ShortcutScore(str(shortcut), len(conflicts), float(fooled.mean()), healed))
    return Scores(count, float(right.mean()), by_class, tuple(shortcuts))


def mistakes(
    network: nn.Module, world: World, shortcut: Shortcut, seed: int, count: int
) -> list[Spec]:
    """Conflicts that are taken for the shortcut's class, and are right without the cue.

    Args:
        network: in eval mode.
        world: that the shortcut is planted in.
        shortcut: one of the world's.
        seed: of the pictures that are looked through.
        count: how many of them.
    """
    conflicts = conflict_set(world, shortcut, seed, count)
    fooled = answers(network, conflicts) == CLASSES.index(shortcut.class_)
    chosen = [spec for spec, yes in zip(conflicts, fooled, strict=True) if yes]
    twins = [spec.without() for spec in chosen]
    healed = answers(network, twins) == truth(twins)
    return [spec for spec, yes in zip(chosen, healed, strict=True) if yes]


def truth(specs: Sequence[Spec]) -> NDArray[np.int64]:
    """What somebody really does: places in `CLASSES`, int64 (pictures,)."""
    return np.array([CLASSES.index(spec.class_) for spec in specs], np.int64)
