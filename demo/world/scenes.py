"""The nine scenes, shared by the classes, and where somebody can swim in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .landscapes import beach, countryside, garden, park, street
from .rooms import living_room, office, stage, swimming_pool
from .scenery import LAKE, POOL, SEA

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sketch import Sketch

SCENES: dict[str, Callable[[Sketch], None]] = {
    "park": park,
    "street": street,
    "beach": beach,
    "garden": garden,
    "living room": living_room,
    "office": office,
    "stage": stage,
    "swimming pool": swimming_pool,
    "countryside": countryside,
}
# Where somebody can swim: how high the water line of a swimmer lies, and the water.
WATER = {
    "beach": (34.5, SEA, "sea"),
    "swimming pool": (33, POOL, "pool"),
    "countryside": (36.5, LAKE, "lake"),
}
