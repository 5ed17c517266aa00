"""A world whose pictures state their labels as colors, and a network of units made by hand.

Red codes the object of a pixel and green its texture; blue is a smooth random field that no label
knows. So units can be weighted by hand that detect one concept, a union, an intersection, a
difference, or nothing but the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from tests.drawn_data import write_broden, write_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OBJECTS = ("ball", "bed", "boat", "chair", "lamp", "river", "tree", "water")
TEXTURES = ("dotted", "plain", "striped", "wavy")
SCENES = ("bedroom", "street")
SIDE, MASK = 64, 32
_STEP = 25
"""Between the codes of two labels, of 255."""
FIELDS = 12


class Planted(NamedTuple):
    """A unit: what it fires for (object or texture), what it must have too, or must not have."""

    name: str
    any_of: tuple[str, ...]
    also: str = ""
    never: str = ""


def planted_units() -> list[Planted]:
    """Return the units of the network's last block: with a formula, of one concept, of none."""
    unions = [("water", "river"), ("ball", "boat"), ("lamp", "tree"), ("bed", "chair")]
    return [
        *(Planted(" OR ".join(sorted(names)), names) for names in unions),
        Planted("ball OR bed OR lamp", ("ball", "bed", "lamp")),
        Planted("boat AND dotted", ("boat",), also="dotted"),
        Planted("chair AND striped", ("chair",), also="striped"),
        Planted("bed AND NOT plain", ("bed",), never="plain"),
        Planted("water AND NOT wavy", ("water",), never="wavy"),
        *(Planted("", (name,)) for name in (*OBJECTS, *TEXTURES)),
        *(Planted("", ()) for _ in range(FIELDS)),
    ]


class Bumps(nn.Module):
    """Is 1 where a channel has a value, 0 from `width` away; one output a channel and value."""

    def __init__(self, values: list[tuple[int, float]], width: float) -> None:
        super().__init__()
        self.hinges = nn.Conv2d(3, 2 * len(values), 1)
        self.sums = nn.Conv2d(2 * len(values), len(values), 1)
        self.relu = nn.ReLU()
        with torch.no_grad():
            for layer in (self.hinges, self.sums):
                layer.weight.zero_()
            for place, (channel, value) in enumerate(values):
                for side, sign in enumerate((1.0, -1.0)):
                    self.hinges.weight[2 * place + side, channel] = sign / width
                    self.hinges.get_parameter("bias")[2 * place + side] = -sign * value / width
                    self.sums.weight[place, 2 * place + side] = -1
                self.sums.get_parameter("bias")[place] = 1

    def forward(self, x: Tensor) -> Tensor:
        bumps: Tensor = self.relu(self.sums(self.relu(self.hinges(x))))
        return bumps


class CodedNetwork(nn.Module):
    """Bumps at the codes of all labels, then the planted units, their maps half as large."""

    input_size = SIDE
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        names = (*OBJECTS, *TEXTURES)
        codes = [(0, (1 + i) * _STEP / 255) for i in range(len(OBJECTS))]
        codes += [(1, (1 + i) * _STEP / 255) for i in range(len(TEXTURES))]
        fields = [(2, (0.5 + i) / FIELDS) for i in range(FIELDS)]
        self.layer1 = Bumps([*codes, *fields], 0.5 * _STEP / 255)
        units = planted_units()
        mix = nn.Conv2d(len(codes) + FIELDS, len(units), 1)
        rng = np.random.default_rng(0)
        with torch.no_grad():
            mix.weight.zero_()
            mix.get_parameter("bias").fill_(-0.4)
            for place, unit in enumerate(units):
                for name in unit.any_of:
                    mix.weight[place, names.index(name)] = 1
                if unit.also:
                    mix.weight[place, names.index(unit.also)] = 1
                    mix.get_parameter("bias")[place] = -1.4
                if unit.never:
                    mix.weight[place, names.index(unit.never)] = -2
                field = torch.from_numpy(rng.uniform(-0.5, 0.5, FIELDS)).float()
                mix.weight[place, len(codes) :, 0, 0] = field + 0.5 * (not unit.any_of)
        self.layer2 = nn.Sequential(mix, nn.ReLU(), nn.AvgPool2d(2))
        self.fc = nn.Linear(len(units), num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.layer2(self.layer1(x)).mean((2, 3)))
        return logits


def coded_network() -> nn.Module:
    """Build the network; `--model tests.coded_world:coded_network` calls this."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CodedNetwork()


def draw_coded_world(folder: Path, images: int, seed: int = 0) -> Path:
    """Write concept data of this world; scenes label whole images."""
    rng = np.random.default_rng(seed)
    numbers = {name: 1 + i for i, name in enumerate((*OBJECTS, *TEXTURES, *SCENES))}
    rows: list[dict[str, str | int]] = []
    for place in range(images):
        objects = _rectangles(rng, len(OBJECTS), (6, 16))
        textures = _rectangles(rng, len(TEXTURES), (12, 28))
        field = np.asarray(
            Image.fromarray(rng.integers(0, 256, (9, 9), np.uint8)).resize((SIDE, SIDE))
        )
        large = [np.kron(codes, np.ones((SIDE // MASK,) * 2, int)) for codes in (objects, textures)]
        pixels = np.stack([large[0] * _STEP, large[1] * _STEP, field], axis=2).astype(np.uint8)
        name = f"{place:04}.png"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / name)
        textures[textures > 0] += len(OBJECTS)
        write_mask(folder / "images" / f"o{name}", objects)
        write_mask(folder / "images" / f"t{name}", textures)
        scene = numbers[SCENES[int(rng.integers(len(SCENES)))]]
        rows.append({"image": name, "object": f"o{name}", "texture": f"t{name}", "scene": scene})
    category = {**dict.fromkeys(OBJECTS, "object"), **dict.fromkeys(TEXTURES, "texture")}
    category |= dict.fromkeys(SCENES, "scene")
    labels = [(number, name, category[name]) for name, number in numbers.items()]
    return write_broden(
        folder, rows, labels, ("object", "texture", "scene"), size=SIDE, mask_size=MASK
    )


def _rectangles(rng: np.random.Generator, labels: int, sides: tuple[int, int]) -> NDArray[np.int64]:
    """Draw a label map, (MASK, MASK): a few rectangles of labels from 1, 0 elsewhere."""
    codes = np.zeros((MASK, MASK), np.int64)
    for _ in range(int(rng.integers(3, 7))):
        top, left = rng.integers(0, MASK - 6, 2)
        height, width = rng.integers(*sides, 2)
        codes[top : top + height, left : left + width] = rng.integers(1, labels + 1)
    return codes
