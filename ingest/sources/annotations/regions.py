"""Regions that annotators drew on images, whatever the format of their files.

A region is one outline of one concept in one image, by one worker (an annotator, or a round of
annotation). Its geometry stays as it was written; it is drawn when needed, at the image's own
resolution, as run lengths (COCO's RLE, by pycocotools):

    Box         a pixel is in it if its centre is
    Polygons    one or several rings, filled by COCO's rule
    RunLengths  run lengths
    MaskValue   the pixels of a mask file that have one value
    Shares      a box or polygons in shares of the image

Coordinates are in pixels from the top left corner of the image as it is seen, or as it is stored,
without EXIF rotation: `image_files` finds out which.

A region that cannot be read is dropped, never the whole file: `Annotations.region` sees to it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ....errors import DataError
from .items import AnnotationItem, ItemError
from .run_lengths import RunLengths

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


class Box(NamedTuple):
    """A rectangle: left, top, width and height in pixels."""

    x: float
    y: float
    width: float
    height: float


class Polygons(NamedTuple):
    """Rings of x, y, x, y, … in pixels; the region is their union."""

    rings: tuple[array[float], ...]


class MaskValue(NamedTuple):
    """The pixels of a mask file with this value: palette index, grey level, R·65536 + G·256 + B."""

    path: Path
    value: int


class Shares(NamedTuple):
    """A shape whose coordinates are shares of the image's width and height, from 0 to 1."""

    shape: Box | Polygons


Geometry: TypeAlias = Box | Polygons | RunLengths | MaskValue | Shares


@dataclass(frozen=True)
class Region:
    """One outline of one concept in one image.

    Attributes:
        image: path of the image file below the folder of images, with `/`. A frame of a video is
            VIDEO/FRAME, as if the video were a folder: `clip.mp4/12`, `bear/00012.jpg`.
        concept: its name.
        category: of the concept.
        geometry: its shape and position.
        worker: who drew it, or in which round; "" if the annotations do not say.
        verified: a verifier's answer; None without one.
        source: file and item, for messages: `regions.json, annotation 3`.
        track: which thing of a video it is, the same in all frames; "" if the annotations do not
            say.
    """

    image: str
    concept: str
    category: str
    geometry: Geometry
    worker: str
    verified: bool | None
    source: str
    track: str = ""

    def dropped(self, reason: str, detail: str = "") -> DroppedRegion:
        """Return the row of dropped.csv."""
        facts = (self.image, self.category, self.concept, self.worker)
        return DroppedRegion(*facts, reason, detail, self.source)


def concepts_of(regions: Iterable[Iterable[Region]]) -> dict[str, list[str]]:
    """Return the names of the concepts of regions by category, both sorted."""
    concepts: dict[str, list[str]] = {}
    for category, concept in sorted({(one.category, one.concept) for of in regions for one in of}):
        concepts.setdefault(category, []).append(concept)
    return concepts


class DroppedRegion(NamedTuple):
    """A row of dropped.csv: what is known of the region, and why it was dropped.

    `reason` is the same for all regions of one kind, `detail` says what is special about this one.
    """

    image: str
    category: str
    concept: str
    worker: str
    reason: str
    detail: str
    source: str


@dataclass
class RegionDraft:
    """A region that is being read: the fields of `Region`, as far as they are known."""

    image: str = ""
    concept: str = ""
    category: str = ""
    geometry: Geometry | None = None
    worker: str = ""
    verified: bool | None = None
    track: str = ""

    def region(self, source: str) -> Region:
        """Return the finished region; its geometry must be set."""
        if self.geometry is None:
            raise TypeError("a region without geometry")
        facts = (self.image, self.concept, self.category)
        return Region(*facts, self.geometry, self.worker, self.verified, source, self.track)

    def dropped(self, reason: str, detail: str, source: str) -> DroppedRegion:
        """Return the row of dropped.csv for a region that cannot be read."""
        facts = (self.image, self.category, self.concept, self.worker)
        return DroppedRegion(*facts, reason, detail, source)


@dataclass
class Annotations:
    """What a format's reader returns.

    Attributes:
        regions: in the order of the file.
        sizes: height and width by image, None where not stated; every image that the annotations
            name is a key, also one without a region.
        dropped: what could not be read of them.
        notes: what was assumed or changed on reading, in sentences for the user.
        unticked: regions whose box "verified" is not ticked.
    """

    regions: list[Region] = field(default_factory=list)
    sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    dropped: list[DroppedRegion] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unticked: int = 0

    def add_image(self, image: str, size: tuple[int, int] | None = None) -> None:
        """Note that the annotations name an image, and its size if they state it."""
        self.sizes[image] = size or self.sizes.get(image)

    @contextmanager
    def region(self, item: AnnotationItem) -> Iterator[RegionDraft]:
        """Yield a draft to fill; if that raises an ItemError, the region is dropped."""
        draft = RegionDraft()
        try:
            yield draft
        except ItemError as error:
            self.dropped.append(draft.dropped(error.reason, error.detail, item.source))
        else:
            self.regions.append(draft.region(item.source))

    def drop(self, item: AnnotationItem, error: ItemError) -> None:
        """Note an item, other than a region, that cannot be used."""
        self.dropped.append(RegionDraft().dropped(error.reason, error.detail, item.source))

    def note_unticked(self, attributes: Mapping[str, object]) -> None:
        """Count a box "verified" that is not ticked, which is taken as no answer."""
        self.unticked += attributes.get("verified") is False

    @contextmanager
    def file(self, path: Path) -> Iterator[None]:
        """Drop a whole file, one of many, if reading it raises a DataError."""
        try:
            yield
        except ItemError as error:
            row = RegionDraft().dropped(error.reason, error.detail, path.name)
            self.dropped.append(row)
        except DataError as error:
            row = RegionDraft().dropped("file that cannot be read", str(error), path.name)
            self.dropped.append(row)
