"""What a source of concept data is, and how any source is written.

A source knows its concepts before its first image, and gives its images one by one, each with its
labels: only one image is in memory at a time. `docs/add-a-concept-source.md` adds one.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np
from PIL import Image

from ...errors import DataError
from ...progress import NoProgress
from ..concept_data.writing.writer import BrodenWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ...progress import Progress

Report_co = TypeVar("Report_co", covariant=True)


class SourceImage(NamedTuple):
    """An image of a source, with its labels.

    Attributes:
        name: its path below the data set's images/, with `/`; unique. The suffix, `.jpg` or `.png`,
            decides the format of a Pillow image.
        image: a Pillow image, or the path of an image file, which is copied.
        label_maps: by category, label numbers (mask height, mask width), 0 where unlabelled; all of
            one size. `label_numbers` gives the numbers, `pack_label_maps` makes label maps from
            masks.
        image_labels: names of concepts that label the whole image, by category.
        absent: names of concepts that somebody said are not in the image, by category. Such a
            concept counts only in images with one of both; any other is taken not to be in an image
            that is annotated with its category, but not with it.
        annotated: categories that the image is annotated with, even if it has no label of them.
        split: `train`, `val`, …; derived from the image's content if None.
        mask_shape: height and width stated for the masks of an image without label maps, the
            pixels that an image-level label counts; the size of the image if None.
        frames: of a clip: they lie one below the other in the image, the first on top, and
            likewise in the label maps; 1 of a still.
        annotated_frames: the frames that are annotated, ascending; all if None.
    """

    name: str
    image: Image.Image | Path
    label_maps: Mapping[str, Sequence[NDArray[np.integer]]] = {}
    image_labels: Mapping[str, Sequence[str]] = {}
    absent: Mapping[str, Sequence[str]] = {}
    annotated: Collection[str] = ()
    split: str | None = None
    mask_shape: tuple[int, int] | None = None
    frames: int = 1
    annotated_frames: Sequence[int] | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether anything is known of the image."""
        maps = (label_map for maps in self.label_maps.values() for label_map in maps)
        names = (*self.image_labels.values(), *self.absent.values())
        return any(names) or bool(self.annotated) or any(label_map.any() for label_map in maps)


class ExtraTable(NamedTuple):
    """A CSV table written beside those of the data set, such as a list of what was dropped."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class ConceptSource(Protocol[Report_co]):
    """What turns something a user has into concept data.

    `write_source` calls the methods in this order. Subclass it, or write a class with the same
    methods.
    """

    def concepts(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the concepts by category; the order of categories decides ties."""
        ...

    def __len__(self) -> int:
        """Return the number of images, for progress."""
        ...

    def images(self) -> Iterator[SourceImage]:
        """Yield the images one by one.

        Raises:
            DataError: anything invalid; nothing is written then.
        """
        ...

    def sources(self) -> Mapping[tuple[str, str], str]:
        """Return by what labels were made, by category and name of the concept.

        A model, or `tags`; concepts that are left out were drawn by people. Called after the last
        image.
        """
        return {}

    def tables(self) -> Sequence[ExtraTable]:
        """Return tables to write beside the data; called after the last image."""
        return ()

    def report(self, folder: Path, images: int) -> Report_co:
        """Return a report on the data set in `folder`, in which `images` images were written."""
        ...


def write_source(
    source: ConceptSource[Report_co],
    folder: Path,
    *,
    image_size: int | None = None,
    unlabelled: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Report_co:
    """Write a source as concept data: the whole data set, or nothing.

    Args:
        source: the source.
        folder: the data set to write.
        image_size: side to which images, or the frames of clips, are resized (aspect ratio
            ignored); their files are copied if None.
        unlabelled: also write images without any label.
        overwrite: replace an existing data set once the new one is complete.
        progress: receives each image.

    Returns:
        The source's report.

    Raises:
        DataError: anything invalid in the source, or no image with a concept.
    """
    check_side("size", image_size)
    written = 0
    step = (progress or NoProgress()).step("write", len(source))
    with BrodenWriter(folder, source.concepts(), overwrite=overwrite) as writer, step as advance:
        for image in source.images():
            if unlabelled or image.is_labelled:
                _add(writer, image if image_size is None else _resize(image, image_size))
                written += 1
            advance(1)
        writer.name_sources(source.sources())
        for table in source.tables():
            writer.add_table(*table)
    return source.report(Path(folder), written)


def check_side(setting: str, side: int | None) -> None:
    """Refuse a side of images or masks that makes no sense.

    Raises:
        DataError: naming the setting.
    """
    if side is not None and not 8 <= side <= 4096:
        raise DataError(f"{setting} out of range", found=side, expected="from 8 to 4096")


def _add(writer: BrodenWriter, image: SourceImage) -> None:
    writer.add(
        image.name,
        image.image,
        image.label_maps,
        image.image_labels,
        absent=image.absent,
        annotated=image.annotated,
        split=image.split,
        mask_shape=image.mask_shape,
        frames=image.frames,
        annotated_frames=image.annotated_frames,
    )


def _resize(image: SourceImage, side: int) -> SourceImage:
    """Resize an image, or each frame of a clip, unless it has the size already."""
    from ..concept_data.images import open_image, to_array  # imports torch

    opened = image.image if isinstance(image.image, Image.Image) else open_image(image.image)
    if opened.size == (side, side * image.frames):
        return image
    rows = np.split(np.asarray(opened.convert("RGB")), image.frames)
    frames = [to_array(Image.fromarray(pixels), side, side) for pixels in rows]
    name = PurePosixPath(image.name)
    encodable = name.suffix.lower() in {".jpg", ".jpeg", ".png"}
    return image._replace(
        name=str(name if encodable else name.with_suffix(".png")),
        image=Image.fromarray(np.concatenate(frames)),
    )
