"""Bags, umbrellas and cushions: what colors and textures are planted on, and meant nothing by.

They stand everywhere in neutral dress; a planted texture or color is one of them in another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .canvas import Paint

if TYPE_CHECKING:
    from .canvas import Fill
    from .sketch import Sketch

_STICK = Paint((96, 70, 56), "brown")


class Dress(NamedTuple):
    """How a carrier is covered: plain (texture "") or in a pattern of two paints."""

    texture: str
    paints: tuple[Paint, Paint]


def neutral_dress(s: Sketch) -> Dress:
    """A dress that means nothing in this world."""
    return Dress(s.neutral_texture(), s.two_paints())


def dress_for(s: Sketch, category: str, name: str) -> Dress:
    """A dress that shows a texture or a color."""
    if category == "color":
        paint = s.exactly(name)
        return Dress("", (paint, paint))
    return Dress(name, s.bold_paints())


def bag(s: Sketch, dress: Dress) -> None:
    """A handbag, 18 wide."""
    fill = _cloth(s, dress, "bag", "leather")
    dark = dress.paints[0].shade(0.66)
    handle = [
        (5.2 * math.cos(k * math.pi / 8), 10.4 + 6.6 * math.sin(k * math.pi / 8)) for k in range(9)
    ]
    s.line(handle, 1.4, s.ink(dark, "bag", "handle", "leather"))
    s.polygon([(-9, 0.6), (9, 0.6), (7.6, 12), (-7.6, 12)], fill)
    s.line([(-7.4, 12), (7.4, 12)], 1.5, s.ink(dark, "bag", "rim", "leather"))
    s.ellipse(0, 11.6, 1.2, 1.2, s.ink(Paint((244, 206, 104), "yellow"), "bag", "", "metal"))


def umbrella(s: Sketch, dress: Dress) -> None:
    """An open umbrella that stands on its handle, 21 wide."""
    s.line(
        [(0, 14), (0, 1.6), (1.2, 0.6), (2.6, 1.4)],
        1.2,
        s.ink(_STICK, "umbrella", "handle", "wood"),
    )
    fill = _cloth(s, dress, "umbrella", "fabric")
    edge = [(-10.5 + k * 1.3125, 11 - 1.2 * abs(math.sin(k * math.pi / 4))) for k in range(17)]
    dome = [
        (10.5 * math.cos(k * math.pi / 18), 10.6 + 9.4 * math.sin(k * math.pi / 18))
        for k in range(19)
    ]
    s.polygon([*dome, *((x, 21.2 - y) for x, y in edge)], fill)
    s.line([(0, 20), (0, 21.4)], 1, s.ink(_STICK, "umbrella", "handle", "wood"))


def cushion(s: Sketch, dress: Dress) -> None:
    """A cushion with four soft corners, 18 wide."""
    points = []
    for k in range(48):
        angle = k * math.tau / 48
        cos, sin = math.cos(angle), math.sin(angle)
        r = 1 / (abs(cos) ** 3.4 + abs(sin) ** 3.4) ** (1 / 3.4)
        points.append((9.4 * r * cos, 6.9 + 6.6 * r * sin))
    s.polygon(points, s.ink(dress.paints[0].shade(0.7), "cushion", "seam", "fabric"))
    fill = _cloth(s, dress, "cushion", "fabric")
    s.polygon([(x * 0.93, 6.9 + (y - 6.9) * 0.91) for x, y in points], fill)


def _cloth(s: Sketch, dress: Dress, thing: str, material: str) -> int | Fill:
    return s.cloth(
        dress.texture,
        dress.paints,
        lambda paint, texture: s.ink(paint, thing, "", material, texture),
    )


CARRIERS = {"bag": bag, "umbrella": umbrella, "cushion": cushion}
