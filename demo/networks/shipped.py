"""The networks that come with the package, and the records of their training.

`shortcut` mistakes the planted cues for classes; `control` saw the cues with all classes alike and
ignores them. Weights are half precision; `recipe.json` holds recipe, seed, versions and scores.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from ...ingest.network.loading import load_network
from ..world.names import CLASSES
from .small_resnet import FACTORY

if TYPE_CHECKING:
    from ...ingest.network.loading import Network

_FOLDER = Path(__file__).parent
SHIPPED = {name: _FOLDER / f"{name}.safetensors" for name in ("shortcut", "control")}


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
    return replace(load_network(FACTORY, str(SHIPPED[kind])), classes=CLASSES)


def shipped_records() -> dict[str, TrainingRecord]:
    """Load the training records of the shipped networks, by kind."""
    text = (_FOLDER / "recipe.json").read_text(encoding="utf-8")
    records: dict[str, TrainingRecord] = json.loads(text)
    return records


def write_classes(path: Path) -> Path:
    """Write the class names to a file, for commands that take one."""
    path.write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return path
