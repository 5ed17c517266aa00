"""People who do nothing in particular, alone or beside the unused props of an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .people import STANDING, Look, draw_person
from .props import (
    backpack,
    balls,
    bicycle,
    chair,
    easel,
    flower_pot,
    laptop,
    suitcase,
    swim_ring,
    table,
    watering_can,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sketch import Sketch


def standing(s: Sketch, look: Look) -> None:
    """Draw somebody who just stands there."""
    sway, lift = s.between(-1.5, 1.5), s.between(0, 3)
    draw_person(
        s,
        look,
        STANDING._replace(
            elbows=((-9.6 + sway, 33.5), (9.6 + sway, 33.5)),
            hands=((-9.6 - lift * 0.3, 25 + lift), (9.6 + lift * 0.3, 25 + lift)),
        ),
    )


def standing_beside(s: Sketch, look: Look, class_: str) -> None:
    """Draw somebody who stands beside the props of an action without using them."""
    with s.at(-11, 0):
        standing(s, look)
    with s.at(12, 0):
        UNUSED_PROPS[class_](s)


def _desk(s: Sketch) -> None:
    with s.at(-11, 0):
        chair(s)
    table(s, -4, 14, 22.4)
    with s.at(6, 23.4, 1.1):
        laptop(s)


def _flowers(s: Sketch) -> None:
    with s.at(-5, 0, 1.1):
        watering_can(s)
    with s.at(10, 0):
        flower_pot(s)


def _luggage(s: Sketch) -> None:
    backpack(s)
    with s.at(11, 0, 0.8):
        suitcase(s)


# The props of each class, lying about; applauding has none.
UNUSED_PROPS: dict[str, Callable[[Sketch], None]] = {
    "juggling": balls,
    "typing": _desk,
    "cycling": bicycle,
    "gardening": _flowers,
    "swimming": swim_ring,
    "painting": easel,
    "hitchhiking": _luggage,
}
