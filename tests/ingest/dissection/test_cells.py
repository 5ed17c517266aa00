"""Cells against the dense maps they stand for: corners, values, masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from conceptgraph.ingest.dissection.cells import (
    Cells,
    Grid,
    Values,
    cells_above,
    cells_of_images,
    find_cells,
    mask_pixels,
    native_values,
)
from tests import reference

# images, units, height, width
SHAPES = [(2, 3, 4, 5), (1, 8, 3, 3), (3, 13, 2, 6), (2, 1, 1, 1), (1, 5, 1, 7), (2, 16, 7, 7)]
# height and width of the masks for maps of 4 × 6
MASKS = [(4, 6), (8, 12), (16, 24), (32, 6), (7, 11), (5, 6), (3, 4), (2, 3), (1, 1), (13, 1)]


def random_maps(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Draw maps, half of them zero, as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).relu()


def whole_maps(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Draw whole numbers from 0 to 4: full of ties, and exact where positions are dyadic."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 5, shape, generator=generator).float()


def grid_of(maps: Tensor) -> Grid:
    return Grid(maps.shape[2], maps.shape[3], maps.shape[1])


def slow_cells(maps: Tensor, lower: Tensor) -> dict[int, list[float]]:
    """Return corners by flat position, by looping over every cell."""
    images, units, height, width = maps.shape
    found = {}
    positions = np.ndindex(images, height + 1, width + 1, units)
    for index, (image, row, column, unit) in enumerate(positions):
        corners = [
            float(maps[image, unit, min(max(y, 0), height - 1), min(max(x, 0), width - 1)])
            for y in (row - 1, row)
            for x in (column - 1, column)
        ]
        if max(corners) > float(lower[unit]):
            found[index] = corners
    return found


def as_dict(cells: Cells) -> dict[int, list[float]]:
    return dict(zip(cells.where.tolist(), cells.corners.tolist(), strict=True))


def dense_masks(
    cells: Cells, maps: Tensor, limits: Tensor, size: tuple[int, int], chunk: int = 1 << 20
) -> reference.Bools:
    """Return the masks (images, units, height, width) of `mask_pixels`; no pixel comes twice."""
    images, units = maps.shape[:2]
    times = np.zeros((images, units, size[0] * size[1]), np.int64)
    for on in mask_pixels(cells, grid_of(maps), limits, *size, chunk=chunk):
        image, pixel = np.divmod(on.position.numpy(), size[0] * size[1])
        assert (on.owner.numpy() // units == image).all()
        np.add.at(times, (image, on.owner.numpy() % units, pixel), 1)
    assert times.max(initial=0) <= 1
    return times.reshape(images, units, *size) > 0


def assert_masks(maps: Tensor, limits: Tensor, size: tuple[int, int], *, exact: bool) -> None:
    """Compare masks with the reference's; unless `exact`, not where rounding could decide."""
    found = dense_masks(find_cells(maps, limits)[0], maps, limits, size)
    values = reference.up_sample(maps.numpy(), *size)
    bounds = limits.double().numpy()[None, :, None, None]
    clear = np.abs(values - bounds) > (-1 if exact else 1e-5)
    np.testing.assert_array_equal(found & clear, (values > bounds) & clear)


def limits_of(maps: Tensor) -> Tensor:
    """Return a limit for each unit, all different; each but the first is a value of the unit."""
    flat = maps.transpose(0, 1).flatten(1).sort(dim=1).values
    ranks = torch.arange(len(flat)) * flat.shape[1] // len(flat)
    limits = flat.gather(1, ranks.unsqueeze(1)).squeeze(1)
    limits[0] = 0
    return limits


@pytest.mark.parametrize("size", MASKS)
def test_the_reference_is_what_torch_calls_bilinear(size: tuple[int, int]) -> None:
    maps = random_maps((2, 3, 4, 6))
    expected = interpolate(maps.double(), size, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(reference.up_sample(maps.numpy(), *size), expected, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lower", [0.0, 0.7, 5.0])
def test_cells_with_a_corner_above(shape: tuple[int, ...], lower: float) -> None:
    maps = random_maps(shape)
    bounds = torch.linspace(lower, lower + 0.5, shape[1])
    found = find_cells(maps, bounds)[0]
    assert as_dict(found) == slow_cells(maps, bounds)
    assert found.where.tolist() == sorted(found.where.tolist())


def test_memory_format_does_not_matter() -> None:
    maps = random_maps((2, 6, 5, 4))
    last = maps.contiguous(memory_format=torch.channels_last)
    bounds = torch.full((6,), 0.5)
    assert as_dict(find_cells(maps, bounds)[0]) == as_dict(find_cells(last, bounds)[0])


def test_an_infinite_bound_leaves_no_cell_of_its_unit() -> None:
    maps = whole_maps((2, 3, 4, 4))
    cells = find_cells(maps, torch.tensor([0.0, torch.inf, 0.0]))[0]
    assert set((cells.where % 3).tolist()) == {0, 2}


@pytest.mark.parametrize("shape", SHAPES)
def test_native_values_are_the_maps_values(shape: tuple[int, ...]) -> None:
    maps, lower = random_maps(shape), torch.linspace(0, 1, shape[1])
    cells, above_bound = find_cells(maps, lower)
    held = as_list(native_values(cells, grid_of(maps)))
    every = {(i, k, float(maps[i, k, y, x])) for i, k, y, x in np.ndindex(*maps.shape)}
    assert set(held) <= every
    exceeding = (maps > lower.view(-1, 1, 1)).nonzero().tolist()
    expected = sorted((i, k, float(maps[i, k, y, x])) for i, k, y, x in exceeding)
    assert sorted(as_list(above_bound)) == expected
    assert sorted(value for value in held if value[2] > lower[value[1]]) == expected


def as_list(values: Values) -> list[tuple[int, int, float]]:
    return list(zip(*(part.tolist() for part in values), strict=True))


@pytest.mark.parametrize("size", MASKS)
def test_masks_of_random_maps(size: tuple[int, int]) -> None:
    maps = random_maps((2, 9, 4, 6))
    assert_masks(maps, limits_of(maps), size, exact=False)


@pytest.mark.parametrize("size", [(4, 6), (8, 12), (16, 24), (32, 6), (2, 3), (1, 3)])
def test_masks_are_strictly_above_ties(size: tuple[int, int]) -> None:
    maps = whole_maps((2, 9, 4, 6))
    assert_masks(maps, torch.arange(9.0) % 5, size, exact=True)


def test_masks_of_maps_as_resnets_have_them() -> None:
    maps = random_maps((1, 3, 7, 7))
    assert_masks(maps, torch.tensor([0.5, 1.0, 2.0]), (112, 112), exact=False)


@given(
    shape=st.tuples(*(st.integers(1, high) for high in (2, 11, 5, 5))),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**16),
)
def test_masks_of_any_size(shape: tuple[int, ...], size: tuple[int, int], seed: int) -> None:
    maps = whole_maps(shape, seed)
    assert_masks(maps, limits_of(maps), size, exact=False)


@pytest.mark.parametrize("size", [(3, 4), (7, 9), (2, 2)])
@pytest.mark.parametrize("level", [0.0, 1e-40, 0.1, 1 / 3, 1e30])
def test_a_constant_map_is_not_above_itself(size: tuple[int, int], level: float) -> None:
    maps = torch.full((1, 2, 3, 4), level)
    cells = find_cells(maps, torch.full((2,), -1.0))[0]
    assert not dense_masks(cells, maps, maps[0, :, 0, 0], size).any()
    assert dense_masks(cells, maps, torch.tensor([-1.0, level]), size)[0, 0].all()


def test_more_cells_than_needed_change_no_mask() -> None:
    maps = random_maps((3, 5, 4, 4))
    limits = torch.full((5,), 0.8)
    few, many = find_cells(maps, limits)[0], find_cells(maps, torch.zeros(5))[0]
    assert len(few.where) < len(many.where)
    assert as_dict(cells_above(many, grid_of(maps), limits)) == as_dict(few)
    np.testing.assert_array_equal(
        dense_masks(few, maps, limits, (9, 9)), dense_masks(many, maps, limits, (9, 9))
    )


@pytest.mark.parametrize("chunk", [1, 17, 64])
def test_masks_in_parts_are_the_same(chunk: int) -> None:
    maps, limits = random_maps((2, 5, 4, 4)), torch.full((5,), 0.3)
    cells = find_cells(maps, limits)[0]
    assert len(list(mask_pixels(cells, grid_of(maps), limits, 8, 8, chunk=chunk))) > 1
    np.testing.assert_array_equal(
        dense_masks(cells, maps, limits, (8, 8), chunk), dense_masks(cells, maps, limits, (8, 8))
    )


@pytest.mark.parametrize("numbers", [[0], [3], [1, 2], [0, 2, 3], [0, 1, 2, 3], [4]])
def test_cells_of_some_images(numbers: list[int]) -> None:
    maps = random_maps((5, 3, 2, 3))
    maps[4] = 0  # an image without cells
    lower = torch.full((3,), 0.4)
    part = cells_of_images(find_cells(maps, lower)[0], grid_of(maps), torch.tensor(numbers))
    assert as_dict(part) == as_dict(find_cells(maps[numbers], lower)[0])


def test_silent_maps_have_no_cells_and_no_masks() -> None:
    maps = torch.zeros(2, 3, 4, 4)
    cells = find_cells(maps, torch.zeros(3))[0]
    assert cells.where.shape == (0,)
    assert cells.corners.shape == (0, 4)
    assert not dense_masks(cells, maps, torch.zeros(3), (8, 8)).any()
    assert native_values(cells, grid_of(maps))[1].shape == (0,)
