"""Things that people use: balls, bicycle, easel … Each stands at (0, 0) and is drawn upwards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .canvas import Paint

if TYPE_CHECKING:
    from .sketch import Sketch

METAL = Paint((176, 184, 194), "grey")
DARK = Paint((52, 52, 60), "black")
WOOD = Paint((164, 114, 70), "brown")
SOIL = Paint((108, 74, 52), "brown")
LEAF = Paint((82, 158, 84), "green")
PAPER = Paint((250, 248, 242), "white")
GLOW = Paint((120, 186, 240), "blue")


def ball(s: Sketch, x: float, y: float, radius: float = 3.4) -> None:
    """Draw one ball of two tones around (x, y)."""
    paint = s.paint("red", "orange", "yellow", "green", "blue", "pink")
    s.ellipse(x, y, radius, radius, s.ink(paint.shade(0.85), "ball", "", "rubber"))
    s.ellipse(x - 0.3, y + 0.4, radius * 0.82, radius * 0.82, s.ink(paint, "ball", "", "rubber"))
    shine = s.ink(Paint((255, 250, 240), "white"), "ball", "", "rubber")
    s.ellipse(x - radius * 0.35, y + radius * 0.4, radius * 0.24, radius * 0.24, shine)


def balls(s: Sketch) -> None:
    """Draw three balls on the ground."""
    for x, y in ((-5, 3.6), (4.6, 3.6), (0, 9.2)):
        ball(s, x, y, 3.9)


def laptop(s: Sketch) -> None:
    """Draw an open laptop, half turned to the viewer; (0, 0) is the middle of its hinge."""
    case = s.ink(METAL, "laptop", "", "metal")
    s.polygon([(-3.5, 0.4), (4, 0.4), (7.4, 12), (-0.6, 12)], case)
    screen = s.ink(GLOW, "laptop", "screen", "glass")
    s.polygon([(-2.4, 1.6), (3.6, 1.6), (6.3, 11), (0.2, 11)], screen)
    text = s.ink(PAPER, "laptop", "screen", "glass")
    for k, long in enumerate((3.6, 2.4, 3.2)):
        s.line([(-0.4 + 0.7 * k, 4 + 2.2 * k), (-0.4 + 0.7 * k + long, 4 + 2.2 * k)], 0.9, text)
    s.polygon(
        [(-9.5, 0.2), (3.6, 0.2), (3, 1.6), (-8.4, 1.6)],
        s.ink(METAL.shade(0.85), "laptop", "", "metal"),
    )
    s.polygon(
        [(-8, 0.9), (0, 0.9), (0, 1.5), (-7.5, 1.5)], s.ink(DARK, "laptop", "keyboard", "plastic")
    )


def table(s: Sketch, left: float, right: float, height: float) -> None:
    """Draw a table from x = `left` to `right`."""
    leg = s.ink(WOOD.shade(0.82), "table", "furniture leg", "wood")
    for x in (left + 1.6, right - 1.6):
        s.box(x - 1, 0, x + 1, height, leg)
    s.box(left, height - 1.2, right, height + 1, s.ink(WOOD, "table", "top", "wood"))


def laptop_on_stool(s: Sketch) -> None:
    """Draw a laptop that nobody uses."""
    table(s, -8.5, 8.5, 9)
    with s.at(2, 9.6, 0.9):
        laptop(s)


def chair(s: Sketch) -> None:
    """Draw an office chair, seen from the side, its seat at 14."""
    metal = s.ink(DARK, "chair", "furniture leg", "metal")
    cloth = s.paint("red", "blue", "green", "orange", "black")
    s.line([(-6, 1.2), (0, 2.8), (6, 1.2)], 1.5, metal)
    s.box(-0.9, 2, 0.9, 12, metal)
    for x in (-6, 0, 6):
        s.ellipse(x, 1, 1.2, 1.2, metal)
    s.line([(-5.4, 13.6), (-7.6, 29)], 2.6, s.ink(cloth.shade(0.9), "chair", "back", "fabric"))
    s.line([(-5, 12.8), (6, 12.8)], 3, s.ink(cloth, "chair", "seat", "fabric"))


def wheels(s: Sketch) -> None:
    """Draw the two wheels of a bicycle."""
    tyre = s.ink(DARK, "bicycle", "wheel", "rubber")
    spoke = s.ink(METAL, "bicycle", "wheel", "metal")
    for x in (-14.5, 14.5):
        rim = [
            (x + 8.6 * math.cos(k * math.tau / 20), 9.6 + 8.6 * math.sin(k * math.tau / 20))
            for k in range(21)
        ]
        for k in range(0, 10, 2):
            s.line([rim[k], rim[k + 10]], 0.4, spoke)
        s.line(rim, 1.7, tyre)


def bicycle(s: Sketch) -> None:
    """Draw a bicycle that goes to the right, wheels on the ground."""
    wheels(s)
    paint = s.paint("red", "blue", "green", "orange", "yellow", "pink")
    frame = s.ink(paint, "bicycle", "frame", "metal")
    s.line([(-14.5, 9.6), (-1.5, 9.6), (9.5, 20), (-5, 20), (-14.5, 9.6)], 1.5, frame)
    s.line([(-1.5, 9.6), (-6.2, 23)], 1.5, frame)
    s.line([(14.5, 9.6), (9, 25)], 1.5, frame)
    dark = s.ink(DARK, "bicycle", "handlebar", "rubber")
    s.line([(9, 25), (12.4, 25.6)], 1.5, dark)
    s.line([(-9, 23.6), (-3.8, 23.6)], 2, s.ink(DARK, "bicycle", "saddle", "leather"))
    s.ellipse(-1.5, 9.6, 2.2, 2.2, s.ink(METAL.shade(0.8), "bicycle", "", "metal"))


def watering_can(s: Sketch) -> None:
    """Draw a can with its spout to the right."""
    paint = s.paint("green", "blue", "red", "orange", "yellow")
    body = s.ink(paint, "watering can", "", "metal")
    s.line([(3, 3), (9.6, 9.6)], 1.7, s.ink(paint.shade(0.9), "watering can", "spout", "metal"))
    s.line([(8.4, 10.9), (11, 8.6)], 1.6, s.ink(paint.shade(0.8), "watering can", "spout", "metal"))
    handle = s.ink(paint.shade(0.8), "watering can", "handle", "metal")
    s.line([(-3.6, 8), (-7.6, 8.4), (-7.4, 3.6), (-4, 2)], 1.3, handle)
    s.polygon([(-5, 0), (5, 0), (4, 9), (-4, 9)], body)
    s.line([(-3.4, 9), (-1.5, 11.4), (2, 11.2), (3.4, 9)], 1.2, handle)


def flower(s: Sketch, x: float, height: float) -> None:
    """Draw a flower that grows at (x, 0)."""
    stem = s.ink(LEAF.shade(0.85), "flower", "stem", "plant")
    s.line([(x, 0), (x, height)], 1.1, stem)
    s.ellipse(x + 1.8, height * 0.4, 1.9, 0.9, s.ink(LEAF, "flower", "leaf", "plant"))
    petal = s.ink(
        s.paint("red", "pink", "yellow", "orange", "white", "purple"), "flower", "petal", "plant"
    )
    for k in range(5):
        angle = k * math.tau / 5 + 0.3
        s.ellipse(x + 2 * math.cos(angle), height + 2 * math.sin(angle), 1.55, 1.55, petal)
    s.ellipse(x, height, 1.2, 1.2, s.ink(Paint((250, 200, 70), "yellow"), "flower", "", "plant"))


def flower_pot(s: Sketch) -> None:
    """Draw two flowers in a pot."""
    flower(s, -2.2, 12)
    flower(s, 2.4, 15.5)
    clay = Paint((206, 112, 72), "orange")
    s.polygon(
        [(-3.8, 0), (3.8, 0), (5.2, 7.2), (-5.2, 7.2)], s.ink(clay, "flower pot", "", "ceramic")
    )
    s.box(-5.8, 6.4, 5.8, 8.4, s.ink(clay.shade(0.88), "flower pot", "rim", "ceramic"))


def easel(s: Sketch) -> None:
    """Draw an easel with an unfinished picture, turned a little."""
    leg = s.ink(WOOD, "easel", "furniture leg", "wood")
    s.line([(0, 48), (-9, 0)], 1.6, leg)
    s.line([(0, 48), (9, 0)], 1.6, leg)
    s.line([(0, 48), (2, 2)], 1.4, s.ink(WOOD.shade(0.8), "easel", "furniture leg", "wood"))
    s.box(-10.4, 18.4, 10.4, 42.6, s.ink(WOOD.shade(0.75), "easel", "", "wood"))
    s.box(-9.6, 19.4, 9.6, 41.8, s.ink(PAPER, "painting", "", "paper"))
    with s.at(0, 30.6, 0.86):
        painting(s)
    s.box(-11, 17, 11, 18.8, leg)


def painting(s: Sketch) -> None:
    """Draw a painted landscape around (0, 0), 20 wide and 22 high."""

    def ink(paint: Paint) -> int:
        return s.ink(paint, "painting", "", "paper")

    s.box(-9.6, -1, 9.6, 11, ink(s.paint("blue", "orange", "pink", "yellow").shade(1.15)))
    s.ellipse(s.between(-5, 5), 6, 2.7, 2.7, ink(s.paint("yellow", "red", "white")))
    s.polygon([(-9.6, -1), (-5, 4.6), (0, -1)], ink(s.paint("grey", "green", "blue")))
    s.polygon([(-3, -1), (3.6, 3.6), (9.6, -1)], ink(s.paint("green", "brown", "grey").shade(0.9)))
    s.box(-9.6, -9, 9.6, -1, ink(s.paint("green", "orange", "yellow", "brown")))


def backpack(s: Sketch) -> None:
    """Draw a rucksack that stands on the ground."""
    paint = s.paint("red", "green", "blue", "orange", "brown")
    s.line(
        [(-2.4, 16), (-1.6, 18.6), (1.6, 18.6), (2.4, 16)],
        1.2,
        s.ink(DARK, "backpack", "handle", "fabric"),
    )
    body = s.ink(paint, "backpack", "", "fabric")
    s.box(-6.4, 0.4, 6.4, 13, body)
    s.ellipse(0, 12, 6.4, 5.4, body)
    pocket = s.ink(paint.shade(0.8), "backpack", "pocket", "fabric")
    s.box(-4.4, 1.6, 4.4, 7.6, pocket)
    s.line([(-4.4, 10.6), (4.4, 10.6)], 0.8, pocket)
    s.line(
        [(-2, 7.6), (2, 7.6)],
        0.9,
        s.ink(Paint((240, 205, 110), "yellow"), "backpack", "pocket", "metal"),
    )


def suitcase(s: Sketch) -> None:
    """Draw a suitcase with a handle and two belts."""
    paint = s.paint("brown", "red", "blue", "green", "yellow")
    s.line(
        [(-2.6, 11), (-2.6, 13.4), (2.6, 13.4), (2.6, 11)],
        1.3,
        s.ink(DARK, "suitcase", "handle", "leather"),
    )
    s.box(-9, 0.4, 9, 11.6, s.ink(paint, "suitcase", "", "leather"))
    for x in (-5.4, 5.4):
        s.box(x - 0.8, 0.4, x + 0.8, 11.6, s.ink(paint.shade(0.72), "suitcase", "", "leather"))


def sign(s: Sketch) -> None:
    """Draw a cardboard sign with scribbles, 13 wide around (0, 0)."""
    s.box(-6.5, -4, 6.5, 4, s.ink(Paint((214, 174, 122), ""), "sign", "", "cardboard"))
    ink = s.ink(DARK, "sign", "", "cardboard")
    s.line([(-4.6, 1.4), (3.6, 1.4)], 1.1, ink)
    s.line([(-4.6, -1.5), (1.6, -1.5)], 1.1, ink)


def swim_ring(s: Sketch) -> None:
    """Draw a swim ring of two colors, standing upright."""
    paints = (s.paint("red", "blue", "orange", "pink", "green"), PAPER)
    for k in range(16):
        angles = (k * math.tau / 16, (k + 1) * math.tau / 16)
        points = [(6 * math.cos(a), 8 + 6 * math.sin(a)) for a in angles]
        s.line(points, 3.8, s.ink(paints[k // 2 % 2], "swim ring", "", "plastic"))
