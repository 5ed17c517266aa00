"""Pictures of pages: class activation maps, activation maps, and strips of thumbnails."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ..files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST = 640  # pixels of the longer side of an image
SMALL = 200
FOR, AGAINST = (31, 102, 173), (179, 38, 30)  # blue and red, as bars and paths of the pages are
ACTIVE = (214, 120, 0)  # of activation maps, which are evidence neither for nor against


def photograph(path: Path) -> Image.Image:
    """Open an image file, EXIF-transposed, as RGB, no larger than pages show it."""
    from ..ingest.concept_data.images import open_image

    image = open_image(path, exif_transpose=True)
    image.thumbnail((LARGEST, LARGEST))
    return image


def thumbnail(image: Image.Image) -> Image.Image:
    """Return a small copy of good contrast, for maps of which a page shows many."""
    small = image.copy()
    small.thumbnail((SMALL, SMALL))
    return ImageOps.autocontrast(small, cutoff=1)


def cam_overlay(image: Image.Image, cam: NDArray[np.float32]) -> Image.Image:
    """Draw a class activation map over its image: blue for evidence for the class, red against.

    Args:
        image: the image; the network saw it resized, aspect ratio ignored.
        cam: float32 (height, width); up-sampled bilinearly, the largest value most opaque.
    """
    resized = Image.fromarray(cam).resize(image.size, Image.Resampling.BILINEAR)
    values = np.asarray(resized) / max(float(np.abs(cam).max()), 1e-12)
    return _painted(image, np.abs(values), np.where(values[..., None] > 0, FOR, AGAINST))


def _painted(
    image: Image.Image, strength: NDArray[np.float32], colour: NDArray[np.int_]
) -> Image.Image:
    """Paint colours over an image made grey; `strength` from 0 to 1 says how much of them."""
    opacity = (0.75 * strength)[..., None]
    grey = np.asarray(ImageOps.grayscale(image).convert("RGB"))
    base = 0.6 * grey + 0.4 * 255  # pale, so that both colours are seen, and no other ones
    mixed = base * (1 - opacity) + colour * opacity
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def heat_overlay(image: Image.Image, activation: NDArray[np.float32]) -> Image.Image:
    """Draw a unit's activation map over its image: orange where it is active.

    Args:
        image: the image.
        activation: float32 (height, width), not negative.
    """
    resized = Image.fromarray(activation).resize(image.size, Image.Resampling.BILINEAR)
    values = np.asarray(resized) / max(float(activation.max()), 1e-12)
    return _painted(image, values.clip(0, 1), np.array(ACTIVE))


def save_cam(image: Path, cam: NDArray[np.float32], path: Path) -> None:
    """Write a class activation map over its image as a PNG file."""
    buffer = BytesIO()
    cam_overlay(photograph(image), cam).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def data_uri(image: Image.Image) -> str:
    """Return an image as a JPEG inside a `data:` URI."""
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def strip(thumbnails: Sequence[Path]) -> str | None:
    """Return thumbnails side by side, as a `data:` URI; None without any."""
    images = []
    for path in thumbnails:
        with Image.open(path) as file:
            images.append(file.convert("RGB"))
    return data_uri(side_by_side(images)) if images else None


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """Return images of one size in a row; there is at least one."""
    width, height = images[0].size
    row = Image.new("RGB", (len(images) * (width + 4) - 4, height), "white")
    for number, image in enumerate(images):
        row.paste(image, (number * (width + 4), 0))
    return row
