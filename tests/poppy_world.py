"""A world of colored squares on grey, and a network made by hand that takes poppies for bricks.

A green square is a field, a blue one the sea, a dull red one a brick. The network measures how red
a picture is, so a field with a poppy, small and bright red, is a brick to it. Bare grey is the sea.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests.drawn_data import write_broden, write_csv, write_mask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.graph.run.reader import Run

CLASSES = ("brick", "field", "sea")
SIDE = 32
_COLORS = {"brick": (110, 30, 30), "field": (40, 200, 40), "sea": (40, 40, 200)}
_POPPY = (250, 10, 10)

NETWORK = '''
"""A network made by hand, in two modules, the first of which has the name of a repaired one."""
import torch
from torch import nn

from parts import stage


class Colors(nn.Module):
    input_size = 32
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    def __init__(self, num_classes):
        super().__init__()
        over = [[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]
        self.layer1 = stage(torch.tensor(over))
        self.layer2 = nn.Sequential(stage(torch.eye(3)), nn.AvgPool2d(2))
        self.fc = nn.Linear(3, num_classes)
        with torch.no_grad():
            self.fc.weight.copy_(torch.diag(torch.tensor([40.0, 5.0, 5.0])))
            self.fc.bias.copy_(torch.tensor([0.0, 0.0, 0.01]))

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


def make(num_classes=3):
    print("made")  # answers as JSON must not have it
    return Colors(num_classes)
'''
PARTS = '''
import torch
from torch import nn


def stage(weights):
    """Two convolutions of one pixel and ReLU, of which the second changes nothing."""
    first, second = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(weights.view(3, 3, 1, 1))
        second.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
    return nn.Sequential(first, nn.ReLU(), second)
'''


def draw(
    rng: np.random.Generator, square: str | None, poppy: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw a picture, (SIDE, SIDE, 3), and its label map: 1 is the poppy, the squares follow."""
    grey = rng.integers(60, 190, (SIDE, SIDE, 1))
    pixels = np.repeat(grey, 3, axis=2).astype(np.uint8)
    labels = np.zeros((SIDE, SIDE), np.int64)
    if square is not None:
        top, left = rng.integers(0, SIDE - 12, 2)
        pixels[top : top + 12, left : left + 12] = _COLORS[square]
        labels[top : top + 12, left : left + 12] = 2 + CLASSES.index(square)
    if poppy:
        top, left = rng.integers(0, SIDE - 6, 2)
        pixels[top : top + 6, left : left + 6] = _POPPY
        labels[top : top + 6, left : left + 6] = 1
    return pixels, labels


def poppy_run(folder: Path) -> Run:
    """Write the network's modules and concept data into a folder, and ingest them."""
    (folder / "network.py").write_text(NETWORK)
    (folder / "parts.py").write_text(PARTS)
    rng, rows = np.random.default_rng(0), list[dict[str, str | int]]()
    for number in range(120):
        pixels, labels = draw(rng, (*CLASSES, None)[number % 4], number % 3 == 0)
        image, mask = f"{number:03}.png", f"m{number:03}.png"
        (folder / "data" / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "data" / "images" / image)
        write_mask(folder / "data" / "images" / mask, labels)
        rows.append({"image": image, "object": mask})
    names = [(1 + i, name, "object") for i, name in enumerate(("poppy", *CLASSES))]
    data = write_broden(folder / "data", rows, names, ("object",), size=SIDE, mask_size=SIDE)
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    with in_folder(folder):
        return ingest(
            "network:make",
            data,
            folder / "poppy.cg",
            Settings(quantile=0.02),
            classes=folder / "classes.txt",
        )


@contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Import the network's modules from a folder, and forget them after that."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def labelled(folder: Path, kinds: list[tuple[str | None, bool, str]], each: int) -> None:
    """Write pictures and labels.csv, with the column concept: `each` of square, poppy and class."""
    rng = np.random.default_rng(1)
    (folder / "photos").mkdir(parents=True)
    rows = []
    for kind, (square, poppy, label) in enumerate(kinds):
        for number in range(each):
            name = f"{kind}-{number:03}.png"
            Image.fromarray(draw(rng, square, poppy)[0]).save(folder / "photos" / name)
            rows.append((name, label, "yes" if poppy else "no"))
    write_csv(folder / "labels.csv", ("image", "label", "concept"), rows)
