"""Clips that are explained: their frames, and their maps as film strips.

A *strip* is one picture in which the frames of a clip lie one below the other, as its pixels are
kept. So all that shows a map or a mask, or paints over it, works on strips as on images: a map of
(times, height, width) becomes one of (frames · height, width), each frame with the values of the
time slot that it falls in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from ..ingest.concept_data.concepts import FIXED_COLUMNS
from ..ingest.concept_data.csv_tables import read_csv
from ..ingest.concept_data.images import has_image_suffix, open_image, read_header
from ..ingest.concept_data.opening import read_frames
from ..ingest.concept_data.videos import open_video, read_clip
from ..ingest.engine.spacing import middles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..graph.run.reader import Run

Value = TypeVar("Value", bound=np.generic)

_STRIPS: WeakKeyDictionary[Run, dict[str, int]] = WeakKeyDictionary()
"""By open run: frames of each film strip of its concept data, by name."""


def frames_of_run(run: Run) -> int | None:
    """Return how many frames the clips of a run's network have; None of a network of images."""
    return run.manifest["input"].get("frames")


def load_frames(run: Run, file: Path, frames: int) -> list[NDArray[np.uint8]]:
    """Load a clip: uint8 (height, width, 3) of each frame, as many as the network takes.

    Of a video file or a folder of frames, evenly spaced ones; of a film strip of the run's concept
    data, the nearest in time; any other image is a still, all of whose frames are equal.

    Args:
        run: whose concept data may hold the strip.
        file: a video, a folder of frames, or an image.
        frames: that are wanted.

    Raises:
        DataError: it cannot be read.
    """
    if is_video(file):
        return list(read_clip(file, frames).pixels)
    strip = np.asarray(open_image(file))
    known = _frames_in_file(run, file)
    parts = np.array_split(strip, known)
    return [parts[place] for place in slots_of_frames(frames, known)]


def shown_size(run: Run, file: Path) -> tuple[int, int]:
    """Return height and width of an image that the run's network sees, or of a clip's frames.

    Raises:
        DataError: it cannot be read.
    """
    if frames_of_run(run) is None:
        return read_header(file).shown
    if is_video(file):
        return open_video(file).size
    height, width = read_header(file).shown
    return height // _frames_in_file(run, file), width


def is_video(file: Path) -> bool:
    """Return whether a path is that of a video file, or of a folder of frames."""
    return file.is_dir() or (file.suffix != "" and not has_image_suffix(file.name))


def _frames_in_file(run: Run, file: Path) -> int:
    """Return how many frames lie one below the other in an image."""
    folder = Path(run.manifest["data"]["folder"])
    images, path = (folder / "images").resolve(), file.resolve()
    if not path.is_relative_to(images):
        return 1
    if run not in _STRIPS:
        index = read_csv(folder / "index.csv", FIXED_COLUMNS)
        _STRIPS[run] = {row.cells["image"]: read_frames(index, row)[0] for row in index.rows}
    return _STRIPS[run].get(path.relative_to(images).as_posix(), 1)


def slots_of_frames(frames: int, times: int) -> list[int]:
    """Return the time slot that each frame falls in: the nearest, by the middle of both."""
    return middles(frames, times)


def strip_of(maps: NDArray[Value], frames: int | None) -> NDArray[Value]:
    """Return a map of a clip as a strip; that of an image as it is.

    Args:
        maps: (*grid).
        frames: of the clip; None of an image.
    """
    if frames is None:
        return maps
    by_frame = maps[slots_of_frames(frames, len(maps))]
    return by_frame.reshape(-1, maps.shape[-1])


def slot_shares(by_frame: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Return how much of each position of a block's time slots a part of a clip covers.

    Args:
        by_frame: (frames, rows, columns), how much of each position it covers in each frame.
        times: how many slots there are; frames of one slot have equal shares in it.
    """
    frames = np.array(slots_of_frames(len(by_frame), times))
    nearest = slots_of_frames(times, len(by_frame))
    return np.stack(
        [
            by_frame[frames == slot].mean(0) if (frames == slot).any() else by_frame[nearest[slot]]
            for slot in range(times)
        ]
    )


def shared_strip(maps: NDArray[np.float32], frames: int | None) -> NDArray[np.float32]:
    """Return a map of amounts as a strip with the same sum: frames share those of their slot."""
    if frames is None:
        return maps
    counts = np.bincount(slots_of_frames(frames, len(maps)), minlength=len(maps))
    shares: NDArray[np.float32] = maps / np.maximum(counts, 1).astype(np.float32)[:, None, None]
    return strip_of(shares, frames)
