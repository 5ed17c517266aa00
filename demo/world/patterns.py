"""Textures: where a pattern of two inks shows the second ink, as a function of position."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Coordinates: TypeAlias = "NDArray[np.float32]"
    PatternMask: TypeAlias = "NDArray[np.bool_]"


def _below(values: Coordinates, limit: float) -> PatternMask:
    where: PatternMask = values < limit
    return where


def _striped(u: Coordinates, v: Coordinates) -> PatternMask:
    return _below(((u + v) * 0.71) % 1, 0.5)


def _polka_dotted(u: Coordinates, v: Coordinates) -> PatternMask:
    row = np.floor(v)
    return _below(np.hypot((u + row % 2 / 2) % 1 - 0.5, v % 1 - 0.5), 0.33)


def _chequered(u: Coordinates, v: Coordinates) -> PatternMask:
    return _below(u % 1, 0.5) ^ _below(v % 1, 0.5)


def _zigzagged(u: Coordinates, v: Coordinates) -> PatternMask:
    return _below((v + abs(u % 1 - 0.5)) % 1, 0.45)


def _grid(u: Coordinates, v: Coordinates) -> PatternMask:
    return (u % 1 < 0.24) | (v % 1 < 0.24)


def _crosshatched(u: Coordinates, v: Coordinates) -> PatternMask:
    return ((u + v) * 0.8 % 1 < 0.24) | ((u - v) * 0.8 % 1 < 0.24)


def _wavy(u: Coordinates, v: Coordinates) -> PatternMask:
    return _below((v + 0.22 * np.sin(math.tau * u * 0.8)) % 1, 0.42)


def _scaly(u: Coordinates, v: Coordinates) -> PatternMask:
    row = np.floor(v)
    r = np.hypot((u + row % 2 / 2) % 1 - 0.5, (v % 1) * 0.75)
    return _below(abs(r - 0.47), 0.09)


def _starry(u: Coordinates, v: Coordinates) -> PatternMask:
    row = np.floor(v)
    x, y = (u + row % 2 / 2) % 1 - 0.5, v % 1 - 0.5
    return _below(np.hypot(x, y) - 0.13 * np.cos(5 * np.arctan2(x, y)), 0.25)


def _bricked(u: Coordinates, v: Coordinates) -> PatternMask:
    row = np.floor(v * 1.4)
    return _below((u * 0.8 + row % 2 / 2) % 1, 0.1) | _below(v * 1.4 % 1, 0.17)


def _tiled(u: Coordinates, v: Coordinates) -> PatternMask:
    return (u % 1 < 0.1) | (v % 1 < 0.1)


def _planked(u: Coordinates, v: Coordinates) -> PatternMask:
    row = np.floor(v)
    return (v % 1 < 0.12) | ((u * 0.25 + row * 0.37) % 1 < 0.02)


PATTERNS: dict[str, Callable[[Coordinates, Coordinates], PatternMask]] = {
    "striped": _striped,
    "polka dotted": _polka_dotted,
    "chequered": _chequered,
    "zigzagged": _zigzagged,
    "grid": _grid,
    "crosshatched": _crosshatched,
    "wavy": _wavy,
    "scaly": _scaly,
    "starry": _starry,
    "bricked": _bricked,
    "tiled": _tiled,
    "planked": _planked,
}


def pattern(
    texture: str, size: tuple[int, int], period: float, origin: tuple[float, float]
) -> Image.Image:
    """Return a texture as a mask for pasting.

    Args:
        texture: one of `PATTERNS`.
        size: width and height, pixels.
        period: of the pattern, pixels.
        origin: of the pattern, pixels from the upper left corner.

    Returns:
        Mode "L": 255 where the second ink shows, else 0.
    """
    width, height = size
    u = (np.arange(width, dtype=np.float32)[None, :] + 0.5 - origin[0]) / period
    v = (np.arange(height, dtype=np.float32)[:, None] + 0.5 - origin[1]) / period
    where = np.broadcast_to(PATTERNS[texture](u, v), (height, width))
    return Image.fromarray(where.astype(np.uint8) * np.uint8(255))
