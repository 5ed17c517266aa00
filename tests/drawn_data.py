"""Draws small concept data in the Broden layout: shapes with exact masks.

`python -m tests.drawn_data FOLDER` also writes an untrained ResNet-18 and its class names, so that
an ingest can run without any other data.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Bools: TypeAlias = "NDArray[np.bool_]"
Floats: TypeAlias = "NDArray[np.float64]"
Numbers: TypeAlias = "NDArray[np.int64]"

CATEGORIES = ("color", "object", "part", "scene", "texture", "action")
CLASSES = ("juggling", "typing", "riding", "painting")

PALETTE = {
    "black": (30, 33, 48),
    "grey": (128, 134, 146),
    "white": (243, 239, 228),
    "brown": (118, 86, 66),
    "red": (226, 50, 50),
    "orange": (246, 130, 30),
    "yellow": (250, 205, 30),
    "green": (40, 164, 74),
    "blue": (38, 98, 234),
    "purple": (146, 54, 232),
    "pink": (238, 88, 158),
}
BACKGROUNDS, PAINTS = tuple(PALETTE)[:4], tuple(PALETTE)[4:]
SHAPES = ("disc", "square", "triangle", "ring", "cross", "star")
TEXTURES = ("plain", "striped", "polka dotted", "checkered", "wavy")
SCENES = {"black": "night", "grey": "street", "white": "studio", "brown": "desert"}

# Global numbers. Actions need the green channel; "ring" is an object as well as a part.
NUMBERS: dict[str, dict[str, int]] = {
    "color": {name: 1 + place for place, name in enumerate(PALETTE)},
    "object": {name: 20 + place for place, name in enumerate(SHAPES)},
    "part": {"rim": 30, "core": 31, "ring": 23},
    "scene": {name: 40 + place for place, name in enumerate(SCENES.values())},
    "texture": {name: 50 + place for place, name in enumerate(TEXTURES[1:])},
    "action": {"juggling": 300, "balancing": 301},
}


# Writing the layout, also for hand-made sets


def write_mask(path: Path, numbers: NDArray[np.integer]) -> Path:
    """Write label numbers (height, width) as an RGB PNG: R + 256·G."""
    rgb = np.zeros((*numbers.shape, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = numbers % 256, numbers // 256
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)
    return path


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def write_broden(
    folder: Path,
    rows: Sequence[Mapping[str, str | int]],
    labels: Sequence[tuple[int, str, str]],
    categories: Sequence[str],
    *,
    coverage: Mapping[str, Mapping[int, float]] | None = None,
    size: int = 16,
    mask_size: int = 8,
    clips: bool = False,
) -> Path:
    """Write the tables as given, and a grey image for every row that has none yet.

    Args:
        folder: of the data set.
        rows: of index.csv; omitted cells are empty, `split` train, sizes `size`, `mask_size`.
        labels: number, name, category cell.
        categories: in order.
        coverage: images' worth of pixels by category and number; a c_*.csv for each category.
        size: of the images.
        mask_size: of the masks.
        clips: write the columns of clips, too.
    """
    sides = {"ih": size, "iw": size, "sh": mask_size, "sw": mask_size}
    columns = ("image", "split", *sides, *(("frames", "annotated") if clips else ()), *categories)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cells = [{**sides, "split": "train", **row} for row in rows]
    for row in cells:
        path = folder / "images" / str(row["image"])
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (int(row["iw"]), int(row["ih"])), (128, 128, 128)).save(path)
    index = [[row.get(column, "") for column in columns] for row in cells]
    write_csv(folder / "index.csv", columns, index)
    write_csv(folder / "label.csv", ("number", "name", "category"), labels)
    write_csv(folder / "category.csv", ("name",), [[name] for name in categories])
    for name, covered in (coverage or {}).items():
        write_csv(folder / f"c_{name}.csv", ("number", "coverage"), covered.items())
    return folder


# What is in a picture


@dataclass(frozen=True)
class Shape:
    kind: str
    x: float
    y: float
    radius: float
    angle: float
    paint: str
    second: str
    texture: str


@dataclass(frozen=True)
class Picture:
    background: str
    texture: str
    shapes: tuple[Shape, ...]
    action: str = ""


def plan(rng: np.random.Generator, place: int) -> Picture:
    """Plan picture number `place`: every third one shows an action, the others loose shapes."""
    background = BACKGROUNDS[place % len(BACKGROUNDS)]
    texture = TEXTURES[int(rng.integers(len(TEXTURES)))]
    inner = TEXTURES[int(rng.integers(len(TEXTURES)))]
    if place % 3 == 0:
        lift = rng.uniform(0.3, 0.4)
        spots = [(0.22, lift + 0.1, 0.13), (0.5, lift - 0.08, 0.13), (0.78, lift + 0.1, 0.13)]
        shapes = tuple(_shape(rng, "disc", spot, inner) for spot in spots)
        return Picture(background, texture, shapes, "juggling")
    if place % 3 == 1 and rng.random() < 0.5:
        x = rng.uniform(0.35, 0.65)
        ball = _shape(rng, "star", (x, 0.28, 0.18), "plain")
        box = _shape(rng, "square", (x, 0.67, 0.24), inner, axis_aligned=True)
        return Picture(background, texture, (box, ball), "balancing")
    corners = rng.permutation([(0.3, 0.3), (0.7, 0.34), (0.32, 0.7), (0.7, 0.7)])
    shapes = tuple(
        _shape(rng, str(rng.choice(SHAPES)), (x, y, rng.uniform(0.15, 0.24)), inner)
        for x, y in corners[: rng.integers(2, 5)]
    )
    return Picture(background, texture, shapes)


def _shape(
    rng: np.random.Generator,
    kind: str,
    spot: tuple[float, float, float],
    texture: str,
    *,
    axis_aligned: bool = False,
) -> Shape:
    x, y, radius = spot
    paint, second = rng.choice(PAINTS, 2, replace=False)
    angle = 0.0 if axis_aligned else rng.uniform(-0.4, 0.4)
    return Shape(kind, x, y, radius, angle, str(paint), str(second), texture)


# Where it is: everything is a function of position, so label maps of any size are exact


def positions(side: int) -> tuple[Floats, Floats]:
    """Return the centres of the pixels, x and y in [0, 1]."""
    centres = (np.arange(side) + 0.5) / side
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x, y


def inside(shape: Shape, x: Floats, y: Floats, scale: float = 1) -> Bools:
    """Return whether positions are inside a shape, shrunk to `scale`."""
    cos, sin = math.cos(shape.angle), math.sin(shape.angle)
    u = ((x - shape.x) * cos + (y - shape.y) * sin) / (shape.radius * scale)
    v = ((y - shape.y) * cos - (x - shape.x) * sin) / (shape.radius * scale)
    r = np.hypot(u, v)
    if shape.kind == "square":
        return np.maximum(abs(u), abs(v)) < 0.88
    if shape.kind == "triangle":
        return (v < 0.7) & (v > 1.9 * abs(u) - 1)
    if shape.kind == "ring":
        return (r < 1) & (r > 0.55)
    if shape.kind == "cross":
        return (np.minimum(abs(u), abs(v)) < 0.32) & (r < 1)
    if shape.kind == "star":
        return r < 0.7 + 0.3 * np.cos(5 * (np.arctan2(v, u) + math.pi / 2))
    return r < 1


def pattern(texture: str, x: Floats, y: Floats, periods: float) -> Bools:
    """Return where a texture has its second tone."""
    u, v = x * periods, y * periods
    if texture == "striped":
        return (u + v) % 1 < 0.5
    if texture == "polka dotted":
        return np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.3
    if texture == "checkered":
        return (u % 1 < 0.5) ^ (v % 1 < 0.5)
    if texture == "wavy":
        return (v + 0.25 * np.sin(2 * math.pi * u)) % 1 < 0.4
    return np.zeros_like(x, np.bool_)


def render(picture: Picture, side: int, smooth: int = 3) -> Image.Image:
    """Render a picture, averaged over `smooth` × `smooth` points per pixel."""
    x, y = positions(side * smooth)
    rgb = np.ones((*x.shape, 3)) * PALETTE[picture.background]
    rgb *= (1.1 - 0.2 * y)[..., None]
    rgb[pattern(picture.texture, x, y, 6)] *= 0.8
    for shape in picture.shapes:
        rgb[inside(shape, x - 0.02, y - 0.03)] *= 0.72  # its shadow
    for shape in picture.shapes:
        where, light = inside(shape, x, y), 1.12 - 0.35 * (y - shape.y) / shape.radius * 0.5
        second = where & pattern(shape.texture, x, y, 12)
        for paint, pixels in ((shape.paint, where), (shape.second, second)):
            rgb[pixels] = np.array(PALETTE[paint]) * light[pixels, None]
        rgb[where & ~inside(shape, x, y, 0.8)] *= 0.85
    rgb = rgb.reshape(side, smooth, side, smooth, 3).mean((1, 3))
    return Image.fromarray(rgb.clip(0, 255).round().astype(np.uint8))


def draw_label_maps(picture: Picture, side: int, parts: int) -> dict[str, list[Numbers]]:
    """Draw label numbers by category, (side, side) each."""
    x, y = positions(side)
    shape = (side, side)
    color = np.full(shape, NUMBERS["color"][picture.background])
    things, rim, core, action = (np.zeros(shape, np.int64) for _ in range(4))
    for drawn in picture.shapes:
        where = inside(drawn, x, y)
        color[where] = NUMBERS["color"][drawn.paint]
        second = where & pattern(drawn.texture, x, y, 12)
        color[second] = NUMBERS["color"][drawn.second]
        things[where] = NUMBERS["object"][drawn.kind]
        rim[where] = core[where] = 0
        rim[where & ~inside(drawn, x, y, 0.8)] = NUMBERS["part"]["rim"]
        core[where & inside(drawn, x, y, 0.5)] = NUMBERS["part"]["core"]
        if drawn.kind == "disc":
            core[inside(drawn, x, y, 0.7) & ~inside(drawn, x, y, 0.5)] = NUMBERS["part"]["ring"]
    if picture.action:
        action[_frame(picture.shapes, x, y)] = NUMBERS["action"][picture.action]
    return {"color": [color], "object": [things], "part": [rim, core][:parts], "action": [action]}


def _frame(shapes: Sequence[Shape], x: Floats, y: Floats) -> Bools:
    """Return the box around shapes, as annotators draw boxes around an action."""
    left, right = (f(s.x + sign * s.radius for s in shapes) for f, sign in ((min, -1), (max, 1)))
    top, bottom = (f(s.y + sign * s.radius for s in shapes) for f, sign in ((min, -1), (max, 1)))
    return (x > left) & (x < right) & (y > top) & (y < bottom)


# The data set


class _Counts:
    """Images and images' worth of pixels by category and number."""

    def __init__(self) -> None:
        self.images: dict[tuple[str, int], int] = defaultdict(int)
        self.covered: dict[tuple[str, int], float] = defaultdict(float)

    def add(self, category: str, label_maps: Sequence[Numbers]) -> None:
        for number in np.unique(np.concatenate([label_map.ravel() for label_map in label_maps])):
            if number:
                self.images[category, int(number)] += 1
                share = sum(float((label_map == number).mean()) for label_map in label_maps)
                self.covered[category, int(number)] += share


def draw_concept_data(
    folder: Path,
    images: int = 24,
    *,
    size: int = 64,
    mask_size: int = 32,
    seed: int = 0,
    categories: Sequence[str] = CATEGORIES,
) -> Path:
    """Draw a data set.

    Label maps for color, object, part (0 to 2) and action; image-level labels for scene (one of
    them 0, some none) and texture (0 to 2).

    Args:
        folder: of the data set.
        images: number of images; the fifth is labelled for color only.
        size: of the images, pixels.
        mask_size: of the masks, pixels.
        seed: the same seed draws the same data, file by file.
        categories: to label, in this order.
    """
    rng = np.random.default_rng(seed)
    counts = _Counts()
    rows = []
    for place in range(images):
        picture = plan(rng, place)
        name = f"drawn/{place:05d}"
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        render(picture, size).save(folder / "images" / f"{name}.jpg", quality=92)
        label_maps = draw_label_maps(picture, mask_size, parts=(place // 2) % 3)
        numbers = _image_labels(picture, place)
        row: dict[str, str | int] = {
            "image": f"{name}.jpg",
            "split": "val" if place % 4 == 3 else "train",
        }
        for category in categories:
            if place == 4 and category != "color":
                continue
            cell = _write_label_maps(folder, name, category, label_maps.get(category, []))
            cell += [str(number) for number in numbers.get(category, [])]
            row[category] = ";".join(cell)
            whole = [np.full((1, 1), number) for number in numbers.get(category, [])]
            if cell:
                counts.add(category, [*label_maps.get(category, []), *whole])
        rows.append(row)
    labels = _labels(categories, counts)
    coverage = {
        category: {
            number: round(covered, 6)
            for (name, number), covered in counts.covered.items()
            if name == category
        }
        for category in categories
    }
    return write_broden(
        folder, rows, labels, categories, coverage=coverage, size=size, mask_size=mask_size
    )


def _image_labels(picture: Picture, place: int) -> dict[str, list[int]]:
    textures = {picture.texture, picture.shapes[0].texture} - {"plain"}
    scene = 0 if place == 2 else NUMBERS["scene"][SCENES[picture.background]]
    return {
        "scene": [] if place % 6 == 5 else [scene],
        "texture": sorted(NUMBERS["texture"][name] for name in textures),
    }


def _write_label_maps(
    folder: Path, name: str, category: str, label_maps: Sequence[Numbers]
) -> list[str]:
    """Write label maps that are not empty as mask files; return their names below images/."""
    names = []
    for k, label_map in enumerate((label_map for label_map in label_maps if label_map.any()), 1):
        names.append(f"{name}_{category}{f'_{k}' if category == 'part' else ''}.png")
        write_mask(folder / "images" / names[-1], label_map)
    return names


def _labels(categories: Sequence[str], counts: _Counts) -> list[tuple[int, str, str]]:
    """List every label once, with all its categories, and with Broden's `-c` and `-s`."""
    names: dict[int, str] = {}
    cells: dict[int, list[str]] = defaultdict(list)
    for category in categories:
        for name, number in NUMBERS[category].items():
            names[number] = name + {"color": "-c", "scene": "-s"}.get(category, "")
            cells[number].append(f"{category}({counts.images[category, number]})")
    return [(number, names[number], ";".join(cells[number])) for number in sorted(names)]


def write_untrained(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write the checkpoint of an untrained ResNet-18 for four classes, and its class names.

    Its BatchNorm layers have random scales and shifts, and the statistics of the images in
    `folder`, so that the units are active and differ.
    """
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(seed)
    network = resnet18(num_classes=len(CLASSES))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # plain averages
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, -0.3, 0.4)
    torch.nn.init.normal_(network.fc.weight, 0, 0.15)
    paths = sorted((folder / "images").rglob("*.jpg"))[:48]
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        logits = network((batch - 0.45) / 0.225)
        network.fc.bias -= logits.mean(0)  # so that it names every class now and then
    state = {
        f"module.{key}": value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    weights, classes = folder / "untrained.pth.tar", folder / "classes.txt"
    torch.save({"state_dict": state}, weights)
    classes.write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return weights, classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--size", type=int, default=112)
    options = parser.parse_args()
    draw_concept_data(
        options.folder, options.images, size=options.size, mask_size=options.size // 2
    )
    write_untrained(options.folder)


if __name__ == "__main__":
    main()
