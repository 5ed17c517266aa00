"""The scenes indoors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import Fill, Paint
from .furniture import bookshelf, chest, floor_lamp, picture_frame, plant, sofa, whiteboard, window
from .outdoors import CLOUD
from .scenery import HORIZON, POOL, back_row, draw_planks, draw_skirting, draw_water, plain_wall

if TYPE_CHECKING:
    from .sketch import Sketch

_WALLS = (
    Paint((244, 226, 198)),
    Paint((206, 222, 206)),
    Paint((232, 204, 190)),
    Paint((198, 214, 228)),
    Paint((238, 220, 170)),
)


def living_room(s: Sketch) -> None:
    """Draw a warm wall, a wooden floor, furniture."""
    wall = s.one_of(_WALLS)
    plain_wall(s, wall)
    draw_planks(s, Paint((198, 150, 104), "brown"))
    if s.chance(0.6):
        with s.at(s.one_of((24, 50, 76)), 58):
            window(s, 10, 24, curtains=s.chance(0.8))
    else:
        with s.at(s.one_of((26, 50, 74)), 72):
            picture_frame(s)
    back_row(s, (sofa, bookshelf, chest, floor_lamp, plant))
    rug = s.paint("red", "blue", "orange", "green", "grey")
    s.ellipse(50, 12, 40, 9, s.ink(rug.shade(0.9), "rug", "", "fabric"))
    s.ellipse(50, 12, 36, 7.4, s.ink(rug.shade(1.12), "rug", "", "fabric"))


def office(s: Sketch) -> None:
    """Draw a cool wall, a carpet, a whiteboard."""
    plain_wall(
        s, s.one_of((Paint((214, 224, 232)), Paint((226, 226, 222)), Paint((198, 214, 214))))
    )
    carpet = Paint((128, 142, 164), "grey")
    s.box(0, 0, 100, HORIZON, s.ink(carpet, "floor", "", "carpet"))
    s.box(0, 0, 100, 12, s.ink(carpet.shade(0.95), "floor", "", "carpet"))
    draw_skirting(s)
    if s.chance(0.6):
        with s.at(s.one_of((26, 50, 74)), 72):
            whiteboard(s)
    else:
        for x in (24, 76):
            with s.at(x, 58):
                window(s, 14, 24, curtains=False)
    back_row(s, (chest, bookshelf, plant))


def stage(s: Sketch) -> None:
    """Draw a theatre's curtains, boards and spotlights."""
    s.box(0, 0, 100, 100, s.ink(Paint((58, 62, 92)), "wall", "", "fabric"))
    glow = s.ink(Paint((84, 90, 128)), "wall", "", "fabric")
    for x in (30, 70):
        s.polygon([(x - 4, 96), (x + 4, 96), (x + 22, HORIZON), (x - 22, HORIZON)], glow)
    draw_planks(s, Paint((176, 122, 82), "brown"))
    s.ellipse(50, 14, 36, 9, s.ink(Paint((220, 176, 128), "brown"), "floor", "spotlight", "wood"))
    cloth = Paint((176, 44, 58), "red") if s.chance(0.6) else Paint((44, 110, 118))
    for k in range(5):
        ink = s.ink(cloth.shade((1, 0.84)[k % 2]), "curtain", "", "fabric")
        for left in (k * 4.4, 100 - (k + 1) * 4.4):
            s.box(left, 34, left + 4.4, 100, ink)
    for k in range(7):
        ink = s.ink(cloth.shade(0.92), "curtain", "", "fabric")
        s.ellipse(100 / 6 * k, 98, 9.4, 7.5, ink)
    lamp, light = (
        s.ink(Paint((36, 38, 46), "black"), "spotlight", "", "metal"),
        s.ink(Paint((255, 240, 178), "yellow"), "spotlight", "", "glass"),
    )
    for x in (30, 50, 70):
        s.box(x - 2.6, 90.6, x + 2.6, 96, lamp)
        s.ellipse(x, 90.6, 2.6, 1.5, light)


def swimming_pool(s: Sketch) -> None:
    """Draw tiles, water, lanes."""
    tile = Paint((206, 232, 236))
    first, second = (s.ink(p, "wall", "", "tile", "tiled") for p in (tile, tile.shade(0.92)))
    s.box(0, HORIZON, 100, 100, Fill(first, second, "tiled", 8))
    for x in (22, 78):
        with s.at(x, 64):
            window(s, 13, 20, curtains=False)
    s.box(
        0, HORIZON + 2, 100, HORIZON + 6, s.ink(Paint((86, 130, 176), "blue"), "wall", "", "tile")
    )
    draw_water(s, POOL, 24, HORIZON + 2, "pool")
    rope = [s.ink(p, "pool", "lane rope", "plastic") for p in (Paint((226, 70, 66), "red"), CLOUD)]
    for y in (39, 29.4):
        for k in range(17):
            s.box(6 * k - 1, y, 6 * k + 4.6, y + 1.1, rope[k % 2])
    deck = Paint((232, 226, 214))
    first, second = (s.ink(p, "floor", "", "tile", "tiled") for p in (deck, deck.shade(0.93)))
    s.box(0, 0, 100, 24, Fill(first, second, "tiled", 9))
    s.box(0, 23, 100, 25, s.ink(Paint((170, 200, 208)), "pool", "rim", "tile"))
