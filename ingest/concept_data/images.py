"""Image files to network input.

Concept images are resized to one size (aspect ratio ignored) and never cropped, so that masks keep
covering what they label. What a network does to photographs is in `network/preprocessing.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ...errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def open_image(path: Path, *, exif_transpose: bool = False) -> Image.Image:
    """Open an image file as 8-bit RGB.

    Args:
        path: any format Pillow reads; of several frames, the first.
        exif_transpose: rotate it as its EXIF orientation says: for photographs, never for images
            with masks.

    Raises:
        DataError: no such file, not an image, or truncated.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file) if exif_transpose else file
            if image.mode.startswith("I;16"):
                return _from_16_bits(image)
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError("no such image", file=path) from None
    except UnidentifiedImageError:
        raise DataError(
            "not an image", file=path, expected="a format Pillow reads, such as JPEG or PNG"
        ) from None
    except Image.DecompressionBombError as error:
        remedy = "Make a smaller copy of it"
        raise DataError(f"image too large ({error})", file=path, remedy=remedy) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"image cannot be decoded ({error})", file=path) from error


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; `convert` would clip it."""
    grey = np.asarray(image).astype(np.uint16) >> 8
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def to_array(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """Convert an image to uint8 (height, width, 3), resized if it has another size."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def normalise(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Normalise images to network input, float32 (images, 3, height, width), channels_last.

    Args:
        pixels: uint8 (images, height, width, 3), on the device of the network.
        mean: of each of R, G and B, for values from 0 to 1.
        std: of each of R, G and B.
    """
    images, height, width, colors = pixels.shape
    scale = [1 / (255 * s) for s in std]
    shift = [m / s for m, s in zip(mean, std, strict=True)]
    row = torch.tensor([scale, shift]).repeat(1, width).to(pixels.device, non_blocking=True)
    rows = pixels.reshape(images * height, width * colors).float()
    rows.mul_(row[0]).sub_(row[1])  # 4 × as fast as by (…, colors)
    return rows.view(images, height, width, colors).permute(0, 3, 1, 2)
