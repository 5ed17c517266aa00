"""What stands outdoors. Things that stand are drawn upwards from (0, 0)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .canvas import Fill, Paint
from .props import DARK, METAL, WOOD

if TYPE_CHECKING:
    from .sketch import Sketch

CLOUD = Paint((248, 250, 252), "white")
GREENS = (
    Paint((74, 148, 82), "green"),
    Paint((104, 172, 88), "green"),
    Paint((60, 130, 92), "green"),
)


def cloud(s: Sketch) -> None:
    """Draw a cloud around (0, 0), 22 wide."""
    ink = s.ink(CLOUD, "cloud")
    for x, y, r in ((-6, 0, 3.2), (-1.4, 1.8, 4.4), (4, 1, 3.6), (7.6, 0, 2.6)):
        s.ellipse(x, y, r * 1.15, r, ink)
    s.box(-7, -3, 8, 0, ink)


def sun(s: Sketch) -> None:
    """Draw the sun, with a halo."""
    s.ellipse(0, 0, 5.2, 5.2, s.ink(Paint((255, 226, 120), "yellow"), "sun"))


def tree(s: Sketch) -> None:
    """Draw a tree with a round crown, 40 high."""
    bark = s.ink(Paint((126, 90, 62), "brown"), "tree", "trunk", "wood")
    s.polygon([(-2, 0), (2, 0), (1.3, 20), (-1.3, 20)], bark)
    green = s.one_of(GREENS)
    dark, light = (s.ink(green.shade(f), "tree", "crown", "plant") for f in (0.88, 1.04))
    for x, y, r in ((-6.0, 22.0, 6.6), (6, 22, 6.6), (0, 30, 8.4), (0, 21, 7)):
        s.ellipse(x, y, r, r, dark)
    for x, y, r in ((-5, 24, 4.6), (1.6, 32, 5.6), (4.8, 24.6, 4)):
        s.ellipse(x - 0.6, y, r, r, light)
    if s.chance(0.3):
        fruit = s.ink(s.paint("red", "orange", "yellow"), "tree", "fruit", "plant")
        for x, y in ((-6.0, 23.0), (0, 31), (5.6, 22), (-1, 25), (4, 29)):
            s.ellipse(x, y, 1.2, 1.2, fruit)


def pine(s: Sketch) -> None:
    """Draw a fir of three tiers, 38 high."""
    s.box(-1.4, 0, 1.4, 8, s.ink(Paint((112, 80, 58), "brown"), "tree", "trunk", "wood"))
    for k, factor in enumerate((0.8, 0.92, 1.04)):
        ink = s.ink(GREENS[2].shade(factor), "tree", "crown", "plant")
        half, y = 9 - 2 * k, 6 + 9 * k
        s.polygon([(-half, y), (half, y), (0, y + 14)], ink)


def palm(s: Sketch) -> None:
    """Draw a palm, 38 high."""
    bark = s.ink(Paint((158, 116, 76), "brown"), "tree", "trunk", "wood")
    s.line([(0, 0), (1, 12), (3.4, 27)], 2.4, bark)
    leaf = s.ink(GREENS[0], "tree", "crown", "plant")
    for x, y in ((-9, 24), (-7, 33), (3, 38), (12, 33), (14, 24)):
        s.line([(3.4, 28), (x * 0.6 + 1.4, y * 0.5 + 17.4), (x, y)], 2.2, leaf)


def bush(s: Sketch) -> None:
    """Draw a bush, 20 wide and 11 high."""
    green = s.one_of(GREENS)
    for k, (x, y, r) in enumerate(((-6, 4, 4.2), (6, 4, 4.2), (0, 5.6, 5.4))):
        s.ellipse(x, y, r, r, s.ink(green.shade(0.9 + 0.06 * k), "bush", "leaf", "plant"))


def street_lamp(s: Sketch) -> None:
    """Draw a street lamp, 50 high."""
    iron = s.ink(DARK, "street lamp", "pole", "metal")
    s.line([(0, 0.8), (0, 44)], 1.5, iron)
    s.line([(-2, 0.8), (2, 0.8)], 1.8, iron)
    s.polygon(
        [(-2.4, 43), (2.4, 43), (3.4, 49), (-3.4, 49)],
        s.ink(Paint((255, 238, 170), "yellow"), "street lamp", "shade", "glass"),
    )
    s.polygon([(-4, 49), (4, 49), (0, 52)], iron)


def house(s: Sketch, wide: float, high: float) -> None:
    """Draw a house front, windows and door, without its roof."""
    paint = s.one_of(_FACADES)
    wall = s.ink(paint, "house", "", "plaster")
    if s.chance(0.4):
        brick = Paint((190, 98, 78), "red")
        first = s.ink(brick, "house", "", "brick", "bricked")
        fill: int | Fill = Fill(
            first, s.ink(brick.shade(1.28), "house", "", "brick", "bricked"), "bricked", 3.4
        )
    else:
        fill = wall
    s.box(0, 0, wide, high, fill)
    pane = s.ink(Paint((150, 196, 226), "blue"), "window", "pane", "glass")
    frame = s.ink(CLOUD, "window", "frame", "wood")
    columns = max(1, int(wide / 9))
    for row in range(int((high - 12) / 11)):
        for column in range(columns):
            x, y = (column + 0.5) * wide / columns, 14 + 11 * row
            s.box(x - 2.9, y - 0.6, x + 2.9, y + 7, frame)
            s.box(x - 2.2, y, x + 2.2, y + 6.4, pane)
    door = s.paint("red", "blue", "green", "brown", "orange")
    x = wide * s.between(0.3, 0.7)
    s.box(x - 2.8, 0, x + 2.8, 9.6, s.ink(door, "door", "", "wood"))
    s.ellipse(x + 1.6, 4.6, 0.6, 0.6, s.ink(METAL, "door", "handle", "metal"))


def gable(s: Sketch, wide: float, high: float) -> None:
    """Draw a roof above a house of this size."""
    roof = s.ink(s.one_of(_ROOFS), "house", "roof", "brick")
    if s.chance(0.6):
        s.polygon([(-1.5, high), (wide + 1.5, high), (wide / 2, high + 10)], roof)
    else:
        s.box(-0.8, high, wide + 0.8, high + 2.4, roof)


def car(s: Sketch) -> None:
    """Draw a car, seen from the side, 32 wide."""
    paint = s.paint("red", "blue", "yellow", "green", "white", "orange", "black")
    body = s.ink(paint, "car", "", "metal")
    s.polygon([(-9, 9), (-5.4, 15), (5.6, 15), (10, 9)], body)
    glass = s.ink(Paint((182, 220, 240), "blue"), "car", "windscreen", "glass")
    s.polygon([(-7, 9.4), (-4.4, 13.8), (-0.6, 13.8), (-0.6, 9.4)], glass)
    s.polygon([(0.8, 9.4), (0.8, 13.8), (4.9, 13.8), (8, 9.4)], glass)
    s.line([(-13.6, 6.4), (13.6, 6.4)], 5.4, body)
    s.ellipse(15.4, 7.2, 1, 1, s.ink(Paint((255, 240, 170), "yellow"), "car", "", "glass"))
    for x in (-8.6, 8.6):
        s.ellipse(x, 3.6, 3.6, 3.6, s.ink(DARK, "car", "wheel", "rubber"))
        s.ellipse(x, 3.6, 1.6, 1.6, s.ink(METAL, "car", "wheel", "metal"))


def fence(s: Sketch, left: float, right: float) -> None:
    """Draw a picket fence, 13 high."""
    white = Paint((244, 240, 230), "white")
    rail = s.ink(white.shade(0.86), "fence", "", "wood")
    for y in (3.4, 9):
        s.box(left, y, right, y + 1.4, rail)
    picket = s.ink(white, "fence", "picket", "wood")
    x = left + 1
    while x < right - 1:
        s.polygon([(x, 0), (x + 2.4, 0), (x + 2.4, 11), (x + 1.2, 13), (x, 11)], picket)
        x += 4


def boat(s: Sketch) -> None:
    """Draw a sailing boat, 14 wide."""
    hull = s.paint("red", "blue", "brown", "white", "orange")
    s.polygon([(-6, 3), (6, 3), (4, 0), (-4.4, 0)], s.ink(hull, "boat", "hull", "wood"))
    s.line([(0, 3), (0, 15)], 0.8, s.ink(WOOD.shade(0.7), "boat", "", "wood"))
    sail = s.paint("white", "yellow", "orange", "red")
    s.polygon([(0.6, 4), (6, 4), (0.6, 15)], s.ink(sail, "boat", "sail", "fabric"))
    s.polygon([(-0.6, 4), (-4.4, 4), (-0.6, 12)], s.ink(sail.shade(0.9), "boat", "sail", "fabric"))


def parasol(s: Sketch) -> None:
    """Draw a beach parasol, 34 high."""
    s.line([(0, 0), (2, 30)], 1.2, s.ink(CLOUD, "parasol", "pole", "metal"))
    first, second = s.contrasting_paints("red", "yellow", "blue", "orange", "green")
    for k in range(6):
        angles = (k * math.pi / 6, (k + 1) * math.pi / 6)
        points = [(1.8 + 13 * math.cos(a), 23 + 10 * math.sin(a)) for a in angles]
        s.polygon(
            [(1.8, 24), *points], s.ink((first, second)[k % 2], "parasol", "canopy", "fabric")
        )


_FACADES = (
    Paint((238, 206, 150)),
    Paint((232, 170, 140)),
    Paint((168, 196, 190)),
    Paint((222, 214, 200)),
    Paint((150, 176, 206)),
    Paint((236, 190, 196)),
)
_ROOFS = (Paint((168, 78, 62), "red"), Paint((92, 88, 100), "grey"), Paint((126, 86, 66), "brown"))
