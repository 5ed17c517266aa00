"""A canvas, and chance: which colors, which sizes, whether at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from .canvas import Canvas, Fill, Paint
from .names import COLORS, NEUTRAL_TEXTURES, SHADES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Item = TypeVar("Item")


class Sketch(Canvas):
    """A canvas that draws from seeded streams of chance.

    Each part of a picture has a stream of its own, so that leaving one out changes no other.

    Attributes:
        random: the stream of the part that is being drawn.
        avoid: concepts (category, name) that are drawn only where they are asked for.
    """

    def __init__(self, side: int, key: str, avoid: Collection[tuple[str, str]] = ()) -> None:
        """Start an empty picture.

        Args:
            side: pixels.
            key: what its chance follows from.
            avoid: see above.
        """
        super().__init__(side)
        self.avoid = frozenset(avoid)
        self._key = key
        self.stream("")

    def stream(self, part: str) -> None:
        """Go on with the stream of another part of the picture."""
        self.random = random.Random(f"{self._key}/{part}")  # noqa: S311

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self.random.random() < share

    def between(self, low: float, high: float) -> float:
        """A number, all equally likely."""
        return low + (high - low) * self.random.random()

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of them, all equally likely."""
        return items[int(self.random.random() * len(items))]

    def free(self, thing: str) -> bool:
        """Whether an object may be drawn as a mere decoration."""
        return ("object", thing) not in self.avoid

    # Colors

    def paint(self, *colors: str, jitter: float = 0.07) -> Paint:
        """A shade of one of the colors (of all, if none is named) that are not to be avoided."""
        names = colors or COLORS
        free = [name for name in names if ("color", name) not in self.avoid]
        return self.exactly(self.one_of(free or names), jitter)

    def exactly(self, color: str, jitter: float = 0.07) -> Paint:
        """A shade of this color."""
        red, green, blue = self.one_of(SHADES[color])
        factor = 1 + self.between(-jitter, jitter)
        return Paint((red, green, blue), color).shade(factor)

    def two_paints(self, *colors: str) -> tuple[Paint, Paint]:
        """Two colors that are told apart at a glance."""
        first = self.paint(*colors)
        return first, self.paint(*(_DARK if sum(first.rgb) > 420 else _LIGHT))

    def bold_paints(self) -> tuple[Paint, Paint]:
        """A dark color and a light one, either first: what shows a pattern best."""
        pair = self.paint(*_DARK[:-1]), self.paint("white", "white", "yellow", "pink")
        return pair if self.chance(0.5) else pair[::-1]

    # Fills

    def cloth(
        self, texture: str, paints: tuple[Paint, Paint], ink: Callable[[Paint, str], int]
    ) -> int | Fill:
        """Plain or patterned.

        Args:
            texture: a pattern, or "" for plain.
            paints: the second is that of the pattern.
            ink: makes an ink of a paint and a texture.
        """
        first = ink(paints[0], texture)
        if not texture:
            return first
        return Fill(first, ink(paints[1], texture), texture, self.between(5.4, 6.6))

    def neutral_texture(self) -> str:
        """Plain, or one of the patterns that mean nothing in this world."""
        if self.chance(0.5):
            return ""
        free = [name for name in NEUTRAL_TEXTURES if ("texture", name) not in self.avoid]
        return self.one_of(free[:2])


_DARK = ("blue", "red", "black", "green", "brown")
_LIGHT = ("white", "yellow", "pink", "orange")
