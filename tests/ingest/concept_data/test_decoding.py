"""Decoding against Pillow: the same pixels, or the same refusal; batches in order."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data import decoding
from conceptgraph.ingest.concept_data.concepts import ConceptImage
from conceptgraph.ingest.concept_data.decoding import batches, decode_image, decode_label_numbers
from conceptgraph.ingest.concept_data.images import open_image, to_array
from conceptgraph.ingest.concept_data.masks import read_mask
from tests.ingest.concept_data.test_images import colours, saved

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEIGHT, WIDTH = 45, 61


def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def decoded(path: Path, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    pixels = np.full((height, width, 3), 77, np.uint8)
    decode_image(path, pixels)
    return pixels


def check(path: Path, height: int = HEIGHT, width: int = WIDTH) -> None:
    expected = to_array(open_image(path), height, width)
    np.testing.assert_array_equal(decoded(path, height, width), expected)


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_as_pillow_decodes_it(
    tmp_path: Path, quality: int, subsampling: int, progressive: bool
) -> None:
    check(
        saved(
            picture(),
            tmp_path / "a.jpg",
            quality=quality,
            subsampling=subsampling,
            progressive=progressive,
        )
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_pillow_is_not_asked_about_plain_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = saved(picture(), tmp_path / name)
    monkeypatch.setattr(decoding, "open_image", None)
    decoded(path)
    with pytest.raises(TypeError):
        decoded(path, HEIGHT + 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_as_pillow_decodes_it(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(picture().convert("L")).astype(np.uint16) * 257)
    else:
        image = picture().convert(mode)
    check(saved(image, tmp_path / "a.png"))
    check(saved(image, tmp_path / "a.png"), 20, 99)
    if mode in ("L", "P", "RGB"):
        transparent = (0, 0, 0) if mode == "RGB" else 0
        check(saved(image, tmp_path / "a.png", transparency=transparent))


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_other_images_as_pillow_decodes_them(tmp_path: Path, mode: str) -> None:
    check(saved(picture().convert(mode), tmp_path / "a.jpg"))
    check(saved(picture().convert(mode), tmp_path / "a.jpg"), 20, 99)
    check(saved(picture().convert(mode), tmp_path / "a.tif"))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_rotates_every_image(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(picture(), tmp_path / f"a.{suffix}", exif=exif)
    assert open_image(path).size == picture().size[::-1]
    check(path)


def same_or_refused(path: Path) -> None:
    """As Pillow does."""
    try:
        open_image(path)
    except DataError as error:
        with pytest.raises(DataError) as caught:
            decoded(path)
        assert str(caught.value) == str(error)  # noqa: PT017
    else:
        check(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_damaged_images_are_refused_as_pillow_does(tmp_path: Path, name: str) -> None:
    path = saved(picture(), tmp_path / name)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        same_or_refused(path)
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        same_or_refused(path)


def test_a_damaged_mask_is_refused_or_all_its_pixels_are_right(tmp_path: Path) -> None:
    red, green = np.random.default_rng(0).integers(0, 70, (2, 9, 13), np.uint8)
    drawn = Image.fromarray(np.stack([red, green, 0 * red], axis=2))
    path = saved(drawn, tmp_path / "a.png")
    image = ConceptImage(tmp_path, "a.jpg", 2, "train", 9, 13, 9, 13, (path.name,), ())
    whole = path.read_bytes()
    contents = [whole[:end] for end in range(len(whole))]
    for place, bit in product(range(len(whole)), (0, 3, 7)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        contents.append(bytes(damaged))
    refused = 0
    for content in contents:
        path.write_bytes(content)
        numbers = np.full((1, 9, 13), 77, np.uint16)
        try:
            decode_label_numbers(image, numbers)
        except DataError as error:
            refused += 1
            with pytest.raises(DataError) as caught:
                read_mask(path, image)
            assert str(caught.value) == str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(numbers[0], red + 256 * green.astype(int))
    assert refused > 0.9 * len(contents)


@pytest.mark.parametrize("workers", [1, 7])
@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_batches_keep_the_order(tmp_path: Path, workers: int, batch_size: int) -> None:
    paths = []
    for shade in range(23):
        side = 300 if shade % 5 == 0 else 3  # some take much longer than others
        image = Image.new("RGB", (side, side), (shade, 2 * shade, 3 * shade))
        paths.append(saved(image, tmp_path / f"{shade:02}.png"))
    decoded_batches = list(batches(paths, 2, 3, batch_size=batch_size, workers=workers))
    assert [len(batch) for batch in decoded_batches[:-1]] == [batch_size] * ((23 - 1) // batch_size)
    pixels = torch.cat(decoded_batches)
    assert pixels.shape == (23, 2, 3, 3)
    assert pixels.dtype == torch.uint8
    assert pixels[:, 1, 2].tolist() == [[s, 2 * s, 3 * s] for s in range(23)]


def test_the_first_bad_file_in_order_is_named(tmp_path: Path) -> None:
    paths = [saved(Image.fromarray(colours(300, 9)), tmp_path / f"{i}.png") for i in range(9)]
    for bad in (4, 7):
        paths[bad].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"4\.png"):
        list(batches(paths, 2, 2, batch_size=2, workers=4))
