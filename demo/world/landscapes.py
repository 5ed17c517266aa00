"""The scenes outdoors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .canvas import Fill, Paint
from .outdoors import (
    CLOUD,
    GREENS,
    boat,
    bush,
    car,
    fence,
    gable,
    house,
    palm,
    parasol,
    pine,
    street_lamp,
    tree,
)
from .props import flower
from .scenery import (
    GRASS,
    HORIZON,
    LAKE,
    SAND,
    SEA,
    draw_ground,
    draw_sky,
    draw_water,
    spread,
    stand,
)

if TYPE_CHECKING:
    from .sketch import Sketch


def park(s: Sketch) -> None:
    """Draw trees, a path, perhaps a street lamp."""
    draw_sky(s)
    hill = s.ink(Paint((150, 200, 150), "green"), "hill", "", "grass")
    s.ellipse(s.between(10, 90), HORIZON - 4, 44, s.between(12, 20), hill)
    draw_ground(s, GRASS, "grass", "grass", "tufts")
    path = s.ink(Paint((232, 214, 178)), "path", "", "gravel")
    x = s.between(20, 80)
    s.polygon(
        [(x - 2, HORIZON), (x + 2, HORIZON), (x + 9, 30), (70, 0), (22, 0), (x - 3, 30)], path
    )
    for x in spread(s, 4, 18):
        if s.chance(0.75):
            stand(
                s, x, HORIZON - s.between(0, 4), s.between(0.7, 0.95), s.one_of((tree, tree, bush))
            )
    if s.chance(0.5):
        stand(s, s.one_of((6, 94)), 34, 1, street_lamp)


def street(s: Sketch) -> None:
    """Draw a row of houses behind a road."""
    draw_sky(s)
    x = -4.0
    while x < 100:
        wide, high = s.between(22, 34), s.between(28, 42)
        with s.at(x, HORIZON + 2):
            house(s, wide, high)
            gable(s, wide, high)
        x += wide
    pavement = s.ink(Paint((206, 204, 200), "grey"), "pavement", "", "concrete")
    s.box(0, 36, 100, HORIZON + 2, pavement)
    road = s.ink(Paint((118, 122, 132), "grey"), "road", "", "asphalt")
    s.box(0, 22, 100, 36, road)
    dash = s.ink(Paint((240, 238, 228), "white"), "road", "", "asphalt")
    for k in range(6):
        s.box(20 * k - 4, 28, 20 * k + 5, 29.4, dash)
    slab = Fill(
        s.ink(Paint((206, 204, 200), "grey"), "pavement", "", "concrete", "tiled"),
        s.ink(Paint((186, 184, 182), "grey"), "pavement", "", "concrete", "tiled"),
        "tiled",
        11,
    )
    s.box(0, 0, 100, 22, slab)
    s.box(0, 21, 100, 22.6, s.ink(Paint((170, 168, 168), "grey"), "pavement", "", "concrete"))
    if s.chance(0.5) and s.allows("car"):
        stand(s, s.one_of((14, 86)), 30, 0.9, car, flip=s.chance(0.5))
    if s.chance(0.5):
        stand(s, s.one_of((4, 96)), 37, 0.95, street_lamp)


def beach(s: Sketch) -> None:
    """Draw sea and sand."""
    draw_sky(s, bright=True)
    draw_water(s, SEA, 27, HORIZON + 3, "sea")
    if s.chance(0.6):
        stand(s, s.one_of((14, 84)), HORIZON + 1, s.between(0.6, 1), boat)
    draw_ground(s, SAND, "sand", "sand", "pebbles", top=28)
    foam = s.ink(Paint((248, 250, 248), "white"), "sea", "foam", "water")
    s.line([(-2 + 8 * k, 28 + (k % 2) * 0.8) for k in range(14)], 1.5, foam)
    if s.chance(0.6):
        stand(s, s.one_of((8, 92)), 25, 1.05, s.one_of((palm, parasol)))


def garden(s: Sketch) -> None:
    """Draw a fence, a lawn, flowers."""
    draw_sky(s)
    for x in spread(s, 3, 24):
        if s.chance(0.8):
            stand(s, x, HORIZON - 1, s.between(0.75, 1), tree)
    hedge = s.ink(GREENS[0], "hedge", "", "plant")
    s.box(0, HORIZON - 3, 100, HORIZON + 7, hedge)
    light = s.ink(GREENS[1], "hedge", "", "plant")
    for k in range(12):
        s.ellipse(4 + 8.6 * k, HORIZON + 6.4, 4.6, 2.2, hedge)
        s.ellipse(2 + 8.6 * k, HORIZON + 3, 1.5, 0.9, light)
    draw_ground(s, GRASS, "grass", "grass", "tufts", top=HORIZON - 3)
    with s.at(0, HORIZON - 7):
        fence(s, 0, 100)
    s.box(
        0, HORIZON - 11, 100, HORIZON - 7, s.ink(Paint((128, 90, 64), "brown"), "soil", "", "earth")
    )
    for k in range(10):
        if s.chance(0.6):
            with s.at(5 + 10 * k + s.between(-2, 2), HORIZON - 9, 0.72):
                flower(s, 0, s.between(7, 10))


def countryside(s: Sketch) -> None:
    """Draw mountains, a lake, a road."""
    draw_sky(s)
    for middle, high, light in ((20, 30, 0.95), (78, 36, 1.05), (50, 24, 1.15)):
        x = middle + s.between(-10, 10)
        rock = s.ink(Paint((138, 150, 172), "grey").shade(light), "mountain", "", "rock")
        s.polygon([(x - 34, HORIZON), (x + 34, HORIZON), (x, HORIZON + high)], rock)
        snow = s.ink(CLOUD, "mountain", "snow", "rock")
        top = HORIZON + high
        s.polygon(
            [
                (x - 8, top - 7),
                (x - 3, top - 5.6),
                (x, top - 8.4),
                (x + 4, top - 5.6),
                (x + 8, top - 7),
                (x, top),
            ],
            snow,
        )
    draw_water(s, LAKE, 29, HORIZON + 2, "lake")
    for x in spread(s, 5, 12):
        if s.chance(0.55):
            stand(s, x, HORIZON, s.between(0.45, 0.75), pine)
    draw_ground(s, Paint((156, 198, 112), "green"), "grass", "grass", "tufts", top=30.5)
    s.box(0, 19, 100, 27, s.ink(Paint((124, 126, 134), "grey"), "road", "", "asphalt"))
    dash = s.ink(Paint((240, 238, 228), "white"), "road", "", "asphalt")
    for k in range(7):
        s.box(17 * k - 4, 22.6, 17 * k + 4, 23.6, dash)
