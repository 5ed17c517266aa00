"""Pictures: class activation maps, strips of thumbnails, and pages written to disk."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ..files import write_bytes
from .path_page import render_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .path_parts import PathPage

LARGEST = 640  # pixels of the longer side of a photograph shown
SMALL = 200
FOR, AGAINST = (31, 102, 173), (179, 38, 30)  # blue and red, as bars and paths of the pages are


def photograph(path: Path) -> Image.Image:
    """An image file, upright, RGB, no larger than what is shown."""
    from ..ingest.concept_data.images import open_image

    image = open_image(path, exif_transpose=True)
    image.thumbnail((LARGEST, LARGEST))
    return image


def cam_overlay(image: Image.Image, cam: NDArray[np.float32]) -> Image.Image:
    """A class activation map over its image: blue where it speaks for the class, red against.

    Args:
        image: the photograph, which the network saw squashed to a square.
        cam: float32 (height, width); up-sampled bilinearly; its largest size is most opaque.
    """
    spread = Image.fromarray(cam).resize(image.size, Image.Resampling.BILINEAR)
    values = np.asarray(spread) / max(float(np.abs(cam).max()), 1e-12)
    opacity = (0.75 * np.abs(values))[..., None]
    colour = np.where(values[..., None] > 0, FOR, AGAINST)
    grey = np.asarray(ImageOps.grayscale(image).convert("RGB"))
    base = 0.6 * grey + 0.4 * 255  # pale, so that both colours are seen, and no other ones
    mixed = base * (1 - opacity) + colour * opacity
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def heat_overlay(image: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """A unit's map over its image: bright where it is active, dark where it is not."""
    spread = Image.fromarray(heat).resize(image.size, Image.Resampling.BILINEAR)
    share = np.asarray(spread) / max(float(heat.max()), 1e-12)
    light = (0.25 + 0.75 * share.clip(0, 1))[..., None]
    return Image.fromarray((np.asarray(image) * light).astype(np.uint8))


def thumbnail(image: Image.Image) -> Image.Image:
    """A small copy of good contrast, for maps of which a page shows many."""
    small = image.copy()
    small.thumbnail((SMALL, SMALL))
    return ImageOps.autocontrast(small, cutoff=1)


def save_cam(image: Path, cam: NDArray[np.float32], path: Path) -> None:
    """Write the overlay as PNG."""
    buffer = BytesIO()
    cam_overlay(photograph(image), cam).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def data_uri(image: Image.Image) -> str:
    """An image as a JPEG inside a `data:` URI."""
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def strip(thumbnails: Sequence[Path]) -> str | None:
    """Thumbnails side by side, as a `data:` URI; None where there are none."""
    tiles = []
    for path in thumbnails:
        with Image.open(path) as file:
            tiles.append(file.convert("RGB"))
    return data_uri(beside(tiles)) if tiles else None


def beside(tiles: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size side by side; there is at least one."""
    width, height = tiles[0].size
    row = Image.new("RGB", (len(tiles) * (width + 4) - 4, height), "white")
    for number, tile in enumerate(tiles):
        row.paste(tile, (number * (width + 4), 0))
    return row


def write_page(page: PathPage, path: Path) -> None:
    """Render a page and write it; what of a file's name is no text is written as its escape."""
    write_bytes(path, render_page(page).encode(errors="backslashreplace"))
