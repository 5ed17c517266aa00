"""Things: parts of concepts joined where they are one, and painted over."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from conceptgraph.explain.inpainting import paint_over, to_grid, to_pixels
from conceptgraph.explain.presence import ConceptName
from conceptgraph.explain.things import connected_parts, find_things

if TYPE_CHECKING:
    from conceptgraph.explain.things import Mask

BAG, DOTS = ConceptName("bag", "object"), ConceptName("polka dotted", "texture")
TREE, BEACH = ConceptName("tree", "object"), ConceptName("beach", "scene")


def mask(*rows: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.array([[cell == "#" for cell in row] for row in rows])


BAG_MASK = mask("##....", "##....", "......", ".....#", ".....#", "......")
DOTS_MASK = mask("##....", "#.....", "......", "......", "......", "......")
TREE_MASK = mask("......", "......", "......", "...###", "...###", "...###")


def test_what_overlaps_is_one_thing_and_what_is_apart_is_two() -> None:
    things = find_things((BAG, DOTS, TREE), np.stack([BAG_MASK, DOTS_MASK, TREE_MASK]))
    names = [thing.concepts for thing in things]
    assert names == [(TREE,), (BAG, DOTS), (BAG,)]
    np.testing.assert_array_equal(things[1].mask, BAG_MASK & (np.arange(6) < 3))
    np.testing.assert_array_equal(things[1].parts[1], DOTS_MASK)


def test_parts_are_joined_pair_by_pair_the_largest_overlap_first() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        found = np.zeros((12, 10, 10), bool)
        for part in found:
            y, x = draw.integers(0, 6, 2)
            height, width = draw.integers(2, 5, 2)
            part[y : y + height, x : x + width] = True
        names = tuple(ConceptName(str(number), "object") for number in range(len(found)))
        things = find_things(names, found)
        assert len(things) < len(found)
        expected = plainly_joined(list(found))
        key = [mask.tobytes() for mask in expected]
        assert sorted(thing.mask.tobytes() for thing in things) == sorted(key)


def plainly_joined(masks: list[Mask]) -> list[Mask]:
    """Join masks, every overlap counted again for every pair."""
    while True:
        best, pair = 0.0, (0, 0)
        for first, second in product(range(len(masks)), repeat=2):
            sizes = sorted(int(masks[i].sum()) for i in (first, second))
            share = int((masks[first] & masks[second]).sum()) / sizes[0]
            if first != second and sizes[1] <= 3 * sizes[0] and share > best:
                best, pair = share, (first, second)
        if best < 0.6:
            return masks
        rest = [one for i, one in enumerate(masks) if i not in pair]
        masks = [*rest, masks[pair[0]] | masks[pair[1]]]


def test_a_small_part_of_a_much_larger_one_stays_apart() -> None:
    large, small = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    large[:3, :4], small[0, 0] = True, True
    assert len(find_things((TREE, BAG), np.stack([large, small]))) == 2


def test_surroundings_are_no_things() -> None:
    everywhere = np.ones((6, 6), bool)
    assert find_things((TREE, BEACH), np.stack([everywhere, BAG_MASK])) == []
    assert find_things((), np.zeros((0, 6, 6), bool)) == []


def test_parts_touch_at_corners() -> None:
    assert len(connected_parts(mask("#..", ".#.", "..."))) == 1
    assert len(connected_parts(mask("#.#", "...", "#.#"))) == 4


def test_painting_over_changes_only_the_mask_and_takes_the_surroundings() -> None:
    pixels = np.full((40, 40, 3), 200, np.uint8)
    pixels[10:20, 10:20] = (255, 0, 0)
    covered = np.zeros((40, 40), bool)
    covered[8:22, 8:22] = True
    painted = paint_over(pixels, covered)
    np.testing.assert_array_equal(painted[~covered], pixels[~covered])
    assert np.abs(painted[covered].astype(int) - 200).max() <= 5
    assert pixels[15, 15].tolist() == [255, 0, 0]


def test_a_mask_of_a_grid_reaches_half_a_position_further() -> None:
    grid = np.zeros((4, 4), bool)
    grid[1, 1] = True
    pixels = to_pixels(grid, 64, 64)
    rows = pixels.any(axis=1).nonzero()[0]
    assert (rows[0], rows[-1]) == (8, 39)
    assert pixels.sum() == 32 * 32


def test_a_mask_of_pixels_counts_by_the_share_it_covers() -> None:
    pixels = np.zeros((8, 8), bool)
    pixels[:3, :4] = True
    shares = to_grid(pixels, 2, 2)
    np.testing.assert_allclose(shares, np.array([[0.75, 0.0], [0.0, 0.0]]))
