"""Decoding against Pillow: the same pixels, or the same refusal; batches in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from conceptgraph.graph.errors import DataError
from conceptgraph.ingest import decoding
from conceptgraph.ingest.decoding import batches, decode_image
from conceptgraph.ingest.images import open_image, to_array

from .test_images import colours, saved

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 45, 61


def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def check(path: Path, height: int = HEIGHT, width: int = WIDTH) -> None:
    expected = to_array(open_image(path), height, width)
    np.testing.assert_array_equal(decode_image(path, height, width), expected)


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


def test_pillow_is_not_asked_about_a_plain_jpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(picture(), tmp_path / "a.jpg")
    monkeypatch.setattr(decoding, "open_image", None)
    decode_image(path, HEIGHT, WIDTH)
    with pytest.raises(TypeError):
        decode_image(path, HEIGHT + 1, WIDTH)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_other_images_as_pillow_decodes_them(tmp_path: Path, mode: str) -> None:
    check(saved(picture().convert(mode), tmp_path / "a.jpg"))
    check(saved(picture().convert(mode), tmp_path / "a.jpg"), 20, 99)
    check(saved(picture().convert(mode), tmp_path / "a.tif"))


def test_exif_turns_no_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    check(saved(picture(), tmp_path / "a.jpg", exif=exif))


def test_damaged_jpegs_are_refused_as_pillow_does(tmp_path: Path) -> None:
    path = saved(picture(), tmp_path / "a.jpg")
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        try:
            open_image(path)
        except DataError as error:
            with pytest.raises(DataError) as caught:
                decode_image(path, HEIGHT, WIDTH)
            assert str(caught.value) == str(error)  # noqa: PT017
        else:
            check(path)


@pytest.mark.parametrize("workers", [1, 7])
@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_batches_keep_the_order(tmp_path: Path, workers: int, batch_size: int) -> None:
    paths = []
    for shade in range(23):
        side = 300 if shade % 5 == 0 else 3  # some take much longer than others
        image = Image.new("RGB", (side, side), (shade, 2 * shade, 3 * shade))
        paths.append(saved(image, tmp_path / f"{shade:02}.png"))
    found = list(batches(paths, 2, 3, batch_size=batch_size, workers=workers))
    assert [len(batch) for batch in found[:-1]] == [batch_size] * ((23 - 1) // batch_size)
    pixels = torch.cat(found)
    assert pixels.shape == (23, 2, 3, 3)
    assert pixels.dtype == torch.uint8
    assert pixels[:, 1, 2].tolist() == [[s, 2 * s, 3 * s] for s in range(23)]


def test_the_first_bad_file_in_order_is_named(tmp_path: Path) -> None:
    paths = [saved(Image.fromarray(colours(300, 9)), tmp_path / f"{i}.png") for i in range(9)]
    for bad in (4, 7):
        paths[bad].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"4\.png"):
        list(batches(paths, 2, 2, batch_size=2, workers=4))
