"""Videos: evenly spaced frames of real files, or one line that says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.videos import (
    VideoFile,
    clip_size,
    even_positions,
    open_video,
    read_clip,
)
from tests.repository import ROOT
from tests.video_files import (
    CODECS,
    HEIGHT,
    SQUARE,
    WIDTH,
    columns_of,
    frames_of,
    moving_right,
    turn,
    write_long,
    write_sound,
    write_video,
)

if TYPE_CHECKING:
    from pathlib import Path

ROOM = WIDTH - SQUARE


@pytest.mark.parametrize("suffix", CODECS)
def test_frames_in_the_middle_of_equal_parts(tmp_path: Path, suffix: str) -> None:
    clip = read_clip(write_video(tmp_path / f"a{suffix}", moving_right(40)), 8)
    assert clip.pixels.shape == (8, HEIGHT, WIDTH, 3)
    assert clip.pixels.dtype == np.uint8
    assert clip.positions == (2, 7, 12, 17, 22, 27, 32, 37)
    expected = [round(ROOM * position / 39) for position in clip.positions]
    assert np.abs(np.subtract(columns_of(clip.pixels), expected)).max() <= 1
    plain = frames_of(moving_right(40))[list(clip.positions)]
    assert np.abs(clip.pixels.astype(int) - plain).mean() < 8  # codecs lose a little


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_variable_frame_rate_does_not_distort_the_motion(tmp_path: Path, suffix: str) -> None:
    """The square moves evenly in time: most frames are of the first second of four."""
    times = [*range(0, 1000, 25), *range(1000, 4000, 150)]
    places = [(time / 4000, 0.25) for time in times]
    clip = read_clip(write_video(tmp_path / f"a{suffix}", places, times), 8)
    steps = np.diff(columns_of(clip.pixels))
    assert steps.min() >= ROOM / 8 - 3
    assert steps.max() <= ROOM / 8 + 3
    middles = [250 + 500 * part for part in range(8)]
    shown = [times[position] for position in clip.positions]
    assert all(-20 <= middle - time <= 200 for middle, time in zip(middles, shown, strict=True))


@pytest.mark.parametrize(("degrees", "shape"), [(90, (WIDTH, HEIGHT)), (180, (HEIGHT, WIDTH))])
def test_a_telephone_held_upright(tmp_path: Path, degrees: int, shape: tuple[int, int]) -> None:
    plain = write_video(tmp_path / "a.mp4", moving_right(8))
    turned = turn(plain, degrees, tmp_path / "b.mp4")
    assert open_video(turned).size == shape
    expected = np.rot90(read_clip(plain, 4).pixels, -degrees // 90, (1, 2))
    assert np.array_equal(read_clip(turned, 4).pixels, expected)
    counter = turn(plain, 270, tmp_path / "c.mp4")
    assert np.array_equal(
        read_clip(counter, 4).pixels, np.rot90(read_clip(plain, 4).pixels, 1, (1, 2))
    )


@pytest.mark.parametrize(
    ("frames", "positions"), [(1, (0,) * 5), (3, (0, 0, 1, 2, 2)), (5, (0, 1, 2, 3, 4))]
)
def test_too_few_frames_are_repeated(
    tmp_path: Path, frames: int, positions: tuple[int, ...]
) -> None:
    assert read_clip(write_video(tmp_path / "a.mp4", [(0, 0)] * frames), 5).positions == positions


def test_ten_thousand_frames_are_not_in_memory_at_once(tmp_path: Path) -> None:
    path = write_long(tmp_path / "a.avi", 10_000)
    tracemalloc.start()
    clip = read_clip(path, 16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clip.positions == tuple(range(312, 10_000, 625))
    assert peak < 200 * HEIGHT * WIDTH * 3  # numpy's arrays are traced


def test_a_truncated_video_gives_what_comes_before(tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.webm", moving_right(200)).read_bytes()
    (tmp_path / "cut.webm").write_bytes(content[: len(content) * 2 // 3])
    video = open_video(tmp_path / "cut.webm")
    assert 60 < len(video.starts) < 200
    columns = columns_of(read_clip(tmp_path / "cut.webm", 4).pixels)
    assert columns == sorted(columns)


def test_what_is_no_video_is_one_line(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4")
    content = write_video(tmp_path / "a.mp4", moving_right(40)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 3])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.avi").write_bytes(np.random.default_rng(0).bytes(20_000))
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/a.mp4\n"
    (tmp_path / "list.mp4").write_text(playlist, encoding="utf-8")
    (tmp_path / "no frames").mkdir()
    errors = {
        "sound.mp4": "no video in it; found audio",
        "cut.mp4": "not a video; expected a format FFmpeg reads, such as mp4, avi or webm",
        "empty.mp4": "not a video",
        "noise.avi": "not a video",
        "list.mp4": "not a video",
        "missing.mp4": "cannot be read: No such file or directory",
        "no frames": "no frames; expected images such as 00001.jpg",
    }
    for name, error in errors.items():
        with pytest.raises(DataError) as raised:
            read_clip(tmp_path / name, 4)
        assert str(raised.value).startswith(f"{tmp_path / name}: {error}")
        assert "\n" not in str(raised.value)


def test_without_pyav_the_line_says_what_to_install(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [(0, 0)])
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from pathlib import Path\n"
        "from conceptgraph.ingest.concept_data.videos import read_clip\n"
        "read_clip(Path(sys.argv[1]), 4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, check=False, cwd=ROOT
    )
    last = done.stderr.decode().splitlines()[-1]
    assert "videos need PyAV. pip install 'conceptgraph[video]', or give folders of frames" in last


def test_a_folder_of_frames(tmp_path: Path) -> None:
    """In order of their numbers, which annotations use; resized like the first."""
    for number, level in ((9, 30), (10, 60), (101, 90)):
        size = (600, 300) if number == 9 else (60, 30)
        Image.new("RGB", size, (level, level, level)).save(tmp_path / f"frame_{number}.png")
    video = open_video(tmp_path)
    names = ("9", "00010", "frame_101.jpg", "frame_101.png", "2", "last")
    assert [video.position(name) for name in names] == [0, 1, 2, 2, None, None]
    clip = read_clip(tmp_path, 3)
    assert clip.pixels.shape == (3, 256, 512, 3)
    assert clip.pixels[:, 128, 256, 0].tolist() == [30, 60, 90]
    Image.new("RGB", (60, 30)).save(tmp_path / "a.png")  # now they have no number each
    assert [open_video(tmp_path).position(name) for name in ("a.jpg", "3", "frame_9")] == [0, 3, 3]


def test_the_choice_meets_annotated_frames(tmp_path: Path) -> None:
    """Against all shifts, plainly; always even."""
    video = VideoFile(write_video(tmp_path / "a.avi", [(0, 0)] * 71))
    rng = np.random.default_rng(0)
    for _ in range(20):
        annotated = rng.choice(71, int(rng.integers(1, 8)), replace=False).tolist()
        chosen = even_positions(video, 16, annotated)
        met = len(set(chosen) & set(annotated))
        best = max(
            len({int((part + shift) * 71 / 16) for part in range(16)} & set(annotated))
            for shift in np.arange(0.0005, 1, 0.001)
        )
        assert met == best >= 1
        assert set(np.diff(chosen).tolist()) <= {4, 5}
    assert even_positions(video, 16, range(71)) == even_positions(video, 16)


@pytest.mark.parametrize(
    ("size", "frames", "expected"),
    [
        ((1080, 1920), 16, (256, 455)),
        ((120, 160), 16, (120, 160)),
        ((2000, 256), 16, (2000, 256)),
        ((600, 300), 256, (255, 127)),
        ((1, 1), 256, (1, 1)),
    ],
)
def test_pixels_are_bounded(size: tuple[int, int], frames: int, expected: tuple[int, int]) -> None:
    assert clip_size(*size, frames) == expected
