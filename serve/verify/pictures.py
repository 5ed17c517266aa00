"""The pictures of a label: its image with the region outlined, and the part around the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from ...ingest.concept_data.images import open_image
from ...ingest.sources.verified.labels import read_region
from ...pages.pictures import crop_around, jpeg, outlined

if TYPE_CHECKING:
    from ...ingest.concept_data.concepts import ConceptData
    from ...ingest.sources.verified.labels import DataLabel

_OPENED = 1600
_WHOLE, _CROP = (480, 960), (320, 480)
"""Pixels of the longer side, at least and at most."""
_FADE = 0.35


class LabelPictures(NamedTuple):
    """JPEG files.

    Attributes:
        whole: the image, with the region outlined, and the rest paler.
        crop: the part around the region, without the outline; None for a tag.
        digest: of the region that they show.
    """

    whole: bytes
    crop: bytes | None
    digest: str


def draw_label(data: ConceptData, label: DataLabel) -> LabelPictures:
    """Draw the pictures of a label.

    Raises:
        DataError: its image, or a mask, cannot be read.
    """
    image = open_image(data.images[label.image].path)
    image.thumbnail((_OPENED, _OPENED))
    mask, _, digest = read_region(data, label)
    side = _side(image, _WHOLE)
    if mask is None:
        return LabelPictures(jpeg(_resize(image, side)), None, digest)
    crop, _ = crop_around(image, mask)
    whole = outlined(image, mask, side, fade=_FADE)
    return LabelPictures(jpeg(whole), jpeg(_resize(crop, _side(crop, _CROP))), digest)


def _side(image: Image.Image, bounds: tuple[int, int]) -> int:
    least, most = bounds
    return min(max(*image.size, least), most)


def _resize(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)
