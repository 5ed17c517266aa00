"""The strongest images of every unit, and thumbnails that outline where it fires."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from conceptgraph.ingest.concept_data.images import open_image
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.dissection.cells import Grid, find_cells
from conceptgraph.ingest.dissection.top_images import TopImages
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.output.thumbnails import (
    HALO,
    OUTLINE,
    THUMBNAIL,
    Thumbnail,
    outlined,
    save_thumbnail,
    shrink,
    thumbnails_of_batch,
    unit_masks,
)
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests import reference
from tests.drawn_data import draw_concept_data
from tests.expected_run import maps_of
from tests.random_networks import random_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

CPU = torch.device("cpu")
GRID = Grid(height=3, width=4, units=5)


def tied_maps(images: int, seed: int = 0) -> Tensor:
    """Draw whole numbers, so that many images are equally strong; unit 4 never fires."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randint(0, 4, (images, 5, 3, 4), generator=generator).float()
    maps *= torch.rand(images, 5, 1, 1, generator=generator) < 0.6
    maps[:, 4] = 0
    return maps


def top_of(maps: Tensor, limits: Tensor, top: int, batch_size: int) -> TopImages:
    found = TopImages(5, top, CPU)
    for first in range(0, len(maps), batch_size):
        part = maps[first : first + batch_size]
        found.update(found.partial(find_cells(part, limits)[0], GRID, len(part), first))
    return found


@pytest.mark.parametrize("batch_size", [1, 4, 20])
@pytest.mark.parametrize("top", [1, 3, 30])
def test_the_strongest_images_the_first_of_equals(batch_size: int, top: int) -> None:
    maps, limits = tied_maps(13), torch.tensor([0.0, 1, 2, 3, 0])
    found = top_of(maps, limits, top, batch_size)
    strongest = maps.amax((2, 3)).double().numpy()
    for unit in range(5):
        expected = reference.top_images(strongest[:, unit], float(limits[unit]), top)
        missing = top - len(expected)
        assert found.image[unit].tolist() == expected + [-1] * missing
        strengths = [float(strongest[image, unit]) for image in expected]
        assert found.activation[unit].tolist() == strengths + [0.0] * missing


def test_thumbnails_are_drawn_with_the_batch_of_their_image() -> None:
    found = top_of(tied_maps(13), torch.zeros(5), 3, 4)
    thumbnails = {
        (thumbnail.unit, thumbnail.rank): first + thumbnail.image
        for first in range(0, 13, 4)
        for thumbnail in thumbnails_of_batch(found, first, min(4, 13 - first))
    }
    assert thumbnails == {
        (unit, rank): image
        for unit, images in enumerate(found.image.tolist())
        for rank, image in enumerate(images)
        if image >= 0
    }


def test_masks_of_thumbnails_are_the_units_masks() -> None:
    maps = torch.rand(4, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    limits = torch.linspace(0.3, 0.9, 5)
    numbers = [(3, 0, 2), (0, 1, 2), (4, 0, 0), (0, 0, 1)]
    thumbnails = [Thumbnail(*unit_rank_image) for unit_rank_image in numbers]
    masks = unit_masks(thumbnails, find_cells(maps, limits)[0], GRID, limits)
    for thumbnail, mask in zip(thumbnails, masks, strict=True):
        unit_map = maps[thumbnail.image, thumbnail.unit].numpy()
        values = reference.up_sample(unit_map, THUMBNAIL, THUMBNAIL)
        limit = float(limits[thumbnail.unit])
        clear = np.abs(values - limit) > 1e-6
        np.testing.assert_array_equal(mask & clear, (values > limit) & clear)
    assert masks.any(axis=(1, 2)).sum() >= 3


@pytest.mark.parametrize("brightness", [0, 255])
def test_an_outline_shows_where_a_unit_fires_on_any_picture(
    tmp_path: Path, brightness: int
) -> None:
    """Also on black ones; all but the outline is the picture as it is."""
    coarse = np.random.default_rng(0).random((14, 14)) < 0.3
    mask = np.kron(coarse, np.ones((8, 8), np.bool_))
    picture = np.full((THUMBNAIL, THUMBNAIL, 3), brightness, np.uint8)
    expected = slow_outline(picture, mask)
    np.testing.assert_array_equal(outlined(picture, mask), expected)
    assert (expected != picture).any(axis=2).mean() > 0.05
    save_thumbnail(picture, mask, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (112, 112))
        found = np.asarray(image).astype(int)
    assert np.abs(found - expected).mean() < 10
    assert (np.abs(found - expected).max(axis=2) < 90).mean() > 0.99


def slow_outline(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw the outline pixel by pixel."""
    drawn: NDArray[np.uint8] = picture.copy()
    size = len(mask)
    for y, x in product(range(size), range(size)):
        near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        fires = [0 <= b < size and 0 <= a < size and bool(mask[b, a]) for b, a in near]
        if mask[y, x] and not all(fires):
            drawn[y, x] = OUTLINE
        elif not mask[y, x] and any(fires):
            drawn[y, x] = HALO
    return drawn


def test_thumbnails_ignore_the_aspect_ratio() -> None:
    halves = np.zeros((30, 200, 3), np.uint8)
    halves[:, 100:] = 255
    small = shrink(halves)
    assert small.shape == (THUMBNAIL, THUMBNAIL, 3)
    assert [row.tolist() for row in small[..., 0] > 127] == [[False] * 56 + [True] * 56] * 112


def basic() -> nn.Module:
    return random_network("basic").module


def test_the_thumbnails_of_a_run(tmp_path: Path) -> None:
    data = draw_concept_data(tmp_path / "data", 8)
    settings = Settings(blocks=("block2",), quantile=0.05, top_images=3, batch_size=3)
    model = f"{__name__}:basic"
    run = ingest(model, data, tmp_path / "a.cg", settings, device="cpu")
    rows = run.top_images
    files = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*.jpg")}
    assert files == set(rows["thumbnail"])
    assert len(rows) > 20
    network = load_network(model)
    inputs = Inputs(network, open_concept_data(data), settings, CPU, workers=1)
    maps = maps_of(inputs)["block2"]
    large = reference.up_sample(maps.numpy(), THUMBNAIL, THUMBNAIL)
    names = [image.name for image in inputs.images]
    limits = run.units["threshold"].tolist()
    for file, image, uid in zip(rows["thumbnail"], rows["image"], rows["unit"], strict=True):
        unit = int(uid.removeprefix("block2/"))
        mask = large[names.index(image), unit] > limits[unit]
        picture = shrink(np.asarray(open_image(data / "images" / image)))
        check_thumbnail(run.path / file, picture, mask)


def check_thumbnail(file: Path, picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Check that it is the picture with this outline, as well as JPEG can show it."""
    with Image.open(file) as image:
        assert (image.format, image.size) == ("JPEG", (THUMBNAIL, THUMBNAIL))
        shown = np.asarray(image).astype(float)
    expected = slow_outline(picture, mask).astype(float)
    assert np.abs(shown - expected).mean() < 8
    nearer = np.abs(shown - expected).sum(axis=2) <= np.abs(shown - picture).sum(axis=2)
    assert nearer[(expected != picture).any(axis=2)].mean() > 0.9
