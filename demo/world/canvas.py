"""A canvas on which every shape is drawn once, for the picture and for all masks.

What is drawn are *inks*, not colors: an ink is a color together with what it stands for (object,
part, material …). The canvas stores the number of each pixel's topmost ink. The picture and all
masks are look-ups in this one map, so masks are exact by construction.

Coordinates are hundredths of the picture's side from its lower left corner, y upwards; within `at`
they are relative to the thing being drawn. Everything is drawn `SMOOTH` times larger and averaged.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from .patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

SMOOTH = 3
_MOST_INKS = 256

Point: TypeAlias = tuple[float, float]


class Paint(NamedTuple):
    """An RGB color and its name ("" where no name fits)."""

    rgb: tuple[int, int, int]
    color: str = ""

    def shade(self, factor: float) -> Paint:
        """Return a darker (factor below 1) or lighter paint of the same name."""
        red, green, blue = (min(255, round(value * factor)) for value in self.rgb)
        return Paint((red, green, blue), self.color)


class Ink(NamedTuple):
    """A paint and what it stands for.

    `owner` is the action or the cue that it belongs to, `motion` where it moves: right, still, ….
    """

    rgb: tuple[int, int, int]
    color: str = ""
    object: str = ""
    part: str = ""
    material: str = ""
    texture: str = ""
    owner: str = ""
    motion: str = ""


class Fill(NamedTuple):
    """A pattern of two inks. The period is in hundredths of the side."""

    first: int
    second: int
    texture: str
    period: float


class Canvas:
    """A square picture to draw on.

    Attributes:
        inks: all inks so far, by number.
        owner: the action or cue that new inks belong to.
        motion: of new inks.
    """

    def __init__(self, side: int) -> None:
        """Start an empty picture.

        Args:
            side: pixels.
        """
        self.inks: list[Ink] = []
        self.owner = ""
        self.motion = ""
        self._side = side
        self._numbers: dict[Ink, int] = {}
        self._ink_map = Image.new("L", (side * SMOOTH, side * SMOOTH))
        self._draw = ImageDraw.Draw(self._ink_map)
        unit = side * SMOOTH / 100
        # Pixel position of the origin; pixels per unit to the right and upwards.
        self._frame = (0.0, float(side * SMOOTH), unit, unit)
        self._scene_inks = 0

    # Inks

    def ink(
        self, paint: Paint, thing: str, part: str = "", material: str = "", texture: str = ""
    ) -> int:
        """Return the number of an ink, a new one where it is not known yet."""
        return self._number(Ink(*paint, thing, part, material, texture, self.owner, self.motion))

    def _number(self, ink: Ink) -> int:
        if ink not in self._numbers:
            if len(self.inks) == _MOST_INKS:
                message = f"a picture has at most {_MOST_INKS} inks"
                raise OverflowError(message)
            self._numbers[ink] = len(self.inks)
            self.inks.append(ink)
        return self._numbers[ink]

    # Places

    @contextmanager
    def at(self, x: float, y: float, size: float = 1, *, flip: bool = False) -> Iterator[None]:
        """Draw within this context with the origin at (x, y), `size` times as large.

        `flip` mirrors left and right.
        """
        before = self._frame
        left, top = self._point((x, y))
        _, _, right, up = before
        self._frame = (left, top, right * size * (-1 if flip else 1), up * size)
        try:
            yield
        finally:
            self._frame = before

    def direction(self, right: float, up: float) -> str:
        """Return the name of a direction in the picture, as what is drawn may be flipped."""
        if not right and not up:
            return "still"
        if abs(up) > abs(right):
            return "up" if up > 0 else "down"
        return "right" if right * self._frame[2] > 0 else "left"

    def _point(self, point: Point) -> tuple[float, float]:
        left, top, right, up = self._frame
        return left + right * point[0], top - up * point[1]

    # Shapes

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: int | Fill) -> None:
        """Draw a rectangle between two corners."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def polygon(self, points: Sequence[Point], fill: int | Fill) -> None:
        """Draw a closed polygon."""
        pixels = [self._point(point) for point in points]
        self._draw_shape(pixels, 0, lambda draw, ink: draw.polygon(pixels, fill=ink), fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: int | Fill) -> None:
        """Draw an axis-aligned ellipse around (x, y)."""
        corners = [self._point((x - rx, y + ry)), self._point((x + rx, y - ry))]
        box = _bounds(corners)
        self._draw_shape(corners, 0, lambda draw, ink: draw.ellipse(box, fill=ink), fill)

    def line(self, points: Sequence[Point], width: float, fill: int | Fill) -> None:
        """Draw a line with round joints and ends."""
        pixels = [self._point(point) for point in points]
        thick = max(1, round(width * self._frame[3]))
        radius = (thick - 1) / 2

        def stroke(draw: ImageDraw.ImageDraw, ink: int) -> None:
            draw.line(pixels, fill=ink, width=thick)
            if thick > 2:
                for x, y in pixels:
                    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)

        self._draw_shape(pixels, thick, stroke, fill)

    def _draw_shape(
        self,
        pixels: Sequence[Point],
        margin: float,
        stroke: Callable[[ImageDraw.ImageDraw, int], None],
        fill: int | Fill,
    ) -> None:
        """Draw with an ink, or draw a mask and paste a pattern through it."""
        if isinstance(fill, int):
            stroke(self._draw, fill)
            return
        left, top, right, bottom = _bounds(pixels)
        side = self._ink_map.width
        box = (
            max(0, int(left - margin)),
            max(0, int(top - margin)),
            min(side, int(right + margin) + 2),
            min(side, int(bottom + margin) + 2),
        )
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        mask = Image.new("L", self._ink_map.size)
        stroke(ImageDraw.Draw(mask), 255)
        mask = mask.crop(box)
        self._ink_map.paste(fill.first, box, mask)
        period = fill.period * abs(self._frame[3])
        origin = (self._frame[0] - box[0], self._frame[1] - box[1])
        second = pattern(fill.texture, mask.size, period, origin)
        self._ink_map.paste(fill.second, box, ImageChops.multiply(mask, second))

    # Shadows

    def end_scene(self) -> None:
        """Mark all inks so far as the scene's; shadows fall on these alone."""
        self._scene_inks = len(self.inks)

    def shadow(self, x: float, y: float, rx: float, ry: float) -> None:
        """Darken the scene within an ellipse; things that stand there stay as they are."""
        left, top, right, bottom = _bounds(
            [self._point((x - rx, y + ry)), self._point((x + rx, y - ry))]
        )
        box = (int(left), int(top), int(right) + 1, int(bottom) + 1)
        region = self._ink_map.crop(box)
        table = list(range(256))
        for _, number in region.getcolors() or []:
            if isinstance(number, int) and number < self._scene_inks:
                ink = self.inks[number]
                dark = Paint(ink.rgb).shade(0.8).rgb
                table[number] = self._number(ink._replace(rgb=dark, owner=self.owner))
        mask = Image.new("L", region.size)
        ImageDraw.Draw(mask).ellipse((0, 0, region.width - 1, region.height - 1), fill=255)
        self._ink_map.paste(region.point(table), box, mask)

    # What has been drawn

    def rgb(self) -> NDArray[np.uint8]:
        """Return the picture, uint8 (side, side, 3)."""
        colors = self._ink_map.copy()
        colors.putpalette([value for ink in self.inks for value in ink.rgb])
        return np.asarray(colors.convert("RGB").reduce(SMOOTH))

    def inks_at_pixels(self) -> NDArray[np.uint8]:
        """Return the number of the ink at the center of each pixel, uint8 (side, side)."""
        middle = SMOOTH // 2
        return np.asarray(self._ink_map)[middle::SMOOTH, middle::SMOOTH]

    def mask_of(self, owner: str) -> NDArray[np.bool_]:
        """Return which pixels an owner's inks touch at all, bool (side, side)."""
        table = np.array([ink.owner == owner for ink in self.inks])
        fine = table[np.asarray(self._ink_map)].reshape(self._side, SMOOTH, self._side, SMOOTH)
        touched: NDArray[np.bool_] = fine.any((1, 3))
        return touched


def _bounds(points: Sequence[Point]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)
