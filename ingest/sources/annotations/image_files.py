"""Checks the image files of annotations: they exist, are not rotated, and have the stated size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ExifTags, Image, UnidentifiedImageError

from ....errors import DataError
from .run_lengths import RunLengths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ....progress import Progress
    from .regions import Region

Size = tuple[int, int]


def image_sizes(
    folder: Path,
    regions: Mapping[str, Sequence[Region]],
    stated: Mapping[str, Size | None],
    progress: Progress,
) -> dict[str, Size]:
    """Read height and width of every image from its header.

    Args:
        folder: of the images.
        regions: by image, as a path below the folder; every image is a key.
        stated: sizes that the annotations state.
        progress: receives each image.

    Raises:
        DataError: an image that is missing, unreadable, rotated by its EXIF orientation, or of
            another size than stated; the message says how many are missing or rotated.
    """
    sizes: dict[str, Size] = {}
    missing, rotated = [], []
    with progress.step("check images", len(regions)) as advance:
        for name, drawn in regions.items():
            path = folder / name
            if path.is_file():
                sizes[name], is_rotated = _read_header(path)
                if is_rotated:
                    rotated.append(name)
                else:
                    _check_size(path, sizes[name], stated.get(name), drawn)
            else:
                missing.append(name)
            advance(1)
    if missing:
        source = next((f" (of {region.source})" for region in regions[missing[0]]), "")
        remedy = "Name their folder with --images"
        what = f"no image {_and_more(missing)}{source}"
        raise DataError(what, file=folder, remedy=remedy)
    if rotated:
        raise DataError(
            f"image rotated by its EXIF orientation: {_and_more(rotated)}",
            file=folder,
            expected="images stored without rotation, so that the pixels of a region are certain",
            remedy="Run mogrify -auto-orient on them and annotate the result",
        )
    return sizes


def _and_more(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]!r}{more}"


def _read_header(path: Path) -> tuple[Size, bool]:
    """Read height and width, and whether the EXIF orientation rotates the image."""
    try:
        with Image.open(path) as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            return (image.height, image.width), orientation not in {0, 1}
    except UnidentifiedImageError:
        expected = "a format Pillow reads, such as JPEG or PNG"
        raise DataError("not an image", file=path, expected=expected) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"image cannot be read: {error}", file=path) from error


def _check_size(path: Path, size: Size, stated: Size | None, regions: Sequence[Region]) -> None:
    claims = [(stated, "the annotations")] if stated else []
    claims += [
        ((region.geometry.height, region.geometry.width), region.source)
        for region in regions
        if isinstance(region.geometry, RunLengths)
    ]
    for claim, source in claims:
        if claim != size:
            raise DataError(
                "image of another size than annotated",
                file=path,
                found=f"{size[1]}×{size[0]}",
                expected=f"{claim[1]}×{claim[0]}, as {source} says",
                remedy="Give the images that were annotated, not resized copies",
            )
