"""Annotated videos as a source of concept data: each becomes a clip, a strip of a few frames.

1. Find every video, read the times of its frames, and choose those of the clip: evenly spaced, so
   that they meet most annotated frames (`concept_data/videos.py`).
2. Clip by clip: decode the chosen frames; draw the regions of those that are annotated, as those of
   an image; with `--motion`, also where each thing goes.
3. Frames and masks lie one below the other, the first on top. Frames without an annotation are
   unlabelled, and not listed as annotated.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

from ....errors import DataError
from ...concept_data.videos import clip_size, read_frames
from ...concept_data.writing.label_maps import pack_label_maps, resize_mask
from ...concept_data.writing.names import output_names
from ...concept_data.writing.writer import label_numbers
from ..source import ConceptSource, SourceImage
from . import motion
from .clips import AnnotatedClips
from .image_files import stem
from .kept_masks import KeptMasks, agree, upright_mask
from .regions import concepts_of
from .report import BuildLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ....progress import Progress
    from ..source import ExtraTable
    from .build import BuildSettings
    from .clips import AnnotatedClip, AnnotatedFrame, ClipSettings
    from .consensus import AgreementRules
    from .regions import Annotations, Region
    from .report import BuildReport

Thing: TypeAlias = "tuple[str, str, str]"
"""Category, concept and track."""


class ClipSource(ConceptSource["BuildReport"]):
    """Annotated videos as a source of concept data."""

    def __init__(
        self,
        annotations: Annotations,
        folder: Path,
        settings: BuildSettings,
        clips: ClipSettings,
        progress: Progress,
    ) -> None:
        """Find and read the videos, and sort the regions by frame.

        Args:
            annotations: with one region or more.
            folder: of the videos.
            settings: of the build.
            clips: how videos become clips.
            progress: receives each video.

        Raises:
            DataError: no video is found.
        """
        self._folder, self._settings, self._clip_settings = folder, settings, clips
        found = AnnotatedClips(
            folder, annotations, clips, progress, unlabelled=settings.empty_images
        )
        self._clips, self._notes = found.clips, found.notes
        frames = {
            frame.name: frame.regions
            for clip in self._clips.values()
            for frame in clip.frames.values()
        }
        self._drawn = concepts_of(frames.values())
        self._concepts = dict(self._drawn)
        if clips.motion:
            own = self._concepts.get(motion.CATEGORY, [])
            self._concepts[motion.CATEGORY] = sorted({*own, *motion.NAMES})
        numbers = label_numbers(self._concepts)
        self._motion_numbers = {name: numbers[motion.CATEGORY, name] for name in motion.NAMES
                                if clips.motion}  # fmt: skip
        self._names = output_names(_image_names(self._clips).values(), self._concepts)
        self._log = BuildLog(frames, len(frames), found.dropped, self._notes)
        self._masks = KeptMasks(numbers, settings.mask_size, settings.rules, self._log)
        self._without_motion = 0

    def concepts(self) -> dict[str, list[str]]:
        """Return the names of the concepts by category, sorted."""
        return self._concepts

    def __len__(self) -> int:
        return len(self._clips)

    def images(self) -> Iterator[SourceImage]:
        """Yield each clip with what is kept of the regions of its frames.

        Raises:
            DataError: no region of any clip is kept.
        """
        side, frames = self._settings.mask_size, self._clip_settings.frames
        images = _image_names(self._clips)
        for name, clip in self._clips.items():
            try:
                strip = self._read(clip)
            except DataError as error:
                regions = (one for frame in clip.frames.values() for one in frame.regions)
                self._log.drop(regions, "video that cannot be decoded", str(error))
                continue
            annotated = [place for place, position in enumerate(clip.positions)
                         if position in clip.frames]  # fmt: skip
            yield SourceImage(
                self._names[images[name]],
                strip,
                self._label_maps(clip),
                mask_shape=(frames * side, side),
                frames=frames,
                annotated_frames=annotated or None,
            )
        self._log.check_any_kept(self._folder)
        self._note_motion()

    def _read(self, clip: AnnotatedClip) -> Image.Image:
        """Return the frames of a clip, one below the other."""
        side = self._settings.size
        frames = len(clip.positions)
        shape = (side, side) if side else clip_size(*clip.video.size, frames)
        pixels = read_frames(clip.video, clip.positions, *shape)
        return Image.fromarray(pixels.reshape(-1, *pixels.shape[2:]))

    def _label_maps(self, clip: AnnotatedClip) -> dict[str, list[NDArray[np.uint16]]]:
        """Return the label maps of a clip by category, the frames one below the other."""
        side = self._settings.mask_size
        strips: dict[str, dict[int, NDArray[np.bool_]]] = {}
        motions = self._motions(clip)
        for position, frame in clip.frames.items():
            if frame.view is None:
                continue
            masks = self._masks.draw(frame.name, frame.regions, frame.view)
            for number, mask in motions.get(position, {}).items():
                masks.setdefault(motion.CATEGORY, {}).setdefault(number, mask)
            places = np.equal(clip.positions, position)
            for category, of_category in masks.items():
                for number, mask in of_category.items():
                    empty = np.zeros((len(places), side, side), np.bool_)
                    strips.setdefault(category, {}).setdefault(number, empty)[places] = mask
        flat = {
            category: {number: mask.reshape(-1, side) for number, mask in of_category.items()}
            for category, of_category in strips.items()
        }
        return {category: pack_label_maps(masks) for category, masks in flat.items()}

    def _motions(self, clip: AnnotatedClip) -> dict[int, dict[int, NDArray[np.bool_]]]:
        """Return the masks of motions, by position and label number."""
        if not self._clip_settings.motion:
            return {}
        if not _has_tracks(clip.frames.values()):
            self._without_motion += 1
            return {}
        masks: dict[Thing, dict[int, NDArray[np.bool_]]] = {}
        for position, frame in clip.frames.items():
            for thing, mask in _thing_masks(frame, self._settings.rules).items():
                masks.setdefault(thing, {})[position] = mask
        side = self._settings.mask_size
        motions: dict[int, dict[int, NDArray[np.bool_]]] = {}
        for of_thing in masks.values():
            times = clip.video.starts[list(of_thing)] - clip.video.starts[0]
            shares = times / (clip.video.end - clip.video.starts[0])
            places = np.array([motion.centroid(mask) for mask in of_thing.values()])
            named = zip(of_thing.items(), motion.name_motions(shares, places), strict=False)
            for (position, mask), name in named:
                of_frame = motions.setdefault(position, {})
                number, small = self._motion_numbers[name], resize_mask(mask, side, side)
                of_frame[number] = of_frame.get(number, small) | small
        return motions

    def _note_motion(self) -> None:
        if self._clip_settings.motion:
            self._notes.append(
                "Motion is that of masks in the picture: the camera's own is not removed."
            )
        if self._without_motion:
            self._notes.append(
                f"{self._without_motion} clips have no labels of motion: which regions of a frame "
                "are the same thing in others is not said (column track), or several workers drew "
                "it."
            )

    def sources(self) -> dict[tuple[str, str], str]:
        """Return by what motions were labelled."""
        drawn = self._drawn.get(motion.CATEGORY, [])
        names = [name for name in self._motion_numbers if name not in drawn]
        return {(motion.CATEGORY, name): motion.MADE_BY for name in names}

    def tables(self) -> list[ExtraTable]:
        """Return what was dropped and, if any frame has several annotators, their agreement."""
        return self._log.tables()

    def report(self, folder: Path, images: int) -> BuildReport:
        """Return the summary of the build."""
        return self._log.report(folder, images)._replace(frames=self._clip_settings.frames)


def _image_names(videos: Iterable[str]) -> dict[str, str]:
    """Name each video's strip, a JPEG: as the video, with its suffix if others share the rest."""
    stems = {video: stem(video) for video in videos}
    shared = Counter(stems.values())
    return {video: f"{name if shared[name] == 1 else video}.jpg" for video, name in stems.items()}


def _has_tracks(frames: Iterable[AnnotatedFrame]) -> bool:
    """Return whether it is known which regions of frames are of one thing, drawn by one worker."""
    workers = set()
    for frame in frames:
        untracked = [(one.category, one.concept) for one in frame.regions if not one.track]
        if len(set(untracked)) < len(untracked):
            return False
        workers |= {region.worker for region in frame.regions}
    return len(workers) < 2


def _thing_masks(frame: AnnotatedFrame, rules: AgreementRules) -> dict[Thing, NDArray[np.bool_]]:
    """Return the mask of each thing in a frame, at the size of the frame."""
    by_thing: dict[Thing, list[Region]] = {}
    for region in frame.regions:
        thing = (region.category, region.concept, region.track)
        by_thing.setdefault(thing, []).append(region)
    masks = {}
    for thing, regions in by_thing.items():
        if frame.view is not None:
            mask = upright_mask(agree(regions, frame.view, 0, rules), frame.view)
            if mask is not None and mask.any():
                masks[thing] = mask
    return masks
