"""Further things that can stand somewhere, about 18 wide and 20 high, drawn upwards from (0, 0).

`OBJECTS` is the list of all objects that can be planted as a shortcut.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .canvas import Paint
from .carriers import CARRIERS, neutral_cover
from .furniture import bench, books, chest, floor_lamp, stool
from .outdoors import bush, street_lamp, tree
from .props import (
    DARK,
    METAL,
    PAPER,
    WOOD,
    backpack,
    balls,
    bicycle,
    chair,
    easel,
    flower_pot,
    laptop_on_stool,
    suitcase,
    swim_ring,
    watering_can,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sketch import Sketch


def balloon(s: Sketch) -> None:
    """Draw a big balloon with gores of two colors, on a thin string.

    Only its body distinguishes it from all other objects: a detector must be active there.
    """
    paint = s.paint("red", "blue", "green", "orange", "pink")
    gores = paint, s.paint("white", "white", "yellow")
    string = s.ink(Paint((150, 152, 158), "grey"), "balloon", "string", "fabric")
    s.line([(0, 0.4), (0.7, 7), (0, 14)], 0.4, string)
    s.polygon(
        [(-1.5, 12.8), (1.5, 12.8), (0, 16)], s.ink(paint.shade(0.8), "balloon", "", "rubber")
    )
    for k, wide in enumerate((9.2, 6.4, 3.2)):
        s.ellipse(0, 24.4, wide, 10.4, s.ink(gores[k % 2], "balloon", "", "rubber"))


def gift(s: Sketch) -> None:
    """Draw a wrapped box with a bow."""
    paint, ribbon = s.contrasting_paints()
    s.box(-7, 0.4, 7, 11, s.ink(paint, "gift", "", "paper"))
    s.box(-8, 9, 8, 12.4, s.ink(paint.shade(0.85), "gift", "lid", "paper"))
    band = s.ink(ribbon, "gift", "ribbon", "fabric")
    s.box(-1.4, 0.4, 1.4, 12.4, band)
    for x in (-3, 3):
        s.ellipse(x, 14, 3, 1.9, band)
    s.ellipse(0, 13.4, 1.4, 1.4, s.ink(ribbon.shade(0.8), "gift", "ribbon", "fabric"))


def drum(s: Sketch) -> None:
    """Draw a drum with cords."""
    paint = s.paint("red", "blue", "green", "orange")
    s.box(-8, 1.6, 8, 11, s.ink(paint, "drum", "", "wood"))
    cord = s.ink(PAPER, "drum", "", "fabric")
    s.line([(-8 + 4 * k, 2.6 if k % 2 else 10) for k in range(5)], 0.9, cord)
    rim = s.ink(Paint((240, 200, 96), "yellow"), "drum", "rim", "metal")
    s.line([(-8, 1.6), (8, 1.6)], 1.8, rim)
    s.ellipse(0, 11.4, 9, 2.6, rim)
    s.ellipse(0, 11.8, 7.8, 1.9, s.ink(PAPER, "drum", "top", "leather"))


def guitar(s: Sketch) -> None:
    """Draw a guitar that stands on its end, tilted."""
    paint = s.paint("orange", "brown", "red", "yellow")
    body = s.ink(paint, "guitar", "", "wood")
    s.line([(1, 12), (4.4, 27)], 2, s.ink(WOOD.shade(0.6), "guitar", "neck", "wood"))
    s.line([(4.2, 26), (4.9, 29)], 3, s.ink(DARK, "guitar", "neck", "wood"))
    s.ellipse(-0.8, 5.6, 6.6, 5.6, body)
    s.ellipse(1, 12, 4.8, 4.4, body)
    s.ellipse(0.3, 9, 2.2, 2.2, s.ink(DARK, "guitar", "", "wood"))


def traffic_cone(s: Sketch) -> None:
    """Draw an orange cone with white bands."""
    orange = Paint((242, 122, 46), "orange")
    s.box(-7, 0, 7, 1.8, s.ink(orange.shade(0.85), "traffic cone", "", "plastic"))
    s.polygon(
        [(-5.4, 1.8), (5.4, 1.8), (1.2, 17), (-1.2, 17)],
        s.ink(orange, "traffic cone", "", "plastic"),
    )
    white = s.ink(PAPER, "traffic cone", "", "plastic")
    s.polygon([(-4.2, 6), (4.2, 6), (3.2, 9.4), (-3.2, 9.4)], white)
    s.polygon([(-2.6, 12), (2.6, 12), (1.9, 14.4), (-1.9, 14.4)], white)


def bucket(s: Sketch) -> None:
    """Draw a bucket with its handle up."""
    paint = s.paint("red", "blue", "yellow", "green", "pink")
    arc = [
        (5.6 * math.cos(k * math.pi / 10), 10 + 6 * math.sin(k * math.pi / 10)) for k in range(11)
    ]
    s.line(arc, 0.9, s.ink(METAL, "bucket", "handle", "metal"))
    s.polygon([(-4.6, 0), (4.6, 0), (6.4, 10), (-6.4, 10)], s.ink(paint, "bucket", "", "plastic"))
    s.ellipse(0, 10, 6.6, 1.6, s.ink(paint.shade(0.75), "bucket", "rim", "plastic"))


def cardboard_box(s: Sketch) -> None:
    """Draw a parcel, closed with tape."""
    brown = Paint((190, 140, 92), "brown")
    s.box(-8.4, 0.2, 8.4, 11.4, s.ink(brown, "box", "", "cardboard"))
    s.polygon(
        [(-8.4, 11.4), (8.4, 11.4), (6.6, 14), (-6.6, 14)],
        s.ink(brown.shade(1.12), "box", "lid", "cardboard"),
    )
    s.box(-1.4, 6.6, 1.4, 14, s.ink(Paint((232, 208, 160)), "box", "", "plastic"))


def kite(s: Sketch) -> None:
    """Draw a kite that leans on its tip, with a tail of bows."""
    first, second = s.contrasting_paints()
    tail = s.ink(first.shade(0.8), "kite", "tail", "fabric")
    s.line([(0, 3), (4.4, 1.4), (8.6, 2)], 0.7, tail)
    for x, y in ((4.4, 1.4), (8.6, 2)):
        s.polygon(
            [(x - 1.8, y - 1.2), (x - 1.8, y + 1.2), (x + 1.8, y - 1.2), (x + 1.8, y + 1.2)], tail
        )
    s.polygon([(0, 1), (7.4, 15), (0, 23), (-7.4, 15)], s.ink(first, "kite", "", "paper"))
    for corner in ((7.4, 15), (-7.4, 15)):
        tip = (0, 23) if corner[0] > 0 else (0, 1)
        s.polygon([(0, 15), corner, tip], s.ink(second, "kite", "", "paper"))


def _neutral_carrier(name: str) -> Callable[[Sketch], None]:
    def draw(s: Sketch) -> None:
        CARRIERS[name](s, neutral_cover(s))

    return draw


def _smaller(draw: Callable[[Sketch], None], size: float) -> Callable[[Sketch], None]:
    def draw_smaller(s: Sketch) -> None:
        with s.at(0, 0, size):
            draw(s)

    return draw_smaller


OBJECTS: dict[str, Callable[[Sketch], None]] = {
    "backpack": backpack,
    "bag": _neutral_carrier("bag"),
    "ball": balls,
    "balloon": balloon,
    "bench": _smaller(bench, 0.9),
    "bicycle": _smaller(bicycle, 0.5),
    "book": books,
    "box": cardboard_box,
    "bucket": bucket,
    "bush": _smaller(bush, 0.9),
    "chair": _smaller(chair, 0.75),
    "chest": _smaller(chest, 0.8),
    "cushion": _neutral_carrier("cushion"),
    "drum": drum,
    "easel": _smaller(easel, 0.6),
    "floor lamp": _smaller(floor_lamp, 0.62),
    "flower pot": flower_pot,
    "gift": gift,
    "guitar": guitar,
    "kite": kite,
    "laptop": laptop_on_stool,
    "stool": stool,
    "street lamp": _smaller(street_lamp, 0.62),
    "suitcase": suitcase,
    "swim ring": swim_ring,
    "traffic cone": traffic_cone,
    "tree": _smaller(tree, 0.6),
    "umbrella": _neutral_carrier("umbrella"),
    "watering can": watering_can,
}
