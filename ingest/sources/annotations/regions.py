"""What annotators drew: regions of images, whatever the file format they were written in.

A region is one outline of one concept in one image, by one worker (annotator, or annotation
round). Its geometry is kept as it was written and drawn when needed, as run lengths of the image's
own resolution (COCO's RLE, by pycocotools):

    Box        a pixel belongs to it when its centre lies inside
    Polygons   one or several rings, COCO's rule
    RunLengths run lengths
    MaskValue  the pixels of a mask file that have one value

Coordinates are pixels from the top left corner of the image as it is stored (no EXIF rotation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .run_lengths import RunLengths

if TYPE_CHECKING:
    from array import array
    from pathlib import Path


class Box(NamedTuple):
    """A rectangle: left, top, width and height in pixels."""

    x: float
    y: float
    width: float
    height: float


class Polygons(NamedTuple):
    """Rings of x, y, x, y, … in pixels; the region is all that lies in any of them."""

    rings: tuple[array[float], ...]


class MaskValue(NamedTuple):
    """Where a mask file has this value: an index or grey level, or R·65536 + G·256 + B."""

    path: Path
    value: int


Geometry: TypeAlias = Box | Polygons | RunLengths | MaskValue


@dataclass(frozen=True)
class Region:
    """One outline.

    Attributes:
        image: the image file, as a path below the folder of images, with `/`.
        concept: its name.
        category: the concept's category.
        geometry: where it is.
        worker: who drew it, or in which round; "" if the annotations do not say.
        verified: what a verification pass said; None if nothing.
        source: file and item, for messages: `regions.json, annotation 3`.
    """

    image: str
    concept: str
    category: str
    geometry: Geometry
    worker: str
    verified: bool | None
    source: str


class Annotations(NamedTuple):
    """All that a reader found.

    Attributes:
        regions: in the order of the file.
        sizes: height and width of images where stated, by image; every image that is named, also
            those without a region, is a key.
    """

    regions: list[Region]
    sizes: dict[str, tuple[int, int] | None]
