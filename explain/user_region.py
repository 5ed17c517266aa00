"""The part of an image that a user asks about: a rectangle or a mask, as the network sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import DataError, QueryError
from ..ingest.concept_data.images import open_image
from ..ingest.network.preprocessing import to_input
from .clips import frames_of_run, shown_size, slots_of_frames

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
        region: "x,y,width,height" in pixels of the image, upright; of a clip, in every frame.
        mask: a picture of the image's size, black outside the part; of a clip, of the size of a
            frame, or a film strip of several, of which each frame takes the nearest in time.

    Returns:
        bool (height, width) of the network's input, or of its film strip; None if neither is given.

    Raises:
        QueryError: both are given, the region is no rectangle inside the image, or it is all of it.
        DataError: the mask cannot be read, is of another size, or is empty.
    """
    if region is None and mask is None:
        return None
    if region is not None and mask is not None:
        raise QueryError("--region and --mask", found="both", expected="one of them")
    frames = frames_of_run(run)
    height, width = shown_size(run, Path(image))
    size = width, height
    if region is not None:
        parts = [_rectangle(region, size)]
    else:
        parts = _read_mask(Path(mask or ""), size, is_clip=frames is not None)
    seen = [to_input(part.convert("RGB"), run.manifest["input"])[:, :, 0] >= 128 for part in parts]
    chosen = np.concatenate([seen[place] for place in slots_of_frames(frames or 1, len(seen))])
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


def _read_mask(file: Path, size: tuple[int, int], *, is_clip: bool) -> list[Image.Image]:
    """Read a mask of an image; of a clip, of one frame or of several."""
    mask = open_image(file)
    frames = max(1, mask.height // size[1]) if is_clip else 1
    if mask.size != (size[0], frames * size[1]):
        raise DataError(
            "a mask of another size than the image",
            file=file,
            found=f"{mask.size[0]} × {mask.size[1]}",
            expected=f"{size[0]} × {size[1]}{', or a strip of such frames' if is_clip else ''}",
        )
    part = (np.asarray(mask).any(axis=2) * 255).astype(np.uint8)
    if not part.any():
        raise DataError("an empty mask", file=file, expected="pixels that are not black")
    return [Image.fromarray(frame) for frame in np.split(part, frames)]
