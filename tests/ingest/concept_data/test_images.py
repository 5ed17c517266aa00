"""Image files of every kind to network input, in order."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.decoding import decode_image
from conceptgraph.ingest.concept_data.images import (
    normalise,
    open_image,
    read_header,
    to_array,
)
from conceptgraph.ingest.concept_data.writing.label_maps import rotate_mask
from conceptgraph.ingest.network.preprocessing import NETDISSECT_MEAN, NETDISSECT_STD

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def colours(height: int = 8, width: int = 12) -> NDArray[np.uint8]:
    """A picture of which every pixel differs, smooth enough for JPEG."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([20 + 15 * x, 30 + 20 * y, 200 - 8 * x - 8 * y], axis=2)
    return rgb.astype(np.uint8)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, None, **options)
    return path


def opened(path: Path) -> NDArray[np.uint8]:
    image = open_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tif"])
def test_colours_come_as_they_are(tmp_path: Path, suffix: str) -> None:
    path = saved(Image.fromarray(colours()), tmp_path / f"a.{suffix}", lossless=True)
    np.testing.assert_array_equal(opened(path), colours())


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpeg(tmp_path: Path, mode: str) -> None:
    rgb = np.full((16, 32, 3), (200, 40, 90), np.uint8)
    rgb[:, 16:] = (10, 220, 130)
    path = saved(Image.fromarray(rgb).convert(mode), tmp_path / "a.jpg", quality=95, subsampling=0)
    assert np.abs(opened(path).astype(int) - rgb).max() <= 3


def test_grey_is_the_same_in_all_channels(tmp_path: Path) -> None:
    grey = colours()[..., 0]
    path = saved(Image.fromarray(grey), tmp_path / "a.png")
    np.testing.assert_array_equal(opened(path), np.repeat(grey[..., None], 3, axis=2))


def test_16_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    grey = np.array([[0, 255, 256], [32768, 40000, 65535]], np.uint16)
    path = saved(Image.fromarray(grey), tmp_path / "a.png")
    assert opened(path)[..., 1].tolist() == [[0, 0, 1], [128, 156, 255]]


def test_black_and_white(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.array([[True, False]])), tmp_path / "a.png")
    assert opened(path).tolist() == [[[255] * 3, [0] * 3]]


def test_transparency_is_dropped(tmp_path: Path) -> None:
    rgba = np.dstack([colours(), np.arange(96, dtype=np.uint8).reshape(8, 12)])
    path = saved(Image.fromarray(rgba), tmp_path / "a.png")
    np.testing.assert_array_equal(opened(path), colours())


@pytest.mark.parametrize("transparent", [False, True])
def test_palettes(tmp_path: Path, transparent: bool) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    options = {"transparency": 1} if transparent else {}
    path = saved(image, tmp_path / "a.png", **options)
    assert opened(path).tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 255, 0]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotates_every_image(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(colours()), tmp_path / "a.png", exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(opened(path), expected)
    np.testing.assert_array_equal(open_image(path, upright=False), colours())
    header = read_header(path)
    assert (header.orientation, header.shown) == (orientation, expected.shape[:2])
    assert header.stored == colours().shape[:2]
    for channel in range(3):
        stored = colours()[..., channel]
        rotated = rotate_mask(stored > 100, orientation)
        np.testing.assert_array_equal(rotated, expected[..., channel] > 100)


def chunk(kind: bytes, content: bytes, *, damaged: bool = False) -> bytes:
    checksum = zlib.crc32(kind + content) ^ damaged
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


BROKEN_METADATA = {
    "EXIF of zeros": chunk(b"eXIf", bytes(8)),
    "EXIF that ends": chunk(b"eXIf", b"MM\0\x2a\0\0\0\x08\0\xff"),
    "a long comment": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 5_000_000)),
    "a damaged text": chunk(b"tEXt", b"Comment\0text", damaged=True),
    "a damaged profile": chunk(b"iCCP", b"name\0\0no deflate"),
    "an unknown chunk": chunk(b"abCd", b"1234", damaged=True),
}


@pytest.mark.parametrize("kind", BROKEN_METADATA)
def test_broken_metadata_are_ignored(tmp_path: Path, kind: str) -> None:
    path = saved(Image.fromarray(colours()), tmp_path / "a.png")
    content = path.read_bytes()
    for start in (33, content.rindex(b"IEND") - 4):  # after the header; before the end
        path.write_bytes(content[:start] + BROKEN_METADATA[kind] + content[start:])
        np.testing.assert_array_equal(opened(path), colours())
        assert read_header(path).shown == colours().shape[:2]


@pytest.mark.parametrize("mark", [b"Exif\0\0", b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff"])
def test_broken_exif_of_a_jpeg_is_ignored(tmp_path: Path, mark: bytes) -> None:
    path = saved(Image.fromarray(colours()), tmp_path / "a.jpg", quality=95)
    expected, content = opened(path), path.read_bytes()
    segment = b"\xff\xe1" + struct.pack(">H", len(mark) + 2) + mark
    path.write_bytes(content[:2] + segment + content[2:])
    np.testing.assert_array_equal(opened(path), expected)
    out = np.zeros_like(expected)
    decode_image(path, out)
    np.testing.assert_array_equal(out, expected)


def ramp(high: float, kind: str, low: float = 0) -> NDArray[np.generic]:
    return np.tile(np.linspace(low, high, 256), (8, 1)).astype(kind)


@pytest.mark.parametrize(
    "values",
    [
        ramp(1, "f4"),
        ramp(255, "f4"),
        ramp(255, "i4"),
        ramp(4095, "i4"),
        ramp(65535, "i4"),
        ramp(255, "u2"),
        ramp(4095, "u2"),
        ramp(65535, "u2"),
    ],
)
def test_deep_images_are_scaled(tmp_path: Path, values: NDArray[np.generic]) -> None:
    path = saved(Image.fromarray(values), tmp_path / "a.tif")
    grey = opened(path)[0, :, 0].astype(int)
    assert np.abs(grey - np.arange(256)).max() <= 1
    paths = [path]
    if values.dtype == np.uint16:
        paths.append(saved(Image.fromarray(values), tmp_path / "a.png"))
    for one in paths:
        out = np.zeros((8, 256, 3), np.uint8)
        decode_image(one, out)
        np.testing.assert_array_equal(out, opened(path))


@pytest.mark.parametrize(
    "values",
    [
        ramp(1.5, "f4"),
        ramp(70_000, "f4"),
        ramp(1, "f4", -1),
        ramp(70_000, "i4"),
        ramp(9, "i4", -9),
        np.full((8, 8), np.nan, "f4"),
    ],
)
def test_values_without_a_scale_are_refused(tmp_path: Path, values: NDArray[np.generic]) -> None:
    path = saved(Image.fromarray(values), tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif: image of values that cannot be shown.*Scale it"):
        open_image(path)


def test_the_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    path = saved(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert opened(path)[0, 0].tolist() == [255, 0, 0]


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jpg: no such image"):
        open_image(tmp_path / "none.jpg")
    (tmp_path / "text.jpg").write_text("<svg/>")
    with pytest.raises(DataError, match=r"text\.jpg: not an image; expected a format"):
        open_image(tmp_path / "text.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(DataError, match=r"folder\.jpg: a folder; expected an image file"):
        open_image(tmp_path / "folder.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_images_are_named(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = saved(Image.fromarray(noise), tmp_path / f"a.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=rf"a\.{suffix}: (image cannot be decoded|not an image)"):
        open_image(path)


def test_whatever_a_decoder_raises_is_one_line(tmp_path: Path) -> None:
    """Pillow's decoders of BLP and AVIF raise errors of other kinds."""
    Image.effect_noise((64, 48), 90).convert("P").save(tmp_path / "x.blp")
    content = bytearray((tmp_path / "x.blp").read_bytes())
    content[4] = 9  # the encoding
    (tmp_path / "x.blp").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.blp: image cannot be decoded \("):
        open_image(tmp_path / "x.blp")


def test_a_decoder_without_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(self: Image.Image) -> None:
        raise MemoryError

    Image.new("RGB", (8, 8)).save(tmp_path / "x.bmp")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", no_memory)
    with pytest.raises(DataError, match=r"x\.bmp: image cannot be decoded \(MemoryError\)"):
        open_image(tmp_path / "x.bmp")


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw"])
def test_libtiff_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], compression: str
) -> None:
    Image.effect_noise((64, 48), 90).convert("RGB").save(
        tmp_path / "x.tif", compression=compression
    )
    content = bytearray((tmp_path / "x.tif").read_bytes())
    with Image.open(tmp_path / "x.tif") as image:
        (start,) = image.tag_v2[273]  # StripOffsets
    content[start : start + 48] = b"\xa5" * 48
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tif: image cannot be decoded"):
        open_image(tmp_path / "x.tif")
    assert capfd.readouterr().err == ""
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_decompression_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(Image.fromarray(colours()), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(DataError, match=r"a\.png: image too large"):
        open_image(path)


def test_images_are_resized_not_cropped() -> None:
    halves = np.zeros((10, 40, 3), np.uint8)
    halves[:, 20:] = 200
    small = to_array(Image.fromarray(halves), 6, 8)
    assert small.shape == (6, 8, 3)
    assert small[:, 0].max() == 0
    assert small[:, -1].min() == 200


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), (NETDISSECT_MEAN, NETDISSECT_STD)],
)
def test_normalise(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), np.uint8)
    normalised = normalise(torch.from_numpy(pixels), mean, std)
    expected = (pixels / 255 - np.array(mean)) / np.array(std)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(normalised.permute(0, 2, 3, 1).numpy(), expected, atol=2e-6)


def test_netdissects_normalisation_is_its_own() -> None:
    """Minus its mean of Broden (B, G, R: 109.5388, 118.6897, 124.6901), over 57.12."""
    grey = torch.full((1, 1, 1, 3), 200, dtype=torch.uint8)
    normalised = normalise(grey, NETDISSECT_MEAN, NETDISSECT_STD)
    expected = [(200 - mean) / 57.12 for mean in (124.6901, 118.6897, 109.5388)]
    np.testing.assert_allclose(normalised.flatten().numpy(), expected, rtol=1e-5)
