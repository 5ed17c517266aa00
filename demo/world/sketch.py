"""A canvas with random choices: which colors, which sizes, whether at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from .canvas import Canvas, Fill, Paint
from .names import COLORS, NEUTRAL_TEXTURES, SHADES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Choice = TypeVar("Choice")


class Sketch(Canvas):
    """A canvas with seeded random numbers.

    Each part of a picture has a random stream of its own, so that leaving one part out changes no
    other.

    Attributes:
        random: the stream of the part that is being drawn.
        avoid: concepts (category, name) that are drawn only as cues, never as decoration.
        time: of this frame of a clip; 0 in a picture.
        pace: of the time; negative if the clip is played backwards, 0 in a picture.
    """

    def __init__(self, side: int, key: str, avoid: Collection[tuple[str, str]] = ()) -> None:
        """Start an empty picture.

        Args:
            side: pixels.
            key: the seed of all its streams.
            avoid: see above.
        """
        super().__init__(side)
        self.avoid = frozenset(avoid)
        self.time = 0.0
        self.pace = 0.0
        self._key = key
        self.switch_stream("")

    def switch_stream(self, part: str) -> None:
        """Start the random stream of a part of the picture."""
        self.random = random.Random(f"{self._key}/{part}")  # noqa: S311

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random.random() < probability

    def between(self, low: float, high: float) -> float:
        """Return a uniformly distributed number."""
        return low + (high - low) * self.random.random()

    def swing(self, low: float, high: float, pace: float) -> float:
        """Return a number that is distributed as `between`, and goes up and down with time.

        Args:
            low: the lowest.
            high: the highest.
            pace: ways from one to the other per unit of time.
        """
        way = (self.random.random() + pace * self.time) % 2
        return low + (high - low) * (way if way <= 1 else 2 - way)

    def one_of(self, items: Sequence[Choice]) -> Choice:
        """Return one of the items, all equally likely."""
        return items[int(self.random.random() * len(items))]

    def allows(self, thing: str) -> bool:
        """Return whether an object may be drawn as decoration."""
        return ("object", thing) not in self.avoid

    # Colors

    def paint(self, *colors: str, jitter: float = 0.07) -> Paint:
        """Return a shade of one of the colors (of any, if none is named) that are not avoided."""
        names = colors or COLORS
        allowed = [name for name in names if ("color", name) not in self.avoid]
        return self.shade_of(self.one_of(allowed or names), jitter)

    def shade_of(self, color: str, jitter: float = 0.07) -> Paint:
        """Return a shade of this color."""
        red, green, blue = self.one_of(SHADES[color])
        factor = 1 + self.between(-jitter, jitter)
        return Paint((red, green, blue), color).shade(factor)

    def contrasting_paints(self, *colors: str) -> tuple[Paint, Paint]:
        """Return two colors that are easy to distinguish, the first one of `colors`."""
        first = self.paint(*colors)
        return first, self.paint(*(_DARK if sum(first.rgb) > 420 else _LIGHT))

    def pattern_paints(self) -> tuple[Paint, Paint]:
        """Return a dark color and a light one, in any order, to show a pattern well."""
        pair = self.paint(*_DARK[:-1]), self.paint("white", "white", "yellow", "pink")
        return pair if self.chance(0.5) else pair[::-1]

    # Fills

    def cloth(
        self, texture: str, paints: tuple[Paint, Paint], ink: Callable[[Paint, str], int]
    ) -> int | Fill:
        """Return what to fill a cloth with: one ink, or a pattern of two.

        Args:
            texture: a pattern, or "" for plain.
            paints: of the ground and of the pattern.
            ink: makes an ink of a paint and a texture.
        """
        first = ink(paints[0], texture)
        if not texture:
            return first
        return Fill(first, ink(paints[1], texture), texture, self.between(5.4, 6.6))

    def neutral_texture(self) -> str:
        """Return "" for plain, or a pattern that no class is trained to depend on."""
        if self.chance(0.5):
            return ""
        allowed = [name for name in NEUTRAL_TEXTURES if ("texture", name) not in self.avoid]
        return self.one_of(allowed[:2])


_DARK = ("blue", "red", "black", "green", "brown")
_LIGHT = ("white", "yellow", "pink", "orange")
