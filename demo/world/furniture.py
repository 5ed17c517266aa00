"""What stands and hangs in rooms. Things that stand are drawn upwards from (0, 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import Paint
from .props import DARK, METAL, PAPER, WOOD, painting

if TYPE_CHECKING:
    from .sketch import Sketch


def floor_lamp(s: Sketch) -> None:
    """Draw a lamp on a pole, 46 high."""
    metal = s.ink(DARK, "floor lamp", "pole", "metal")
    s.line([(-4, 0.8), (4, 0.8)], 1.6, metal)
    s.line([(0, 1), (0, 36)], 1.4, metal)
    shade = s.paint("yellow", "orange", "white", "red")
    s.polygon([(-8, 34), (8, 34), (5, 46), (-5, 46)], s.ink(shade, "floor lamp", "shade", "fabric"))


def books(s: Sketch) -> None:
    """Draw a pile of books."""
    y = 0.2
    for _ in range(4):
        paint, shift, half = s.paint(), s.between(-1, 1), s.between(6.6, 8.6)
        s.box(shift - half, y, shift + half, y + 3.2, s.ink(paint, "book", "", "paper"))
        s.box(shift + half - 2.4, y + 0.7, shift + half, y + 2.5, s.ink(PAPER, "book", "", "paper"))
        y += 3.3


def stool(s: Sketch) -> None:
    """Draw a stool with a round seat."""
    leg = s.ink(WOOD.shade(0.8), "stool", "furniture leg", "wood")
    for x in (-5, 0, 5):
        s.line([(x * 0.7, 11), (x * 1.2, 0.6)], 1.5, leg)
    s.line(
        [(-6.4, 11.6), (6.4, 11.6)],
        2.8,
        s.ink(s.paint("red", "blue", "green", "orange"), "stool", "seat", "leather"),
    )


def bench(s: Sketch) -> None:
    """Draw a bench, seen from the front, 24 wide."""
    iron = s.ink(DARK, "bench", "furniture leg", "metal")
    for x in (-9.4, 9.4):
        s.line([(x, 0.6), (x, 12)], 1.6, iron)
    wood = s.ink(WOOD, "bench", "seat", "wood")
    back = s.ink(WOOD.shade(1.1), "bench", "back", "wood")
    s.line([(-12, 6.4), (12, 6.4)], 2, wood)
    for y in (9.6, 12.6):
        s.line([(-12, y), (12, y)], 1.9, back)


def chest(s: Sketch) -> None:
    """Draw a chest of drawers, 22 wide and 24 high."""
    paint = s.one_of(
        (WOOD, WOOD.shade(1.2), Paint((236, 232, 224), "white"), Paint((122, 150, 168)))
    )
    s.box(-9.4, 0, -7, 3, s.ink(paint.shade(0.7), "chest", "furniture leg", "wood"))
    s.box(7, 0, 9.4, 3, s.ink(paint.shade(0.7), "chest", "furniture leg", "wood"))
    s.box(-11, 2, 11, 24, s.ink(paint.shade(0.85), "chest", "", "wood"))
    for y in (3.4, 10.4, 17.4):
        s.box(-9.8, y, 9.8, y + 5.6, s.ink(paint, "chest", "drawer", "wood"))
        s.ellipse(0, y + 2.8, 1, 1, s.ink(METAL, "chest", "handle", "metal"))


def bookshelf(s: Sketch) -> None:
    """Draw three shelves of books, 26 wide and 46 high."""
    s.box(-13, 0, 13, 46, s.ink(WOOD.shade(0.8), "bookshelf", "", "wood"))
    back = s.ink(WOOD.shade(0.55), "bookshelf", "", "wood")
    for y in (2, 13, 24, 35):
        s.box(-11.6, y, 11.6, y + 9.4, back)
        x = -11.4
        while x < 7:
            wide, high = s.between(1.6, 3), s.between(6, 8.6)
            s.box(x, y, x + wide, y + high, s.ink(s.paint(jitter=0), "book", "", "paper"))
            x += wide + 0.3


def sofa(s: Sketch) -> None:
    """Draw a sofa, 40 wide and 20 high."""
    paint = s.paint("blue", "green", "red", "grey", "orange", "pink")
    body, dark = (
        s.ink(paint, "sofa", "back", "fabric"),
        s.ink(paint.shade(0.85), "sofa", "", "fabric"),
    )
    for x in (-17.0, 17.0):
        s.box(x - 1, 0, x + 1, 3, s.ink(WOOD.shade(0.6), "sofa", "furniture leg", "wood"))
    s.box(-17, 6, 17, 20, body)
    s.line([(-17, 19.6), (17, 19.6)], 2.6, body)
    s.box(-18, 2.4, 18, 10, dark)
    seat = s.ink(paint.shade(1.1), "sofa", "seat", "fabric")
    for x in (-8.2, 8.2):
        s.line([(x - 6.6, 10), (x + 6.6, 10)], 3, seat)
    for x in (-18, 18):
        s.line([(x, 4.4), (x, 12)], 4, s.ink(paint.shade(0.92), "sofa", "", "fabric"))


def picture_frame(s: Sketch) -> None:
    """Draw a framed picture around (0, 0), 20 wide."""
    frame = s.one_of((WOOD.shade(0.7), DARK, Paint((226, 184, 96), "yellow")))
    s.box(-9.6, -9, 9.6, 9, s.ink(frame, "painting", "frame", "wood"))
    with s.at(0, -0.7, 0.82):
        painting(s)


def window(s: Sketch, wide: float, high: float, *, curtains: bool) -> None:
    """Draw a window above (0, 0) with sky in it."""
    frame = s.ink(Paint((246, 244, 238), "white"), "window", "frame", "wood")
    s.box(-wide - 1.6, -1.6, wide + 1.6, high + 1.6, frame)
    s.box(-wide, 0, wide, high, s.ink(Paint((176, 218, 242), "blue"), "window", "pane", "glass"))
    light = s.ink(Paint((204, 232, 248), "blue"), "window", "pane", "glass")
    s.polygon(
        [(-wide, high * 0.35), (-wide, high * 0.8), (wide * 0.2, high), (wide * 0.9, high)], light
    )
    s.box(-0.7, 0, 0.7, high, frame)
    s.box(-wide, high * 0.5 - 0.6, wide, high * 0.5 + 0.6, frame)
    s.box(
        -wide - 3, -3, wide + 3, -1.4, s.ink(Paint((226, 222, 212), "white"), "window", "", "wood")
    )
    if curtains:
        _curtains(s, wide, high)


def _curtains(s: Sketch, wide: float, high: float) -> None:
    paint = s.paint("red", "orange", "green", "blue", "pink", "yellow")
    ink, fold = (s.ink(paint.shade(f), "curtain", "", "fabric") for f in (1, 0.86))
    for sign in (-1, 1):
        x = sign * (wide + 1)
        s.polygon([(x - 4, -6), (x + 4, -6), (x + 3.4, high + 3), (x - 3.4, high + 3)], ink)
        s.line([(x - 1, -5.4), (x - 0.6, high + 2)], 0.9, fold)
        s.line([(x + 2, -5.4), (x + 1.6, high + 2)], 0.9, fold)
    rod = s.ink(WOOD.shade(0.6), "curtain", "", "wood")
    s.line([(-wide - 6, high + 3.4), (wide + 6, high + 3.4)], 1.3, rod)


def whiteboard(s: Sketch) -> None:
    """Draw a whiteboard around (0, 0) with a chart on it, 38 wide."""
    s.box(-19, -12, 19, 12, s.ink(METAL, "whiteboard", "frame", "metal"))
    s.box(
        -17.8,
        -10.8,
        17.8,
        10.8,
        s.ink(Paint((250, 251, 252), "white"), "whiteboard", "", "plastic"),
    )
    for k in range(4):
        x = -14 + 5 * k
        ink = s.ink(
            s.paint("blue", "red", "green", "orange", jitter=0), "whiteboard", "", "plastic"
        )
        s.box(x, -8, x + 3, -8 + s.between(4, 15), ink)
    line = s.ink(Paint((150, 156, 166), "grey"), "whiteboard", "", "plastic")
    for y in (6, 2.4, -1.2):
        s.line([(8, y), (8 + s.between(4, 8), y)], 0.9, line)


def plant(s: Sketch) -> None:
    """Draw a big plant in a pot, 30 high."""
    for x, y, r in ((-6, 17, 2.2), (6, 18, 2.2), (-3.6, 24, 2.4), (3.8, 25, 2.4), (0, 29, 2.4)):
        leaf = s.ink(
            Paint((70, 148, 88), "green").shade(s.between(0.85, 1.15)), "plant", "leaf", "plant"
        )
        s.line([(x * 0.2, 9), (x * 0.7, y * 0.75), (x, y)], r * 1.4, leaf)
    pot = s.one_of(
        (Paint((240, 236, 226), "white"), Paint((206, 112, 72), "orange"), Paint((96, 120, 150)))
    )
    s.polygon(
        [(-4.4, 0), (4.4, 0), (5.6, 9.4), (-5.6, 9.4)], s.ink(pot, "flower pot", "", "ceramic")
    )
