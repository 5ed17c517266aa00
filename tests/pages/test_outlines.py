"""Outlines and bits of masks."""

from __future__ import annotations

import re

import numpy as np

from conceptgraph.ingest.network.preprocessing import SeenBox
from conceptgraph.pages.outlines import bits, outline

WHOLE = SeenBox(0, 0, 1, 1)


def points(path: str) -> np.ndarray:
    return np.array(re.findall(r"(-?\d+) (-?\d+)", path), float)


def test_an_outline_surrounds_the_mask_in_the_part_that_is_seen() -> None:
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    around = points(outline(mask, WHOLE, 400, 400))
    assert np.abs(around.min(axis=0) - 100).max() <= 2
    assert np.abs(around.max(axis=0) - 300).max() <= 2
    right = points(outline(mask, SeenBox(0.5, 0.25, 1, 0.75), 400, 400))
    assert np.abs(right.min(axis=0) - (250, 150)).max() <= 2
    assert np.abs(right.max(axis=0) - (350, 250)).max() <= 2


def test_small_things_and_holes_have_outlines() -> None:
    one = np.zeros((64, 64), bool)
    one[30, 30] = True
    assert outline(one, WHOLE, 64, 64).startswith("M")
    ring = np.ones((8, 8), bool)
    ring[3:5, 3:5] = False
    assert outline(ring, WHOLE, 400, 400).count("Z") == 2


def test_bits_are_the_mask_row_by_row() -> None:
    assert bits(np.array([[True, False], [False, True]])) == "90"
    assert bits(np.array([[True] * 3, [False] * 3, [True] * 3])) == "e380"
