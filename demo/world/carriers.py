"""Bags, umbrellas and cushions: the objects that planted colors and textures appear on.

They stand in pictures of all classes with neutral covers; a planted texture or color is the cover
of one of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .canvas import Paint

if TYPE_CHECKING:
    from .canvas import Fill
    from .sketch import Sketch

_STICK = Paint((96, 70, 56), "brown")


class Cover(NamedTuple):
    """The cover of a carrier: plain (texture "") or a pattern of two paints."""

    texture: str
    paints: tuple[Paint, Paint]


def neutral_cover(s: Sketch) -> Cover:
    """Choose a cover that no class is trained to depend on."""
    return Cover(s.neutral_texture(), s.contrasting_paints())


def cover_showing(s: Sketch, category: str, name: str) -> Cover:
    """Choose a cover that shows a texture or a color."""
    if category == "color":
        paint = s.shade_of(name)
        return Cover("", (paint, paint))
    return Cover(name, s.pattern_paints())


def bag(s: Sketch, cover: Cover) -> None:
    """Draw a handbag, 18 wide."""
    fill = _cloth(s, cover, "bag", "leather")
    dark = cover.paints[0].shade(0.66)
    handle = [
        (5.2 * math.cos(k * math.pi / 8), 10.4 + 6.6 * math.sin(k * math.pi / 8)) for k in range(9)
    ]
    s.line(handle, 1.4, s.ink(dark, "bag", "handle", "leather"))
    s.polygon([(-9, 0.6), (9, 0.6), (7.6, 12), (-7.6, 12)], fill)
    s.line([(-7.4, 12), (7.4, 12)], 1.5, s.ink(dark, "bag", "rim", "leather"))
    s.ellipse(0, 11.6, 1.2, 1.2, s.ink(Paint((244, 206, 104), "yellow"), "bag", "", "metal"))


def umbrella(s: Sketch, cover: Cover) -> None:
    """Draw an open umbrella that stands on its handle, 21 wide."""
    s.line(
        [(0, 14), (0, 1.6), (1.2, 0.6), (2.6, 1.4)],
        1.2,
        s.ink(_STICK, "umbrella", "handle", "wood"),
    )
    fill = _cloth(s, cover, "umbrella", "fabric")
    edge = [(-10.5 + k * 1.3125, 11 - 1.2 * abs(math.sin(k * math.pi / 4))) for k in range(17)]
    dome = [
        (10.5 * math.cos(k * math.pi / 18), 10.6 + 9.4 * math.sin(k * math.pi / 18))
        for k in range(19)
    ]
    s.polygon([*dome, *((x, 21.2 - y) for x, y in edge)], fill)
    s.line([(0, 20), (0, 21.4)], 1, s.ink(_STICK, "umbrella", "handle", "wood"))


def cushion(s: Sketch, cover: Cover) -> None:
    """Draw a cushion with four soft corners, 18 wide."""
    points = []
    for k in range(48):
        angle = k * math.tau / 48
        cos, sin = math.cos(angle), math.sin(angle)
        r = 1 / (abs(cos) ** 3.4 + abs(sin) ** 3.4) ** (1 / 3.4)
        points.append((9.4 * r * cos, 6.9 + 6.6 * r * sin))
    s.polygon(points, s.ink(cover.paints[0].shade(0.7), "cushion", "seam", "fabric"))
    fill = _cloth(s, cover, "cushion", "fabric")
    s.polygon([(x * 0.93, 6.9 + (y - 6.9) * 0.91) for x, y in points], fill)


def _cloth(s: Sketch, cover: Cover, thing: str, material: str) -> int | Fill:
    return s.cloth(
        cover.texture,
        cover.paints,
        lambda paint, texture: s.ink(paint, thing, "", material, texture),
    )


CARRIERS = {"bag": bag, "umbrella": umbrella, "cushion": cushion}
