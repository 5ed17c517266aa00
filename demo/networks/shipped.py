"""The networks that come with the package, and the records of their training.

`shortcut` mistakes the planted cues for classes; `control` saw the cues with all classes alike and
ignores them. `video-shortcut` and `video-control` are those of the moving world. Weights are half
precision; `recipe.json` holds recipe, seed, versions and scores.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from ...ingest.network.loading import load_network
from ..moving.shortcuts import MovingWorld
from ..world.shortcuts import World
from . import small_resnet, small_video_resnet

if TYPE_CHECKING:
    from ...ingest.network.loading import Network
    from ..world.shortcuts import DrawnWorld
    from ..world.specs import DrawnSpec

_FOLDER = Path(__file__).parent
_VIDEO = "video-"
SHIPPED = {
    name: _FOLDER / f"{name}.safetensors"
    for name in ("shortcut", "control", f"{_VIDEO}shortcut", f"{_VIDEO}control")
}


class ShortcutScoreRecord(TypedDict):
    """`scores.ShortcutScore` as JSON."""

    shortcut: str
    conflicts: int
    fooled: float
    twins_right: float


class ScoresRecord(TypedDict):
    """`scores.Scores` as JSON."""

    pictures: int
    accuracy: float
    by_class: dict[str, float]
    shortcuts: list[ShortcutScoreRecord]


class TrainingRecord(TypedDict):
    """The record of a training, as `training` writes it."""

    kind: str
    shortcuts: list[str]
    recipe: dict[str, float]
    threads: int
    versions: dict[str, str]
    seconds: float
    scores: ScoresRecord


def shipped_network(kind: str = "shortcut") -> Network:
    """Load a shipped network with the names of its classes.

    Args:
        kind: a key of `SHIPPED`.

    Raises:
        KeyError: unknown kind.
        ModelError: the file is damaged.
    """
    world = MovingWorld() if kind.startswith(_VIDEO) else World()
    return replace(load_network(factory_of(world), str(SHIPPED[kind])), classes=world.classes)


def shipped_weights(world: DrawnWorld[DrawnSpec]) -> dict[str, Path]:
    """Return the weights of the network of a world with the shortcuts, and of its control."""
    prefix = _VIDEO if isinstance(world, MovingWorld) else ""
    return {name: SHIPPED[f"{prefix}{name}"] for name in ("shortcut", "control")}


def shipped_records() -> dict[str, TrainingRecord]:
    """Load the training records of the shipped networks, by kind."""
    text = (_FOLDER / "recipe.json").read_text(encoding="utf-8")
    records: dict[str, TrainingRecord] = json.loads(text)
    return records


def factory_of(world: DrawnWorld[DrawnSpec]) -> str:
    """Return the factory of the network of a world, as `ingest` takes it."""
    is_moving = isinstance(world, MovingWorld)
    return small_video_resnet.FACTORY if is_moving else small_resnet.FACTORY


def write_classes(path: Path, world: DrawnWorld[DrawnSpec] | None = None) -> Path:
    """Write the class names of a world to a file, for commands that take one.

    Args:
        path: of the file.
        world: whose classes; None for that of pictures.
    """
    path.write_text("\n".join((world or World()).classes) + "\n", encoding="utf-8")
    return path
