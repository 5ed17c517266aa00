"""What scenes have in common: sky, ground, water, walls, and how things stand at the back.

The ground reaches up to `HORIZON`; people stand at about 12, and things at the sides below 24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import Fill, Paint
from .outdoors import cloud, sun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .sketch import Sketch

HORIZON = 42
GRASS = Paint((142, 196, 108), "green")
SAND = Paint((240, 216, 164))
SEA = Paint((74, 160, 204), "blue")
LAKE = Paint((92, 164, 196), "blue")
POOL = Paint((92, 194, 224), "blue")


def draw_sky(s: Sketch, *, bright: bool = False) -> None:
    """Draw a sky that pales towards the horizon, perhaps with sun and clouds."""
    top = Paint((120, 188, 234), "blue") if bright else s.one_of(_SKIES)
    for k in range(14):
        red, green, blue = (round(v + (246 - v) * 0.04 * k) for v in top.rgb)
        s.box(0, HORIZON, 100, 100 - 4.2 * k, s.ink(Paint((red, green, blue), "blue"), "sky"))
    if s.chance(0.45) or bright:
        with s.at(s.one_of((14, 86)), 88):
            sun(s)
    for _ in range(2):
        if s.chance(0.7):
            with s.at(s.between(8, 92), s.between(76, 92), s.between(0.8, 1.25)):
                cloud(s)


def draw_ground(
    s: Sketch, paint: Paint, thing: str, material: str, marks: str, top: float = HORIZON
) -> None:
    """Draw ground that is darker in front, with tufts or pebbles."""
    s.box(0, 0, 100, top, s.ink(paint, thing, "", material))
    s.ellipse(50, 2, 80, 16, s.ink(paint.shade(0.95), thing, "", material))
    dark = s.ink(paint.shade(0.86), thing, marks[:-1], material)
    for _ in range(14):
        x, y = s.between(1, 99), s.between(1, top - 3)
        if marks == "tufts":
            s.line([(x - 0.9, y + 1.5), (x, y), (x + 0.9, y + 1.7)], 0.5, dark)
        else:
            s.ellipse(x, y, 0.8, 0.5, dark)


def draw_water(s: Sketch, paint: Paint, low: float, high: float, thing: str) -> None:
    """Draw water between two heights, with waves."""
    s.box(0, low, 100, high, s.ink(paint, thing, "", "water"))
    light = s.ink(paint.shade(1.14), thing, "wave", "water")
    for _ in range(9):
        x, y = s.between(0, 94), s.between(low + 2, high - 1.5)
        s.line([(x, y), (x + s.between(4, 8), y)], 0.7, light)


def plain_wall(s: Sketch, paint: Paint) -> None:
    """Draw a plastered wall and a strip of ceiling."""
    s.box(0, HORIZON, 100, 100, s.ink(paint, "wall", "", "plaster"))
    s.box(0, 94, 100, 100, s.ink(paint.shade(1.06), "ceiling", "", "plaster"))


def draw_skirting(s: Sketch) -> None:
    """Draw the board between wall and floor."""
    s.box(
        0,
        HORIZON - 0.6,
        100,
        HORIZON + 1.8,
        s.ink(Paint((244, 240, 232), "white"), "wall", "", "wood"),
    )


def draw_planks(s: Sketch, paint: Paint) -> None:
    """Draw a wooden floor."""
    first = s.ink(paint, "floor", "", "wood", "planked")
    second = s.ink(paint.shade(0.84), "floor", "", "wood", "planked")
    s.box(0, 0, 100, HORIZON, Fill(first, second, "planked", 6.6))
    draw_skirting(s)


def back_row(s: Sketch, things: Sequence[Callable[[Sketch], None]]) -> None:
    """Draw up to two pieces of furniture at the wall, left and right."""
    for x in (16, 84):
        if s.chance(0.7):
            draw = s.one_of(things)
            stand(s, x + s.between(-3, 3), HORIZON - 3, 1, draw)


def spread(s: Sketch, count: int, wide: float) -> list[float]:
    """Choose x coordinates from left to right, not too regular."""
    step = 100 / count
    return [step * (k + 0.5) + s.between(-wide, wide) / 2 for k in range(count)]


def stand(
    s: Sketch,
    x: float,
    y: float,
    size: float,
    draw: Callable[[Sketch], None],
    *,
    flip: bool = False,
) -> None:
    """Draw a thing of the scene, unless it is among the concepts to avoid."""
    name = draw.__name__.replace("_", " ")
    if s.allows(_SHOWN.get(name, name)):
        with s.at(x, y, size, flip=flip):
            draw(s)


# The object that a thing of the scene counts as, where its name differs.
_SHOWN = {"pine": "tree", "palm": "tree", "bookshelf": "book", "plant": "flower pot"}
_SKIES = (
    Paint((132, 192, 234), "blue"),
    Paint((146, 204, 236), "blue"),
    Paint((158, 196, 232), "blue"),
)
