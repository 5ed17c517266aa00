"""The networks that come with the package, and how they came about.

`shortcut` takes the planted cues for classes; `control` saw the same cues anywhere, and does not.
Weights are half precision; `recipe.json` holds recipe, seed, versions and figures of both.
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


class ShortcutFigures(TypedDict):
    """`scores.ShortcutScore`, written."""

    shortcut: str
    conflicts: int
    fooled: float
    twins_right: float


class Figures(TypedDict):
    """`scores.Scores`, written."""

    pictures: int
    accuracy: float
    by_class: dict[str, float]
    shortcuts: list[ShortcutFigures]


class Record(TypedDict):
    """What is kept of a training."""

    kind: str
    shortcuts: list[str]
    recipe: dict[str, float]
    threads: int
    versions: dict[str, str]
    seconds: float
    scores: Figures


def shipped_network(kind: str = "shortcut") -> Network:
    """A shipped network with the names of its classes.

    Args:
        kind: a key of `SHIPPED`.

    Raises:
        KeyError: another kind.
        ModelError: the file is damaged.
    """
    return replace(load_network(FACTORY, str(SHIPPED[kind])), classes=CLASSES)


def shipped_records() -> dict[str, Record]:
    """How the shipped networks came about, by kind."""
    records: dict[str, Record] = json.loads((_FOLDER / "recipe.json").read_text(encoding="utf-8"))
    return records


def write_classes(path: Path) -> Path:
    """The class names as a file, for commands that take one."""
    path.write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return path
