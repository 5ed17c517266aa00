"""Animations of clips: a few frames, each as large as one picture, as WebP.

The animation of a thumbnail lies beside it, under the same name with another suffix.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..engine.spacing import middles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

MOST_FRAMES = 8
"""Of an animation."""
QUALITY, SECONDS = 30, 1.6
"""Of WebP, from 0 to 100; how long an animation takes, whatever it shows, before it repeats."""


def shown_frames(frames: int) -> list[int]:
    """Return which frames of a clip an animation shows, evenly spaced."""
    return middles(min(frames, MOST_FRAMES), frames)


def animation(frames: Sequence[Image.Image]) -> bytes:
    """Return pictures of one size as an animated WebP file that repeats."""
    buffer = BytesIO()
    first, *others = frames
    first.save(
        buffer, format="WEBP", save_all=True, append_images=others, quality=QUALITY, method=0,
        duration=round(1000 * SECONDS / len(frames)), loop=0,
    )  # fmt: skip
    return buffer.getvalue()


def animation_name(thumbnail: str) -> str:
    """Return where the animation of a thumbnail lies, both relative to the run."""
    return str(PurePosixPath(thumbnail).with_suffix(".webp"))
