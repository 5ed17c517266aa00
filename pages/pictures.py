"""Pictures of pages: class activation maps, activation maps, and strips of thumbnails."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageOps

from ..errors import RunError
from ..ingest.engine.spacing import middles
from ..ingest.output.animation import MOST_FRAMES, animation, animation_name, shown_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..explain.explanation import Explanation
    from ..graph.run.reader import Run
    from ..ingest.network.preprocessing import SeenBox

LARGEST = 640  # pixels of the longer side of an image
SMALL = 200
_LARGEST_THUMBNAIL = 1 << 22  # bytes
FRAME = (20, 20, 20)
MARGIN, SMALLEST_CROP = 0.2, 0.35
"""Around a region in a crop, as a share of its side; the least share of the image's side."""
MANY_PIECES, WIDE, GREYED = 20, 21, 0.6
"""A part of as many pieces and holes is not outlined if they are narrower than some pixels; how
much the rest is faded then, from 0 to 1."""
FOR, AGAINST = (31, 102, 173), (179, 38, 30)  # blue and red, as bars and paths of the pages are
ACTIVE = (214, 120, 0)  # of activation maps, which are evidence neither for nor against


class Picture(NamedTuple):
    """A picture of a page: one that stands still, and of clips one that moves, as `data:` URIs."""

    still: str
    moving: str | None = None


def photograph(path: Path) -> Image.Image:
    """Open an image file, EXIF-transposed, as RGB, no larger than pages show it."""
    from ..ingest.concept_data.images import open_image

    image = open_image(path)
    image.thumbnail((LARGEST, LARGEST))
    return image


def photograph_of(explanation: Explanation) -> Image.Image:
    """Return the photograph that was explained; of a clip, the film strip that the network saw."""
    if "frames" in explanation.shape:
        return Image.fromarray(explanation.picture.pixels)
    return photograph(Path(explanation.image))


def photographs(run: Run, path: Path) -> list[Image.Image]:
    """Return an image that a run's network sees, as `photograph`; of a clip, frames to animate."""
    from ..explain.clips import frames_of_run, load_frames

    frames = frames_of_run(run)
    if frames is None:
        return [photograph(path)]
    loaded = load_frames(run, path, frames)
    return [Image.fromarray(loaded[frame]) for frame in shown_frames(frames)]


def frames_to_animate(image: Image.Image, frames: int) -> list[Image.Image]:
    """Return, of a film strip of so many frames, those that are animated; an image as it is."""
    if frames == 1:
        return [image]
    parts = np.split(np.asarray(image), frames)
    return [Image.fromarray(parts[frame]) for frame in shown_frames(frames)]


def masks_of_frames(mask: NDArray[np.bool_], frames: int) -> list[NDArray[np.bool_]]:
    """Return the parts of a film strip's mask that belong to the frames that are animated."""
    parts = np.split(mask, frames)
    return [parts[frame] for frame in shown_frames(frames)]


def frames_of(explanation: Explanation) -> int:
    """Return how many frames lie one below the other in what was explained; 1 of an image."""
    return explanation.shape.get("frames", 1)


def shrunk(image: Image.Image, side: int, frames: int) -> Image.Image:
    """Return a copy whose frames have so many pixels at most on their longer side."""
    small = image.copy()
    small.thumbnail((side, side * frames))
    return small


def thumbnail(image: Image.Image, frames: int = 1) -> Image.Image:
    """Return a small copy of good contrast, for maps of which a page shows many.

    Args:
        image: an image, or a film strip.
        frames: how many lie one below the other.
    """
    small = shrunk(image, SMALL, frames)
    return ImageOps.autocontrast(small, cutoff=1)


def cam_overlay(image: Image.Image, cam: NDArray[np.float32]) -> Image.Image:
    """Draw a class activation map over its image: blue for evidence for the class, red against.

    Args:
        image: the image, or the part of it that the network saw; resized, if need be.
        cam: float32 (height, width); up-sampled bilinearly, the largest value most opaque.
    """
    resized = Image.fromarray(cam).resize(image.size, Image.Resampling.BILINEAR)
    values = np.asarray(resized) / max(float(np.abs(cam).max()), 1e-12)
    return _painted(image, np.abs(values), np.where(values[..., None] > 0, FOR, AGAINST))


def _painted(
    image: Image.Image, strength: NDArray[np.float32], colour: NDArray[np.int_]
) -> Image.Image:
    """Paint colours over an image made grey; `strength` from 0 to 1 says how much of them."""
    opacity = (0.75 * strength)[..., None]
    grey = np.asarray(ImageOps.grayscale(image).convert("RGB"))
    base = 0.6 * grey + 0.4 * 255  # pale, so that both colours are seen, and no other ones
    mixed = base * (1 - opacity) + colour * opacity
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def heat_overlay(image: Image.Image, activation: NDArray[np.float32]) -> Image.Image:
    """Draw a unit's activation map over its image: orange where it is active.

    Args:
        image: the image.
        activation: float32 (height, width), not negative.
    """
    resized = Image.fromarray(activation).resize(image.size, Image.Resampling.BILINEAR)
    values = np.asarray(resized) / max(float(activation.max()), 1e-12)
    return _painted(image, values.clip(0, 1), np.array(ACTIVE))


def draw_on_seen(
    image: Image.Image, seen: SeenBox, draw: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Return an image with the part that the network sees drawn by `draw`; the rest is pale.

    Args:
        image: a photograph.
        seen: the part that the network sees.
        draw: returns a picture of the size of the one it is given.
    """
    if seen.is_whole:
        return draw(image)
    left, top, right, bottom = _pixels(image, seen)
    grey = ImageOps.grayscale(image).convert("RGB")
    picture = Image.blend(grey, Image.new("RGB", image.size, "white"), 0.7)
    picture.paste(draw(image.crop((left, top, right, bottom))), (left, top))
    ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline=FRAME)
    return picture


def frame_seen(image: Image.Image, seen: SeenBox) -> Image.Image:
    """Return an image with the part that the network sees framed, and the rest pale."""
    return draw_on_seen(image, seen, lambda part: part)


def painted_over(
    image: Image.Image, seen: SeenBox, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> Image.Image:
    """Return a photograph in which a part is painted over, as the network was given it.

    Args:
        image: the photograph.
        seen: the part that the network sees.
        pixels: what the network was given, uint8 (height, width, 3).
        mask: bool (height, width), what of it is painted over; elsewhere the photograph is sharper.
    """
    return draw_on_seen(image, seen, lambda part: _with_pixels(part, pixels, mask))


def paint_photograph(
    image: Image.Image, seen: SeenBox, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> Image.Image:
    """Return a photograph to be shown to the network again, a part of it painted over.

    Arguments are those of `painted_over`. What the network does not see stays as it was.
    """
    left, top, right, bottom = _pixels(image, seen)
    painted = image.copy()
    painted.paste(_with_pixels(image.crop((left, top, right, bottom)), pixels, mask), (left, top))
    return painted


def _with_pixels(
    part: Image.Image, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> Image.Image:
    """Return what the network sees of a photograph, with other pixels where `mask` is."""
    painted = Image.fromarray(pixels).resize(part.size, Image.Resampling.BICUBIC)
    where = Image.fromarray(mask.astype(np.uint8) * 255)
    return Image.composite(painted, part, where.resize(part.size, Image.Resampling.BILINEAR))


def crop_seen(image: Image.Image, seen: SeenBox) -> Image.Image:
    """Return the part of an image that the network sees."""
    return image if seen.is_whole else image.crop(_pixels(image, seen))


def _pixels(image: Image.Image, box: SeenBox) -> tuple[int, int, int, int]:
    return (
        round(box.left * image.width),
        round(box.top * image.height),
        round(box.right * image.width),
        round(box.bottom * image.height),
    )


def cam_png(image: Image.Image, seen: SeenBox, cam: NDArray[np.float32]) -> bytes:
    """Return a class activation map over its image as PNG."""
    buffer = BytesIO()
    picture = draw_on_seen(image, seen, lambda part: cam_overlay(part, cam))
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def outlined(
    image: Image.Image, mask: NDArray[np.bool_], side: int, *, fade: float = 0.0
) -> Image.Image:
    """Outline a part of an image, light within dark, so that it is seen on every background.

    Where it is in many small pieces, or has many holes, lines would hide it: the rest becomes grey
    instead, and pale or dark, whichever the part is not.

    Args:
        image: the image.
        mask: bool (height, width) of any size, over all of it.
        side: pixels of the result's longer side.
        fade: how much paler the rest of the image becomes, from 0 to 1.
    """
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    pixels = np.asarray(image.resize(size, Image.Resampling.LANCZOS)).copy()
    scaled = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) >= 0.5
    contours, _ = cv2.findContours(scaled.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) >= MANY_PIECES and _is_narrow(scaled):
        pixels[~scaled] = _greyed(pixels, scaled)[~scaled]
        return Image.fromarray(pixels)
    if fade:
        rest = pixels[~scaled]
        pixels[~scaled] = (rest + fade * (255.0 - rest)).round().astype(np.uint8)
    for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.drawContours(pixels, contours, -1, colour, width)
    return Image.fromarray(pixels)


def _is_narrow(mask: NDArray[np.bool_]) -> bool:
    """Return whether most of a mask's outline is where the mask, or the rest, is narrow."""
    lines = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    at_wide = _near_wide(mask) & _near_wide(~mask)
    return bool((lines & at_wide).sum() < 0.5 * lines.sum())


def _near_wide(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels are in, or close to, a place where a mask is `WIDE`."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (WIDE, WIDE))
    wide = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc)
    return cv2.dilate(wide, disc) > 0


def _greyed(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an image in grey, dark if the masked part is bright, and pale if it is dark."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    background = 0.0 if grey[mask].mean() > 127 else 255.0
    faded = (grey + GREYED * (background - grey)).round().astype(np.uint8)
    return np.repeat(faded[..., None], 3, axis=2)


def crop_around(
    image: Image.Image, mask: NDArray[np.bool_]
) -> tuple[Image.Image, NDArray[np.bool_]]:
    """Return the part of an image around a mask, and that part of the mask.

    Args:
        image: the image.
        mask: bool (height, width) of any size, over all of it; not empty.
    """
    (top, bottom), (left, right) = (
        _range(mask.any(axis).nonzero()[0], mask.shape[1 - axis]) for axis in (1, 0)
    )
    height, width = mask.shape
    box = (
        round(left / width * image.width),
        round(top / height * image.height),
        max(round(right / width * image.width), round(left / width * image.width) + 1),
        max(round(bottom / height * image.height), round(top / height * image.height) + 1),
    )
    return image.crop(box), mask[top:bottom, left:right]


def _range(places: NDArray[np.int_], length: int) -> tuple[int, int]:
    """Return where a crop begins and ends that holds some places with a margin."""
    first, last = int(places[0]), int(places[-1]) + 1
    margin = max(MARGIN * (last - first), (SMALLEST_CROP * length - (last - first)) / 2)
    return max(0, int(first - margin)), min(length, int(np.ceil(last + margin)))


def jpeg(image: Image.Image) -> bytes:
    """Return an image as a JPEG file."""
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=80, optimize=True)
    return buffer.getvalue()


def data_uri(image: Image.Image) -> str:
    """Return an image as a JPEG inside a `data:` URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(image)).decode()


def drawn(frames: Sequence[Image.Image], *, still: bool) -> bytes:
    """Return an image as a JPEG file; frames of a clip as an animated WebP file, unless `still`."""
    if still or len(frames) == 1:
        return jpeg(frames[len(frames) // 2])
    return animation(frames)


def picture_of(frames: Sequence[Image.Image]) -> Picture:
    """Return an image, or frames of a clip, all of one size, as a picture of a page."""
    return Picture(data_uri(frames[len(frames) // 2]), _moving(frames))


def _moving(frames: Sequence[Image.Image]) -> str | None:
    """Return frames as an animated WebP inside a `data:` URI; None if there is only one."""
    if len(frames) == 1:
        return None
    return "data:image/webp;base64," + base64.b64encode(animation(frames)).decode()


def strip(run: Run, thumbnails: Sequence[str], side: int | None = None) -> Picture | None:
    """Return thumbnails of a run side by side; None without any.

    Args:
        run: that has them.
        thumbnails: their names in the run; they are square, and of one size.
        side: pixels of each, no more than it has; None means as they are.
    """
    if not thumbnails:
        return None
    stills = [_thumbnail(run.file(name), "JPEG")[0] for name in thumbnails]
    files = [run.file(animation_name(name)) for name in thumbnails]
    clips = [
        _thumbnail(file, "WEBP") if file.exists() else [still] * MOST_FRAMES
        for file, still in zip(files, stills, strict=True)
    ]
    still, *moving = (
        side_by_side([shrunk(image, side or image.width, 1) for image in row])
        for row in (stills, *zip(*clips, strict=True))
    )
    return Picture(data_uri(still), _moving(moving) if any(map(Path.exists, files)) else None)


def _thumbnail(path: Path, kind: str) -> list[Image.Image]:
    """Read a thumbnail of a run, or what one that moves shows at `MOST_FRAMES` times.

    Raises:
        RunError: it is none.
    """
    frames, ends = [], [0]
    try:
        if path.stat().st_size > _LARGEST_THUMBNAIL:
            raise RunError("not a thumbnail of a run", file=path, found="a large file")
        with Image.open(path, formats=[kind]) as file:
            if max(file.size) > LARGEST:
                raise RunError("not a thumbnail of a run", file=path, found=f"size {file.size}")
            for frame in range(min(getattr(file, "n_frames", 1), MOST_FRAMES)):
                file.seek(frame)
                frames.append(file.convert("RGB"))
                ends.append(ends[-1] + max(file.info.get("duration", 0), 1))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError("not a thumbnail of a run", file=path, found=error) from error
    times = middles(MOST_FRAMES, ends[-1])  # equal frames were written once, and are shown longer
    return [frames[int(np.searchsorted(ends[1:], time, side="right"))] for time in times]


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """Return images of one size in a row; there is at least one."""
    width, height = images[0].size
    row = Image.new("RGB", (len(images) * (width + 4) - 4, height), "white")
    for number, image in enumerate(images):
        row.paste(image, (number * (width + 4), 0))
    return row
