"""Writes small videos with PyAV, for tests: a white square that moves over a black ground."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.drawn_data import Bools

HEIGHT, WIDTH, SQUARE = 48, 64, 12
CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".webm": "libvpx-vp9", ".mkv": "ffv1"}
_TURNS = {90: (0, 1, -1, 0, HEIGHT, 0), 180: (-1, 0, 0, -1, WIDTH, HEIGHT)}
_TURNS[270] = (0, -1, 1, 0, 0, WIDTH)
_MATRIX = 44
"""Bytes from the name of an mp4's track header to its display matrix."""


def square_at(x: float, y: float, height: int = HEIGHT, width: int = WIDTH) -> Bools:
    """Return where the square is, (height, width); `x` and `y` from 0 to 1."""
    left, top = round(x * (width - SQUARE)), round(y * (height - SQUARE))
    mask = np.zeros((height, width), np.bool_)
    mask[top : top + SQUARE, left : left + SQUARE] = True
    return mask


def frames_of(places: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """Return frames with the square at these places, uint8 (places, height, width, 3)."""
    masks = np.array([square_at(x, y) for x, y in places])
    return np.repeat(masks[..., None], 3, -1).astype(np.uint8) * 255


def moving_right(frames: int) -> list[tuple[float, float]]:
    """Return places from the left edge to the right one."""
    return [(place, 0.25) for place in np.linspace(0, 1, frames).tolist()]


def write_video(
    path: Path, places: Sequence[tuple[float, float]], milliseconds: Sequence[int] = ()
) -> Path:
    """Write a video with the square at these places, 25 a second or shown from these times on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        base = Fraction(1, 1000 if milliseconds else 25)
        stream.codec_context.time_base = base
        for number, pixels in enumerate(frames_of(places)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = milliseconds[number] if milliseconds else number
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_long(path: Path, frames: int) -> Path:
    """Write a video of equal frames: one is encoded, and repeated."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuvj420p"
        (pixels,) = frames_of([(0.5, 0.5)])
        (packet,) = stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
        for number in range(frames):
            copy = av.Packet(bytes(packet))
            copy.stream, copy.pts, copy.dts = stream, number, number
            copy.time_base, copy.is_keyframe = Fraction(1, 25), True
            container.mux(copy)
    return path


def write_sound(path: Path) -> Path:
    """Write a file with silence alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        for number in range(4):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.rate, frame.pts = 44_100, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(video: Path, degrees: int, path: Path) -> Path:
    """Write an mp4 again as telephones do that are held upright: shown turned, clockwise."""
    content = bytearray(video.read_bytes())
    start = content.index(b"tkhd") + _MATRIX
    a, b, c, d, x, y = (value << 16 for value in _TURNS[degrees])
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, x, y, 1 << 30)
    path.write_bytes(content)
    return path


def columns_of(pixels: NDArray[np.uint8]) -> list[int]:
    """Return the left edge of the square in each frame, -1 without one."""
    white = (pixels.min(-1) > 128).any(1)
    return [int(columns.argmax()) if columns.any() else -1 for columns in white]
