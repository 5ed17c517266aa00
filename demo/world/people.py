"""Flat people: a random look, and a pose given by its joints.

A person who stands is about 60 high, feet at (0, 0), and faces the viewer or turns right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .canvas import Paint

if TYPE_CHECKING:
    from .canvas import Point
    from .sketch import Sketch

# Skin carries no color label: it would blur the concepts "brown", "pink" and "orange".
_SKINS = ((250, 214, 187), (240, 194, 158), (217, 160, 118), (173, 116, 80), (128, 82, 58))
_HAIRS = ((43, 38, 40), (70, 48, 38), (118, 76, 46), (170, 110, 58), (226, 186, 108), (176, 72, 40))
_EYE = Paint((40, 34, 38))
_MOUTH = Paint((176, 72, 70))
_STYLES = ("short", "short", "long", "long", "bun", "curly", "bald", "cap")
_BOTTOMS = ("trousers", "trousers", "shorts", "skirt")


class Look(NamedTuple):
    """A person's looks."""

    skin: Paint
    hair: Paint
    style: str
    top: Paint
    bottom: Paint
    bottom_kind: str
    shoes: Paint
    hat: Paint
    sleeves: bool


class Pose(NamedTuple):
    """The positions of the joints; of two, the one farther from the viewer comes first."""

    head: Point
    shoulders: tuple[Point, Point]
    elbows: tuple[Point, Point]
    hands: tuple[Point, Point]
    hips: tuple[Point, Point]
    knees: tuple[Point, Point]
    feet: tuple[Point, Point]
    facing: float = 0  # 1: to the right


STANDING = Pose(
    head=(0, 52.6),
    shoulders=((-6.6, 42), (6.6, 42)),
    elbows=((-9.6, 33.5), (9.6, 33.5)),
    hands=((-9.8, 25), (9.8, 25)),
    hips=((-3.6, 25), (3.6, 25)),
    knees=((-3.8, 13), (3.8, 13)),
    feet=((-4, 1.6), (4, 1.6)),
)


def choose_look(s: Sketch) -> Look:
    """Choose a random look."""
    top = s.paint("red", "orange", "yellow", "green", "blue", "pink", "white", "purple")
    others = [
        name for name in ("blue", "black", "grey", "brown", "green", "white") if name != top.color
    ]
    return Look(
        skin=Paint(s.one_of(_SKINS)),
        hair=Paint(s.one_of(_HAIRS)),
        style=s.one_of(_STYLES),
        top=top,
        bottom=s.paint(*others),
        bottom_kind=s.one_of(_BOTTOMS),
        shoes=s.paint("black", "white", "brown", "red"),
        hat=s.paint("red", "blue", "green", "yellow", "orange"),
        sleeves=s.chance(0.45),
    )


def draw_person(s: Sketch, look: Look, pose: Pose) -> None:
    """Draw a whole person."""
    if pose.facing:
        draw_arm(s, look, pose, 0)
    draw_legs(s, look, pose)
    draw_trunk(s, look, pose)
    draw_head(s, look, pose)
    if not pose.facing:
        draw_arm(s, look, pose, 0)
    draw_arm(s, look, pose, 1)


def draw_legs(s: Sketch, look: Look, pose: Pose) -> None:
    """Draw legs, shoes, and what covers them."""
    skin = s.ink(look.skin, "person", "leg", "skin")
    for side in (0, 1):
        cloth = s.ink(look.bottom.shade(0.86 + 0.14 * side), "person", "leg", "fabric")
        shoe = s.ink(look.shoes, "person", "foot", "leather")
        hip, knee, foot = pose.hips[side], pose.knees[side], pose.feet[side]
        s.line([hip, knee, foot], 4.8, cloth if look.bottom_kind == "trousers" else skin)
        if look.bottom_kind == "shorts":
            s.line([hip, _between(hip, knee, 0.75)], 6, cloth)
        out = 1.3 * pose.facing if pose.facing else (side - 0.5) * 1.4
        s.ellipse(foot[0] + out, foot[1] - 0.1, 3.2, 1.7, shoe)
    if look.bottom_kind == "skirt":
        skirt = s.ink(look.bottom, "person", "leg", "fabric")
        (x0, y0), (x1, y1) = pose.hips
        (k0, h0), (k1, h1) = (_between(pose.hips[side], pose.knees[side], 0.9) for side in (0, 1))
        wide = 1.5 + (1 - pose.facing) * 2
        s.polygon([(x0 - 1.8, y0 + 2), (x1 + 1.8, y1 + 2), (k1 + wide, h1), (k0 - wide, h0)], skirt)
        if pose.facing:
            s.line([pose.hips[1], (k1, h1)], 7, skirt)


def draw_trunk(s: Sketch, look: Look, pose: Pose) -> None:
    """Draw neck and body."""
    top = s.ink(look.top, "person", "torso", "fabric")
    neck = s.ink(look.skin.shade(0.9), "person", "neck", "skin")
    (a, b), (c, d) = pose.shoulders, pose.hips
    collar = _between(a, b, 0.5)
    if pose.facing:
        s.line([collar, _between(c, d, 0.5)], 10, top)
    else:
        s.line([a, b], 4.6, top)
        s.polygon(
            [(a[0] - 1.6, a[1]), (b[0] + 1.6, b[1]), (d[0] + 2.2, d[1]), (c[0] - 2.2, c[1])], top
        )
        s.line([c, d], 4.2, top)
    s.line([_between(collar, pose.head, 0.12), _between(collar, pose.head, 0.6)], 4, neck)


def draw_arm(s: Sketch, look: Look, pose: Pose, side: int) -> None:
    """Draw one arm with its hand."""
    shade = 0.9 if side == 0 and pose.facing else 0.94
    sleeve = s.ink(look.top.shade(shade), "person", "arm", "fabric")
    skin = s.ink(look.skin, "person", "arm", "skin")
    hand = s.ink(look.skin, "person", "hand", "skin")
    shoulder, elbow = pose.shoulders[side], pose.elbows[side]
    s.line([elbow, pose.hands[side]], 3.5, sleeve if look.sleeves else skin)
    s.line([shoulder, elbow], 4.2, sleeve)
    s.ellipse(*pose.hands[side], 2.3, 2.3, hand)


def draw_head(s: Sketch, look: Look, pose: Pose) -> None:
    """Draw head, hair and face."""
    with s.at(*pose.head):
        turn = 1.6 * pose.facing
        _hair_behind(s, look, pose.facing)
        face = s.ink(look.skin, "person", "head", "skin")
        s.ellipse(turn * 0.4, 0, 5.7, 6.3, face)
        if pose.facing:
            s.ellipse(6, -0.8, 1.1, 1, face)
        _hair_above(s, look, pose.facing)
        eye = s.ink(_EYE, "person", "head")
        for x in (-2.1, 2.1):
            if not pose.facing or x > 0:
                s.ellipse(x + turn, 0, 0.7, 0.95, eye)
        mouth = s.ink(_MOUTH, "person", "head")
        s.line([(x + turn * 1.3, y) for x, y in ((-1.7, -2.6), (0, -3.7), (1.7, -2.6))], 0.8, mouth)


def _hair_behind(s: Sketch, look: Look, facing: float) -> None:
    hair = s.ink(look.hair, "person", "hair")
    if look.style == "long":
        back = -2.2 * facing
        s.ellipse(back, 0.6, 6.7, 6.9, hair)
        s.box(back - 6.7, -8, back + (2 if facing else 6.7), 0.6, hair)
    elif look.style == "bun":
        s.ellipse(-3 * facing, 7.4, 2.9, 2.7, hair)
    elif look.style == "curly":
        for x, y in ((-5, 1.5), (5 - 4 * facing, 1.5), (-3.5, 5), (0, 6.4), (3.5 - facing, 5)):
            s.ellipse(x, y, 3.2, 3.2, hair)


def _hair_above(s: Sketch, look: Look, facing: float) -> None:
    """Draw a fringe, and the back of the hair for somebody who turns."""
    if look.style == "bald":
        return
    hair = s.ink(look.hair, "person", "hair")
    rim = [(-5.9, 0.8), (-5.6, 3.6), (-3.8, 6), (-1, 7.1), (2, 6.9), (4.6, 5.2), (5.9, 2)]
    inner = [(4.2, 2.6), (1, 3.6), (-3.4, 2.8), (-4.8, 0.8)]
    s.polygon([*rim, *inner], hair)
    if facing:
        s.polygon([(-5.9, 3), (-5.6, -3.4), (-3, -3.6), (-1.6, 2.6), (0, 4)], hair)
    if look.style == "cap":
        hat = s.ink(look.hat, "hat", "", "fabric")
        s.polygon([(-6.1, 2.4), (-5.4, 6), (-2.5, 8), (2.5, 8), (5.4, 6), (6.1, 2.4)], hat)
        s.line(
            [(-5, 2.7), (6 + 2.6 * facing, 2.7)],
            1.3,
            s.ink(look.hat.shade(0.8), "hat", "", "fabric"),
        )


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
