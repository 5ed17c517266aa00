"""Regions that annotators drew on images, whatever the format of their files.

A region is one outline of one concept in one image, by one worker (an annotator, or a round of
annotation). Its geometry stays as it was written; it is drawn when needed, at the image's own
resolution, as run lengths (COCO's RLE, by pycocotools):

    Box         a pixel is in it if its centre is
    Polygons    one or several rings, filled by COCO's rule
    RunLengths  run lengths
    MaskValue   the pixels of a mask file that have one value

Coordinates are in pixels from the top left corner of the image as it is stored (without EXIF
rotation).
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
    """Rings of x, y, x, y, … in pixels; the region is their union."""

    rings: tuple[array[float], ...]


class MaskValue(NamedTuple):
    """The pixels of a mask file with this value: palette index, grey level, R·65536 + G·256 + B."""

    path: Path
    value: int


Geometry: TypeAlias = Box | Polygons | RunLengths | MaskValue


@dataclass(frozen=True)
class Region:
    """One outline of one concept in one image.

    Attributes:
        image: path of the image file below the folder of images, with `/`.
        concept: its name.
        category: of the concept.
        geometry: its shape and position.
        worker: who drew it, or in which round; "" if the annotations do not say.
        verified: a verifier's answer; None without one.
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
    """What a format's reader returns.

    Attributes:
        regions: in the order of the file.
        sizes: height and width by image, None where not stated; every image that the annotations
            name is a key, also one without a region.
    """

    regions: list[Region]
    sizes: dict[str, tuple[int, int] | None]
