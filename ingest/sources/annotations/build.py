"""Annotations as a source of concept data.

1. Read the annotations, whatever their format.
2. Find every image: by its name, or one that is like it; its size is what the annotations state.
3. Image by image: draw its regions at its own resolution; find what its annotators agree on; resize
   each concept's mask to the mask size; pack concepts of a category that overlap into several
   label maps.
4. Write images, masks and tables, and beside them dropped.csv (every region that was dropped, and
   why), agreement.csv (how far annotators agreed, by image and concept) and workers.csv (how many
   of each annotator's regions were kept).

A region, an image or a file of many that cannot be used is dropped with its reason; the build goes
on without it. In memory are the annotations and one image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import DataError
from ....progress import NoProgress
from ...concept_data.writing.input_checks import check_output_folder
from ...concept_data.writing.label_maps import pack_label_maps
from ...concept_data.writing.names import output_names
from ...concept_data.writing.writer import label_numbers
from ..source import ConceptSource, SourceImage, check_side, write_source
from .clip_source import ClipSource
from .consensus import AgreementRules
from .format import read_annotations
from .images import AnnotatedImages
from .kept_masks import KeptMasks
from .regions import concepts_of
from .report import BuildLog, BuildReport, none_kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....progress import Progress
    from ..source import ExtraTable
    from .clips import ClipSettings
    from .regions import Annotations

MASK_SIZE = 112  # Broden's


@dataclass(frozen=True)
class BuildSettings:
    """Settings of one build.

    Attributes:
        category: of all concepts; as the annotations say if None.
        format_name: the format of the annotations; detected if None.
        rules: when several annotators agree.
        size: side to which images, or the frames of clips, are resized (aspect ratio ignored); if
            None, files of images are copied, and frames are made smaller if they are large.
        mask_size: side of the masks.
        empty_images: also write images of which no region is kept.
        clips: how videos become clips; None for images.
    """

    category: str | None = None
    format_name: str | None = None
    rules: AgreementRules = field(default_factory=AgreementRules)
    size: int | None = None
    mask_size: int = MASK_SIZE
    empty_images: bool = False
    clips: ClipSettings | None = None

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            DataError: naming the setting.
        """
        check_side("size", self.size)
        check_side("mask-size", self.mask_size)


def build(
    annotations: Path,
    images: Path,
    out: Path,
    settings: BuildSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Make concept data from annotations.

    Args:
        annotations: a file or folder in one of the `formats`.
        images: the folder of the images, or of the videos.
        out: the data set to write.
        settings: None for the defaults.
        overwrite: replace an existing data set once the new one is complete.
        progress: receives each step.

    Raises:
        DataError: anything invalid, or no region is kept; nothing is written then.
    """
    settings, progress = settings or BuildSettings(), progress or NoProgress()
    check_output_folder(Path(out), overwrite=overwrite)
    content = read_annotations(
        annotations,
        images,
        category=settings.category,
        format_name=settings.format_name,
        progress=progress,
        videos=settings.clips is not None,
    )
    if not content.regions and content.dropped:
        raise none_kept(annotations, content.dropped)
    if not content.regions:
        raise DataError("no regions", file=annotations, expected="at least one")
    source: ConceptSource[BuildReport]
    if settings.clips is None:
        source, image_size = AnnotationSource(content, images, settings, progress), settings.size
    else:  # frames are resized as they are read
        source, image_size = ClipSource(content, images, settings, settings.clips, progress), None
    return write_source(
        source,
        out,
        image_size=image_size,
        unlabelled=settings.empty_images,
        overwrite=overwrite,
        progress=progress,
    )


class AnnotationSource(ConceptSource[BuildReport]):
    """Annotated images as a source of concept data."""

    def __init__(
        self, annotations: Annotations, folder: Path, settings: BuildSettings, progress: Progress
    ) -> None:
        """Find and check the image files, and sort the regions by image.

        Args:
            annotations: with one region or more.
            folder: of the images.
            settings: of the build.
            progress: receives the check.

        Raises:
            DataError: no image is found, or none fits.
        """
        self._folder, self._settings = folder, settings
        named = {region.image for region in annotations.regions}
        images = AnnotatedImages(folder, annotations, progress, unlabelled=settings.empty_images)
        self._regions, self._views = images.regions, images.views
        self._concepts = concepts_of(self._regions.values())
        self._names = output_names(self._views, self._concepts)
        self._log = BuildLog(
            self._regions, len({*annotations.sizes, *named}), images.dropped, images.notes
        )
        numbers = label_numbers(self._concepts)
        self._masks = KeptMasks(numbers, settings.mask_size, settings.rules, self._log)

    def concepts(self) -> dict[str, list[str]]:
        """Return the names of the annotated concepts by category, sorted."""
        return self._concepts

    def __len__(self) -> int:
        return len(self._views)

    def images(self) -> Iterator[SourceImage]:
        """Yield each image with what is kept of its regions.

        Raises:
            DataError: no region of any image is kept.
        """
        side = self._settings.mask_size
        for name, view in self._views.items():
            label_maps = {
                category: pack_label_maps(masks)
                for category, masks in self._masks.draw(name, self._regions[name], view).items()
            }
            path = self._folder / name
            yield SourceImage(self._names[name], path, label_maps, mask_shape=(side, side))
        self._log.check_any_kept(self._folder)

    def tables(self) -> list[ExtraTable]:
        """Return what was dropped and, if any image has several annotators, their agreement."""
        return self._log.tables()

    def report(self, folder: Path, images: int) -> BuildReport:
        """Return the summary of the build."""
        return self._log.report(folder, images)
