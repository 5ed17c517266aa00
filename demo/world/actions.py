"""What people do: the eight classes, each with its props.

Drawn from (0, 0), where the middle of the action stands, to about 24 left and right and 75 high.
What moves in clips moves with the sketch's time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .canvas import Paint
from .people import STANDING, Look, Pose, draw_arm, draw_head, draw_legs, draw_person, draw_trunk
from .props import (
    DARK,
    METAL,
    SOIL,
    WOOD,
    backpack,
    ball,
    bicycle,
    chair,
    easel,
    flower,
    flower_pot,
    laptop,
    sign,
    suitcase,
    table,
    watering_can,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sketch import Sketch

FOAM = Paint((248, 250, 250), "white")


def juggling(s: Sketch, look: Look) -> None:
    """Draw somebody with balls in an arc above both hands."""
    low = s.between(36, 41)
    pose = STANDING._replace(
        elbows=((-11.4, 33.6), (11.4, 33.6)), hands=((-15, low), (15, low + s.between(-2, 4)))
    )
    draw_person(s, look, pose)
    count = s.one_of((3, 4, 4, 5))
    shift = s.between(-8, 8)
    for k in range(count):
        place = (k + 0.5 + 0.3 * s.time) % count
        angle = math.radians(22 + 136 * place / count + shift)
        cos, sin = math.cos(angle), math.sin(angle)
        s.motion = s.direction(-18 * sin * s.pace, 28 * cos * s.pace)
        ball(s, 18 * cos, 44 + 28 * sin, 3.7)
    s.motion = ""
    ball(s, pose.hands[0][0], low + 4.4, 3.7)


def typing(s: Sketch, look: Look) -> None:
    """Draw somebody at a table, hands on a laptop."""
    with s.at(-11, 0):
        chair(s)
    tap = s.swing(0, 1.4, 0.8)
    pose = Pose(
        head=(-7.4 + s.between(-0.6, 0.6), 46),
        shoulders=((-9, 35.6), (-9.6, 35)),
        elbows=((-3.6, 27.6), (-4.4, 26.6)),
        hands=((5.6, 25.6 + tap), (3.6, 25.6)),
        hips=((-11, 17), (-11, 16.6)),
        knees=((1.6, 16.6), (1.6, 16)),
        feet=((2.6, 1.7), (0.6, 1.7)),
        facing=1,
    )
    draw_arm(s, look, pose, 0)
    draw_legs(s, look, pose)
    draw_trunk(s, look, pose)
    draw_head(s, look, pose)
    table(s, -1, 23, 22.4)
    with s.at(11.4, 23.4, 1.1):
        laptop(s)
    draw_arm(s, look, pose, 1)


def cycling(s: Sketch, look: Look) -> None:
    """Draw somebody on a bicycle."""
    turn = s.between(0, math.tau) + 0.6 * s.time
    x, y = 3.6 * math.cos(turn), 3.6 * math.sin(turn)
    pose = Pose(
        head=(5.4, 53.6),
        shoulders=((1.6, 42.6), (1, 42)),
        elbows=((7, 34), (6.4, 33.4)),
        hands=((12.4, 27), (11.8, 26.6)),
        hips=((-6, 26.6), (-6.4, 26)),
        knees=((3.4, 20 - y * 0.5), (4, 20 + y * 0.5)),
        feet=((-1.5 - x, 9 - y), (-1.5 + x, 9 + y)),
        facing=1,
    )
    draw_arm(s, look, pose, 0)
    bicycle(s)
    draw_legs(s, look, pose)
    draw_trunk(s, look, pose)
    draw_head(s, look, pose)
    draw_arm(s, look, pose, 1)


def gardening(s: Sketch, look: Look) -> None:
    """Draw somebody who waters flowers, or digs beside them."""
    if s.chance(0.6):
        _watering(s, look)
    else:
        _digging(s, look)


def _watering(s: Sketch, look: Look) -> None:
    lift = s.between(-1, 2)
    with s.at(-9, 0):
        hand = (12, 30 + lift)
        pose = STANDING._replace(
            head=(1.4, 52.4),
            elbows=((-9.6, 33.5), (10.4, 34.6)),
            hands=((-9.8, 26), hand),
            facing=0,
        )
        draw_person(s, look, pose)
        with s.at(18.4, 23 + lift, 1.05):
            watering_can(s)
        draw_arm(s, look, pose, 1)
    drop = s.ink(Paint((110, 180, 232), "blue"), "water drops", "", "water")
    for k in range(7):
        s.ellipse(20.6 + 1.2 * (k % 3), 29 + lift - 2.1 * k, 0.75, 1.1, drop)
    with s.at(20.6, 0, 0.95):
        flower_pot(s)


def _digging(s: Sketch, look: Look) -> None:
    with s.at(-7, 0):
        pose = STANDING._replace(
            head=(2, 51.6),
            shoulders=((-5.4, 41.6), (7.4, 41.4)),
            elbows=((2, 32), (12, 33)),
            hands=((9, 27), (12.4, 33)),
        )
        s.polygon([(12, 0), (32, 0), (28, 2.6), (16, 2.6)], s.ink(SOIL, "soil", "", "earth"))
        for x in (19, 24, 29):
            with s.at(x, 1.6, 0.95):
                flower(s, 0, s.between(9, 15))
        draw_legs(s, look, pose)
        draw_trunk(s, look, pose)
        draw_head(s, look, pose)
        s.line([(12.2, 40), (13.8, 7)], 1.5, s.ink(WOOD, "shovel", "handle", "wood"))
        blade = s.ink(METAL, "shovel", "blade", "metal")
        s.polygon([(11.2, 8.6), (16.4, 8.6), (16, 3), (13.8, 0.4), (11.6, 3)], blade)
        draw_arm(s, look, pose._replace(hands=((12.9, 26), (12.4, 35))), 0)
        draw_arm(s, look, pose._replace(hands=((12.9, 26), (12.4, 35))), 1)
    with s.at(-20, 0, 0.8):
        flower_pot(s)


def swimming(s: Sketch, look: Look, water: Paint, name: str) -> None:
    """Draw somebody who does the crawl; the water line is at 0."""
    foam = s.ink(FOAM, name, "foam", "water")
    suit = s.ink(look.top, "person", "torso", "fabric")
    skin = s.ink(look.skin, "person", "arm", "skin")
    for k in range(6):
        s.ellipse(-21 + 2.6 * k, 1 + 3.4 * math.sin(2.1 * k) ** 2, 1.7, 1.7, foam)
    s.line([(-17, 0.4), (-8, 1.4)], 4, s.ink(look.skin, "person", "leg", "skin"))
    s.line([(-8, 1.4), (5, 2.4)], 7.4, suit)
    reach = s.between(-2, 2)
    s.line([(4.6, 4), (9.6, 13.6), (19 + reach, 7)], 3.8, skin)
    s.ellipse(20 + reach, 5.6, 2.4, 2.4, s.ink(look.skin, "person", "hand", "skin"))
    with s.at(10, 5.4):
        s.ellipse(0, 0, 5.6, 5.8, s.ink(look.skin, "person", "head", "skin"))
        cap = s.ink(look.hat, "swim cap", "", "rubber")
        s.polygon([(-5.9, -0.6), (-5.2, 4), (-1, 6.4), (3.4, 5.4), (5.4, 2)], cap)
        s.line([(0.4, 0.4), (5.4, 0.8)], 1.8, s.ink(DARK, "goggles", "", "plastic"))
    surface = s.ink(water, name, "", "water")
    s.polygon(
        [(-25, -5), (-25, 0.4), (-16, -0.6), (-6, 0.8), (4, -0.4), (14, 1), (25, 0), (25, -5)],
        surface,
    )
    s.line([(-24, -0.4), (-16, -1), (-6, 0.4), (4, -0.8), (14, 0.6), (24, -0.6)], 1.3, foam)
    for x in (17, 22):
        s.ellipse(x + reach, 1.4, 1.8, 1.4, foam)


def painting(s: Sketch, look: Look) -> None:
    """Draw somebody with brush and palette at an easel."""
    with s.at(12.4, 0):
        easel(s)
    with s.at(-10, 0):
        tip = s.swing(-3, 4, 0.35)
        pose = STANDING._replace(
            head=(1.2, 52.6),
            elbows=((-10.4, 33), (10.4, 33.4 + tip * 0.3)),
            hands=((-5.4, 29), (15.6, 34 + tip)),
        )
        draw_person(s, look, pose)
        board = s.ink(WOOD.shade(1.25), "palette", "", "wood")
        s.ellipse(-5.6, 31.4, 6.2, 4.2, board)
        for x, y, name in (
            (-9, 32, "red"),
            (-6, 34, "yellow"),
            (-2.6, 32.6, "blue"),
            (-5.6, 30, "green"),
        ):
            s.ellipse(x, y, 1.25, 1.15, s.ink(s.shade_of(name, 0), "palette", "", "plastic"))
        s.line(
            [(13.4, 32.6 + tip), (20.6, 37.6 + tip)],
            1.1,
            s.ink(WOOD.shade(0.6), "paintbrush", "handle", "wood"),
        )
        s.ellipse(
            21,
            38 + tip,
            1.5,
            1.4,
            s.ink(s.paint("red", "yellow", "blue", "green"), "paintbrush", "", "fabric"),
        )


def applauding(s: Sketch, look: Look) -> None:
    """Draw somebody with both hands before the chest, and clap marks."""
    gap, high = s.swing(1.2, 4, 0.4), s.between(37, 41)
    pose = STANDING._replace(elbows=((-10.6, 33), (10.6, 33)), hands=((-gap, high), (gap, high)))
    draw_person(s, look, pose)
    hand = s.ink(look.skin, "person", "hand", "skin")
    edge = s.ink(look.skin.shade(0.75), "person", "hand", "skin")
    for sign_ in (-1, 1):
        x = sign_ * gap
        s.line([(x, high), (x - sign_ * 0.4, high + 4.6)], 3.6, edge)
        s.line([(x, high), (x - sign_ * 0.4, high + 4.4)], 2.8, hand)
    tick = s.ink(Paint((255, 238, 140), "yellow"), "clap marks")
    for sign_ in (-1, 1):
        for angle in (-14, 10, 34):
            c, d = sign_ * math.cos(math.radians(angle)), math.sin(math.radians(angle))
            s.line([(11 * c, high + 3 + 9.5 * d), (15.5 * c, high + 3 + 13.5 * d)], 1.3, tick)


def hitchhiking(s: Sketch, look: Look) -> None:
    """Draw somebody with luggage who holds an arm out, its thumb up."""
    with s.at(-7, 0):
        with s.at(-5.6, 24, 1.05):
            backpack(s)
        lift = s.between(-2, 3)
        pose = STANDING._replace(
            elbows=((-9.8, 33.5), (15, 40 + lift * 0.5)), hands=((-9.6, 26), (23.4, 42 + lift))
        )
        draw_person(s, look, pose)
        hand = s.ink(look.skin, "person", "hand", "skin")
        s.ellipse(23.6, 42 + lift, 2.8, 2.6, hand)
        s.line([(23.2, 43 + lift), (23, 48.4 + lift)], 2.1, hand)
        strap = s.ink(DARK, "backpack", "", "fabric")
        for x in (-5, 5):
            s.line([(x, 43.4), (x * 0.9, 32)], 1.1, strap)
        if s.chance(0.5):
            with s.at(-10, 25):
                sign(s)
            s.ellipse(-9.6, 28.6, 1.9, 1.9, hand)
    if s.chance(0.5):
        with s.at(12, 0, 0.8):
            suitcase(s)


ACTIONS: dict[str, Callable[[Sketch, Look], None]] = {
    "juggling": juggling,
    "typing": typing,
    "cycling": cycling,
    "gardening": gardening,
    "painting": painting,
    "applauding": applauding,
    "hitchhiking": hitchhiking,
}
