"""Pictures of pages: what is drawn over a part of an image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from conceptgraph.pages.pictures import outlined

SIDE = 240


def pieces(side: int, distance: int) -> np.ndarray:
    """Return a mask of squares in rows and columns."""
    at = np.arange(SIDE) % distance < side
    return at[:, None] & at


@pytest.mark.parametrize(
    ("mask", "is_outlined"),
    [
        (pieces(4, 12), False),
        (~pieces(4, 12), False),  # small holes
        (pieces(48, 120), True),
        (pieces(22, 48), True),  # many, but none is small
        (pieces(4, 120), True),  # small, but few
    ],
)
@pytest.mark.parametrize("fade", [0.0, 0.35])
def test_many_small_pieces_are_not_hidden_by_lines(
    mask: np.ndarray, is_outlined: bool, fade: float
) -> None:
    image = Image.new("RGB", (SIDE, SIDE), (200, 30, 30))
    pixels = np.asarray(outlined(image, mask, SIDE, fade=fade))
    assert bool((pixels == 255).all(2).any()) == is_outlined
    unchanged = (pixels == (200, 30, 30)).all(2)
    if not is_outlined:
        np.testing.assert_array_equal(unchanged, mask)
        rest = pixels[~mask]
        assert (rest == rest[:, :1]).all()  # grey


@pytest.mark.parametrize("level", [0, 60, 127, 200, 255])
def test_the_rest_differs_from_small_pieces_of_any_brightness(level: int) -> None:
    mask = pieces(4, 12)
    pixels = np.asarray(outlined(Image.new("RGB", (SIDE, SIDE), (level,) * 3), mask, SIDE))
    assert (pixels[mask] == level).all()
    assert np.abs(pixels[~mask].astype(int) - level).min() > 70
