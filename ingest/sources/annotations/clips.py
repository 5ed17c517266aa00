"""The videos of annotations, each with the frames of its clip and their regions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from ...concept_data.videos import (
    MOST_FRAMES,
    check_pyav,
    even_positions,
    has_video_suffix,
    open_video,
)
from .image_files import VideoFiles, find_frame_view
from .images import fits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ....progress import Progress
    from ...concept_data.videos import Video
    from .image_files import View
    from .regions import Annotations, Region


@dataclass(frozen=True)
class ClipSettings:
    """How videos become clips.

    Attributes:
        frames: of each clip.
        first_frame: number of a video file's first frame in the annotations.
        motion: also label how things move.
    """

    frames: int = 16
    first_frame: int = 0
    motion: bool = False

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            DataError: naming the setting.
        """
        if not 1 <= self.frames <= MOST_FRAMES:
            expected = f"from 1 to {MOST_FRAMES}"
            raise DataError("frames out of range", found=self.frames, expected=expected)


class AnnotatedFrame(NamedTuple):
    """An annotated frame: its name, its regions, and what they were drawn on (None without any)."""

    name: str
    regions: list[Region]
    view: View | None


class AnnotatedClip(NamedTuple):
    """A clip of a video.

    Attributes:
        video: the video.
        positions: of the clip's frames in it, ascending; a frame may be repeated.
        frames: those that are annotated, by their position in the video.
    """

    video: Video
    positions: list[int]
    frames: dict[int, AnnotatedFrame]


class AnnotatedClips:
    """Videos that can be used, and what is dropped with those that cannot.

    Attributes:
        clips: by video, in order of name; paths below the folder.
        dropped: what could not be read before, and regions of videos that cannot be used.
        notes: what was assumed or changed, in sentences.
    """

    def __init__(
        self,
        folder: Path,
        annotations: Annotations,
        settings: ClipSettings,
        progress: Progress,
        *,
        unlabelled: bool,
    ) -> None:
        """Find the videos, read the times of their frames, and choose some.

        Args:
            folder: of the videos.
            annotations: with one region or more.
            settings: how videos become clips.
            progress: receives each video.
            unlabelled: also videos without a region.

        Raises:
            DataError: no such folder, no video is found, or PyAV is missing.
        """
        self._folder, self._settings = folder, settings
        self._sizes = annotations.sizes
        self.dropped = list(annotations.dropped)
        self.notes = list(annotations.notes)
        self.clips: dict[str, AnnotatedClip] = {}
        self._elsewhere = self._repeated = 0
        by_frame: dict[str, list[Region]] = defaultdict(list)
        for region in annotations.regions:
            by_frame[region.image].append(region)
        by_video: dict[str, dict[str, list[Region]]] = defaultdict(dict)
        for name in sorted({*by_frame, *annotations.sizes}):
            video, _, frame = name.rpartition("/")
            by_video[video][frame] = by_frame.get(name, [])
        if not unlabelled:
            by_video = {name: of for name, of in by_video.items() if any(of.values())}
        files = self._find(by_video)
        with progress.step("read times", len(files)) as advance:
            for file, name in sorted((file, name) for name, file in files.items()):
                self._add(file, by_video[name])
                advance(1)
        self._note()

    def _find(self, by_video: Mapping[str, Mapping[str, Sequence[Region]]]) -> dict[str, str]:
        """Return the file or folder of each video; drop the regions of those without one."""
        if not self._folder.is_dir():
            raise DataError("no such folder", file=self._folder)
        named = [name for name in by_video if name]
        files, problems = VideoFiles(self._folder).resolve(named)
        for name, of in by_video.items():
            if name not in files:
                reason = "no video of this name" if name else "no frame of a video"
                detail = problems.get(name, "expected VIDEO/FRAME")
                self._drop(of, reason, detail)
        if not files:
            first = min(problems, default="")
            what = f"no video {first!r}" if first else "annotations of images, not of frames"
            remedy = problems.get(first) or "Name frames VIDEO/FRAME, or in a column 'frame'"
            raise DataError(what, file=self._folder, remedy=remedy.rstrip(". "))
        if any(map(has_video_suffix, files.values())):
            check_pyav(self._folder)
        return files

    def _add(self, file: str, by_name: Mapping[str, list[Region]]) -> None:
        """Choose the frames of a video, and check their regions."""
        try:
            video = open_video(self._folder / file, self._settings.first_frame)
        except DataError as error:
            self._drop(by_name, "video that cannot be read", str(error))
            return
        named: dict[int, list[str]] = defaultdict(list)
        for name, regions in by_name.items():
            position = video.position(name)
            if position is None:
                self._drop({name: regions}, "no frame of this number", _numbers(video))
            else:
                named[position].append(name)
        positions = even_positions(video, self._settings.frames, named)
        self._repeated += len(set(positions)) < len(positions)
        self._elsewhere += sum(
            len(by_name[name])
            for position in named.keys() - set(positions)
            for name in named[position]
        )
        frames: dict[int, AnnotatedFrame] = {}
        for position in sorted(named.keys() & set(positions)):
            regions = [region for name in named[position] for region in by_name[name]]
            sizes = (self._sizes.get(region.image) for region in regions)
            stated = next(filter(None, sizes), None)
            frame = self._frame(video, position, f"{file}/{named[position][0]}", regions, stated)
            if frame is not None:
                frames[position] = frame
        self.clips[file] = AnnotatedClip(video, positions, frames)

    def _frame(
        self,
        video: Video,
        position: int,
        name: str,
        regions: list[Region],
        stated: tuple[int, int] | None,
    ) -> AnnotatedFrame | None:
        """Return a frame with the regions that fit it; None if it had some, and none does."""
        if not regions:
            return AnnotatedFrame(name, [], None)
        try:
            view = find_frame_view(video, position, stated, regions)
        except DataError as error:
            self._drop({name: regions}, "frame that cannot be used", str(error))
            return None
        fitting = [region for region in regions if fits(region, view)]
        others = [region for region in regions if not fits(region, view)]
        self._drop({name: others}, "run lengths of another size than the image", "")
        renamed = [replace(region, image=name) for region in fitting]
        return AnnotatedFrame(name, renamed, view) if renamed else None

    def _drop(self, by_name: Mapping[str, Sequence[Region]], reason: str, detail: str) -> None:
        self.dropped += [one.dropped(reason, detail) for of in by_name.values() for one in of]

    def _note(self) -> None:
        if self._elsewhere:
            self.notes.append(
                f"{self._elsewhere} regions are in frames between the {self._settings.frames} of a "
                "clip, and are not used."
            )
        if self._repeated:
            self.notes.append(
                f"{self._repeated} videos have fewer frames than a clip, or show one for longer: "
                "frames are repeated."
            )


def _numbers(video: Video) -> str:
    return f"the video has {len(video.starts)} frames"
