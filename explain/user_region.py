"""The part of an image that a user asks about: a rectangle or a mask, as the network sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import DataError, QueryError
from ..ingest.concept_data.images import open_image, read_header
from ..ingest.network.preprocessing import to_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..graph.run.reader import Run

_RECTANGLE = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*")


def chosen_region(
    run: Run, image: Path | str, region: str | None = None, mask: Path | str | None = None
) -> NDArray[np.bool_] | None:
    """Return the part of an image that is asked about.

    Args:
        run: whose network sees the image.
        image: the image file.
        region: "x,y,width,height" in pixels of the image, upright.
        mask: a picture of the image's size, black outside the part.

    Returns:
        bool (height, width) of the network's input; None if neither is given.

    Raises:
        QueryError: both are given, the region is no rectangle inside the image, or it is all of it.
        DataError: the mask cannot be read, is of another size, or is empty.
    """
    if region is None and mask is None:
        return None
    if region is not None and mask is not None:
        raise QueryError("--region and --mask", found="both", expected="one of them")
    if "frames" in run.manifest["input"]:
        raise QueryError("a clip is explained without --mask and --region")
    height, width = read_header(Path(image)).shown
    size = width, height
    part = _rectangle(region, size) if region is not None else _read_mask(Path(mask or ""), size)
    seen = to_input(part.convert("RGB"), run.manifest["input"])
    chosen: NDArray[np.bool_] = seen[:, :, 0] >= 128
    if not chosen.any():
        raise QueryError(
            f"the part of {image} that is asked about is not seen by the network",
            found=region or str(mask),
            expected="a part of the image that is left after its crop, of one pixel at least",
        )
    if chosen.all():
        raise QueryError(
            f"the part of {image} that is asked about is all that the network sees",
            found=region or str(mask),
            expected="a part that leaves something to paint it over from",
        )
    return chosen


def _rectangle(text: str, size: tuple[int, int]) -> Image.Image:
    match = _RECTANGLE.fullmatch(text)
    x, y, width, height = map(int, match.groups()) if match else (0, 0, 0, 0)
    if not width or not height or x + width > size[0] or y + height > size[1]:
        raise QueryError(
            "--region is no rectangle inside the image",
            found=repr(text),
            expected=f"x,y,width,height in an image of {size[0]} × {size[1]} pixels",
        )
    part = Image.new("L", size)
    part.paste(255, (x, y, x + width, y + height))
    return part


def _read_mask(file: Path, size: tuple[int, int]) -> Image.Image:
    mask = open_image(file)
    if mask.size != size:
        raise DataError(
            "a mask of another size than the image",
            file=file,
            found=f"{mask.size[0]} × {mask.size[1]}",
            expected=f"{size[0]} × {size[1]}",
        )
    part = Image.fromarray((np.asarray(mask).any(axis=2) * 255).astype(np.uint8))
    if part.getbbox() is None:
        raise DataError("an empty mask", file=file, expected="pixels that are not black")
    return part
