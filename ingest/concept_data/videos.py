"""Videos, and folders of frames, as clips: a few of their frames, evenly spaced in time.

1. All frames are decoded once for their times, as containers state wrong numbers of frames, or
   none. One frame is in memory.
2. The time in which a video shows something is cut into as many equal parts as a clip has frames.
   Of each part the frame is taken that is shown in its middle. So frames are repeated where there
   are too few, and a variable frame rate does not distort the motion.
3. If only some frames are annotated, the times are shifted by less than a part, all by as much, so
   that they meet as many annotated frames as possible.
4. The video is decoded again, up to the last frame that is taken.

Frames count from 0. In a folder they are the images directly in it, in order of the number in which
their names end, and each has that number; of other names, in order of name.

PyAV is imported here alone, when a file is opened: it comes with the extra `conceptgraph[video]`.
"""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from PIL import Image

from ...errors import DataError
from ...files import check_regular
from .images import has_image_suffix, open_image, read_header, to_array

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from av import VideoFrame
    from av.container import InputContainer
    from numpy.typing import NDArray

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"),
    *(".3gp", ".ogv"),
)
SHORTER_SIDE = 256
"""Pixels, to which larger frames are resized: networks for video take 112 to 256."""
HIGHEST_CLIP = 65_500
"""Pixels of all frames of a clip, one below the other: what a JPEG can hold."""
MOST_FRAMES = 256
"""Of a clip."""
_LARGEST_FRAME = 1 << 26
_FORMATS = "mov,mp4,avi,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg,gif"
"""FFmpeg's demuxers that may open a file: none that reads other files or addresses."""
_NUMBER = re.compile(r"\d{1,9}")


def has_video_suffix(name: str) -> bool:
    """Return whether a file's name ends like a video's."""
    return PurePath(name).suffix.lower() in VIDEO_SUFFIXES


class Video(Protocol):
    """A video file, or a folder of frames.

    Attributes:
        path: of the file or folder.
        starts: float64 (frames,), from when each frame is shown, in any unit of time.
        end: until when the last one is.
    """

    path: Path
    starts: NDArray[np.float64]
    end: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame, as it is seen."""
        ...

    def position(self, name: str) -> int | None:
        """Return the position of the frame of that name; None if there is none."""
        ...

    def read(self, positions: Collection[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield frames of some positions, in order, as uint8 (height, width, 3).

        Raises:
            DataError: one cannot be decoded.
        """
        ...


class Clip(NamedTuple):
    """Frames of a video.

    Attributes:
        pixels: uint8 (frames, height, width, 3).
        positions: of the frames in the video, ascending; a frame may be repeated.
    """

    pixels: NDArray[np.uint8]
    positions: tuple[int, ...]


def read_clip(path: Path, frames: int, seconds: float = math.inf) -> Clip:
    """Read evenly spaced frames of a video file, or of a folder of frames.

    They are rotated as the video says, and resized if their shorter side has more than 256 pixels.

    Args:
        path: the file or folder.
        frames: how many.
        seconds: that decoding may take.

    Raises:
        DataError: no video that can be decoded in this time, or PyAV is missing.
    """
    video = open_video(path, seconds=seconds)
    positions = even_positions(video, frames)
    return Clip(read_frames(video, positions, *clip_size(*video.size, frames)), tuple(positions))


def open_video(path: Path, first: int = 0, seconds: float = math.inf) -> Video:
    """Open a video file, or a folder of frames, and read the times of its frames.

    Args:
        path: the file or folder.
        first: the number of the first frame of a file.
        seconds: that decoding a file may take, now and later.

    Raises:
        DataError: no video that can be decoded in this time, no frames, or PyAV is missing.
    """
    return FrameFolder(path) if path.is_dir() else VideoFile(path, first, seconds)


def even_positions(video: Video, frames: int, annotated: Iterable[int] = ()) -> list[int]:
    """Return the positions of evenly spaced frames that meet most annotated ones.

    Args:
        video: of any length.
        frames: how many.
        annotated: positions of annotated frames.

    Returns:
        Ascending positions; of two choices that meet as many, that nearest to the middle of parts.
    """
    first, known = video.starts[0], np.unique(np.fromiter(annotated, np.int64))
    part = (video.end - first) / frames
    lengths = np.diff(np.append(video.starts, video.end))
    shifts = (video.starts[known] + lengths[known] * [[1e-6], [0.5]] - first).ravel() / part % 1
    shifts = np.array([0.5, *shifts[np.argsort(np.abs(shifts - 0.5), kind="stable")]])
    times = first + (np.arange(frames) + shifts[:, None]) * part
    positions = np.searchsorted(video.starts, times, side="right") - 1
    met = np.isin(positions, known) & (np.diff(positions, prepend=-1) > 0)
    chosen: list[int] = positions[met.sum(1).argmax()].tolist()
    return chosen


def clip_size(height: int, width: int, frames: int) -> tuple[int, int]:
    """Return height and width of a clip's frames: smaller than the video's if those are large."""
    scale = min(1, SHORTER_SIDE / min(height, width), HIGHEST_CLIP / (frames * height))
    return max(1, int(height * scale + 1e-9)), max(1, int(width * scale + 1e-9))


def read_frames(
    video: Video, positions: Sequence[int], height: int, width: int
) -> NDArray[np.uint8]:
    """Read frames, resized (aspect ratio ignored): uint8 (positions, height, width, 3).

    Raises:
        DataError: one cannot be decoded.
    """
    frames = np.empty((len(positions), height, width, 3), np.uint8)
    for position, pixels in video.read(set(positions)):
        frames[np.equal(positions, position)] = to_array(Image.fromarray(pixels), height, width)
    return frames


class FrameFolder:
    """A folder of images, one a frame."""

    def __init__(self, path: Path) -> None:
        """List the images.

        Raises:
            DataError: there are none.
        """
        self.path = path
        names = [file.name for file in path.iterdir() if has_image_suffix(file.name)]
        numbers = {name: _last_number(name) for name in names if not name.startswith(".")}
        if not numbers:
            raise DataError("no frames", file=path, expected="images such as 00001.jpg")
        numbered = len({*numbers.values()} - {None}) == len(numbers)
        self.names = sorted(numbers, key=lambda name: (numbers[name] or 0) if numbered else name)
        self._positions: dict[str | int | None, int] = {}
        for position, name in enumerate(self.names):
            number = numbers[name] if numbered else position
            self._positions |= dict.fromkeys((name, _stem(name), number), position)
        self.starts = np.arange(len(self.names), dtype=np.float64)
        self.end = float(len(self.names))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame, as it is seen."""
        return read_header(self.path / self.names[0]).shown

    def position(self, name: str) -> int | None:
        """Return the position of a file, with any suffix, or of the frame with a number."""
        keys = (name, _stem(name), _last_number(name))
        return next((self._positions[key] for key in keys if key in self._positions), None)

    def read(self, positions: Collection[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield some frames, in order."""
        for position in sorted(positions):
            yield position, np.asarray(open_image(self.path / self.names[position]))


class VideoFile:
    """A file that PyAV decodes."""

    def __init__(self, path: Path, first: int = 0, seconds: float = math.inf) -> None:
        """Decode all frames for their times.

        Args:
            path: the file.
            first: the number of its first frame in the names of frames.
            seconds: that decoding may take, now and later.

        Raises:
            DataError: no video that can be decoded in this time, or PyAV is missing.
        """
        self.path, self._first = path, first
        self._seconds, self._end = seconds, time.monotonic() + seconds
        times: list[int | None] = []
        last = 0
        for frame in self._decode():
            times.append(frame.pts)
            last = frame.duration or 0
        if not times:
            raise DataError("video without a frame that can be decoded", file=path)
        self.starts = np.array(times, np.float64)
        gaps = np.diff(self.starts)
        if np.isnan(self.starts).any() or (gaps <= 0).any():  # as in an AVI with B-frames
            self.starts, gaps, last = np.arange(len(times), dtype=np.float64), np.ones(1), 1
        self.end = float(self.starts[-1] + (last or (gaps[-1] if len(gaps) else 1)))

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame, as it is seen."""
        height, width, _ = _to_array(next(self._decode()), self.path).shape
        return height, width

    def position(self, name: str) -> int | None:
        """Return the position of the frame with a number."""
        number = _last_number(name)
        position = -1 if number is None else number - self._first
        return position if 0 <= position < len(self.starts) else None

    def read(self, positions: Collection[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield some frames, in order."""
        left = set(positions)
        for position, frame in enumerate(self._decode()):
            if position in left:
                left.remove(position)
                yield position, _to_array(frame, self.path)
            if not left:
                return
        raise DataError("video changed since it was opened", file=self.path)

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield the frames, as many as can be decoded."""
        with _opened(self.path) as container:
            decoded = container.decode(container.streams.video[0])
            while True:
                try:
                    frame = next(decoded, None)
                except Exception:  # a truncated file: what comes before is whole
                    return
                if frame is None:
                    return
                if time.monotonic() > self._end:
                    expected = f"at most {self._seconds:g} s of decoding"
                    remedy = "Cut out the part that is asked about"
                    raise DataError("video too long", file=self.path, expected=expected,
                                    remedy=remedy)  # fmt: skip
                yield frame


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Open a file with a video stream, and no other file that it may name."""
    check_pyav(path)
    import av

    options = {"format_whitelist": _FORMATS, "protocol_whitelist": ""}
    try:
        check_regular(path)
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    with file:
        try:
            container = av.open(file, "r", metadata_errors="replace", options=options)
        except Exception as error:  # FFmpeg's errors, and those of a damaged file
            expected = "a format FFmpeg reads, such as mp4, avi or webm"
            raise DataError("not a video", file=path, expected=expected) from error
        with container:
            streams = container.streams.video
            if not streams or streams[0].disposition & streams[0].disposition.attached_pic:
                raise DataError("no video in it", file=path, found=_found(container))
            if not streams[0].codec_context:
                raise DataError("video of an unknown codec", file=path)
            if streams[0].width * streams[0].height > _LARGEST_FRAME:
                found = f"{streams[0].width}×{streams[0].height}"
                raise DataError("video too large", file=path, found=found)
            streams[0].codec_context.options = {"max_pixels": str(_LARGEST_FRAME)}
            yield container


def check_pyav(path: Path) -> None:
    """Refuse a video, or a folder of videos, without PyAV.

    Raises:
        DataError: naming the extra.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        remedy = "pip install 'conceptgraph[video]', or give folders of frames"
        raise DataError("videos need PyAV", file=path, remedy=remedy) from error


def _found(container: InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return ", ".join(kinds) or "no stream"


def _to_array(frame: VideoFrame, path: Path) -> NDArray[np.uint8]:
    """Convert a frame to uint8 (height, width, 3), rotated by quarters as the video says."""
    try:
        pixels = frame.to_ndarray(format="rgb24")
        quarters = round(frame.rotation / 90)
    except Exception as error:  # FFmpeg's errors
        raise DataError(f"frame cannot be decoded: {error}", file=path) from error
    return np.ascontiguousarray(np.rot90(pixels, quarters))


def _last_number(name: str) -> int | None:
    """Return the last number in a name without its suffix; None if there is none."""
    numbers = _NUMBER.findall(_stem(name))
    return int(numbers[-1]) if numbers else None


def _stem(name: str) -> str:
    return name[: name.rindex(".")] if has_image_suffix(name) else name
