"""What a network is given: the size of its input, and how a photograph becomes one.

The decision that is explained must be the network's own, so its input is what the network was made
for, never what the concept images happen to be. From the first to the last that counts:

1. `--image-size` and `--preprocess`
2. a normaliser in the checkpoint, which states mean and std alone
3. the configuration in the checkpoint, then in a file beside it; torchvision's for its weights
4. a published model's own; the size that torchvision's ResNets were trained with
5. attributes of the module that a factory makes
6. the defaults of `InputSpec`

A photograph is resized whole, ignoring its aspect ratio, or its shorter side is resized and the
center cropped. Concept images are always resized whole, so that masks keep covering what they
label.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ...errors import ModelError, nearest
from ...files import read_whole
from .stated_input import (
    COLORS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    INTERPOLATIONS,
    WHOLE,
    StatedInput,
    channels_of,
    interpolation_of,
    of_hugging_face,
    of_timm,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ...graph.run.manifest import InputShape, Interpolation
    from ...settings import Settings
    from .stated_input import Channels, Parsed

# NetDissect's input: (RGB − its mean of Broden) / 57.12, for values from 0 to 255.
NETDISSECT_MEAN = (124.6901 / 255, 118.6897 / 255, 109.5388 / 255)
NETDISSECT_STD = (57.12 / 255, 57.12 / 255, 57.12 / 255)
ASSUMED = "assumed, as nothing states it"
_EXPECTED = {
    "input_size": "a number of pixels, or height and width",
    "resize": "pixels of the shorter side before a center crop, or null for whole images",
    "interpolation": " or ".join(INTERPOLATIONS),
    "mean": COLORS,
    "std": COLORS,
}
"""The keys of a file for --preprocess, in our own form."""


class InputSpec(NamedTuple):
    """What a network takes: images in [0, 1], normalised channel by channel.

    Attributes:
        channels: of an image: 3, or 1 for grey.
        height: pixels.
        width: likewise.
        mean: of each channel.
        std: likewise.
        resize: pixels to which a photograph's shorter side is resized before a center crop; None
            for whole photographs, resized without regard to their aspect ratio.
        interpolation: one of `INTERPOLATIONS`.
        size_from: where the size is stated, in words.
        resize_from: likewise.
        colors_from: likewise, of mean and std.
        frames: of a clip; None for a network of images.
    """

    channels: int = 3
    height: int = 224
    width: int = 224
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    resize: int | None = None
    interpolation: Interpolation = "bilinear"
    size_from: str = ASSUMED
    resize_from: str = ASSUMED
    colors_from: str = f"ImageNet's, {ASSUMED}"
    frames: int | None = None

    @classmethod
    def of_images(cls, channels: int) -> InputSpec:
        """Return the defaults, for images of so many channels."""
        mean, std = (_for_channels(values, channels) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return cls(channels, mean=mean, std=std)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, (channels, height, width); of a clip, (channels, frames, …)."""
        frames = () if self.frames is None else (self.frames,)
        return self.channels, *frames, self.height, self.width

    @property
    def source(self) -> str:
        """Where size, resizing, and mean and std are stated, in words."""
        parts = (self.size_from, self.resize_from, self.colors_from)
        if len(set(parts)) == 1:
            return parts[0]
        names = ("size", "resizing", "mean and std")
        return "; ".join(f"{name}: {part}" for name, part in zip(names, parts, strict=True))

    def overridden(self, stated: StatedInput) -> InputSpec:
        """Return this input with all that `stated` states.

        Where only the size changes, the shorter side before a crop changes with it, so that the
        crop keeps its share of the photograph.

        Raises:
            ModelError: the crop is larger than what it is cropped from.
        """
        spec = self
        if stated.size is not None:
            height, width = stated.size
            resize = spec.resize and round(spec.resize * min(stated.size) / min(spec[1:3]))
            spec = spec._replace(height=height, width=width, resize=resize, size_from=stated.source)
        if stated.resize is not None:
            spec = spec._replace(resize=stated.resize or None, resize_from=stated.source)
        spec = spec._replace(
            interpolation=stated.interpolation or spec.interpolation,
            frames=spec.frames and (stated.frames or spec.frames),
        )
        if stated.mean is not None or stated.std is not None:
            mean, std = (
                _for_channels(values, spec.channels)
                for values in (stated.mean or spec.mean, stated.std or spec.std)
            )
            spec = spec._replace(mean=mean, std=std, colors_from=stated.source)
        if spec.resize is not None and spec.resize < max(spec.height, spec.width):
            raise ModelError(
                f"the input that {stated.source} states crops more than there is",
                found=f"the shorter side resized to {spec.resize}",
                expected=f"at least {max(spec.height, spec.width)}",
            )
        return spec

    @property
    def shape(self) -> InputShape:
        """What a manifest states of it."""
        shape: InputShape = {
            "height": self.height,
            "width": self.width,
            "mean": list(self.mean),
            "std": list(self.std),
            "resize": self.resize,
            "interpolation": self.interpolation,
            "source": self.source,
        }
        if self.frames is not None:
            shape["frames"] = self.frames
        return shape


def _for_channels(values: Channels, channels: int) -> Channels:
    """Return one number a channel: one for all of them is repeated, those of colors are averaged.

    The average of colors is what timm's networks of one channel expect, whose first convolution is
    the sum over the colors.
    """
    if len(values) == channels:
        return values
    return (sum(values) / len(values),) * channels


class SeenBox(NamedTuple):
    """A part of an image: its sides, as shares of the image's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def share(self) -> float:
        """Its share of the image's area."""
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def is_whole(self) -> bool:
        """Whether nothing but a rounding error is left out."""
        return self.share > 0.9995


WHOLE_IMAGE = SeenBox(0.0, 0.0, 1.0, 1.0)

_NAMED = {
    "resize": StatedInput("--preprocess resize", resize=WHOLE),
    "imagenet": StatedInput(
        "--preprocess imagenet", (224, 224), 256, "bilinear", IMAGENET_MEAN, IMAGENET_STD
    ),
    "netdissect": StatedInput(
        "--preprocess netdissect", None, WHOLE, "bilinear", NETDISSECT_MEAN, NETDISSECT_STD
    ),
}
"""The preprocessings of `settings.PREPROCESSINGS`, but for `model`, which states nothing."""


def chosen_input(spec: InputSpec, settings: Settings) -> InputSpec:
    """Return a network's input with what the settings choose, which counts more.

    Raises:
        ModelError: the file of `settings.preprocess` is not understood.
    """
    if settings.preprocess in _NAMED:
        spec = spec.overridden(_NAMED[settings.preprocess])
    elif settings.preprocess != "model":
        spec = spec.overridden(read_preprocessing(Path(settings.preprocess)))
    if settings.image_size is not None:
        side = settings.image_size
        spec = spec.overridden(StatedInput("--image-size", (side, side)))
    return spec


def read_preprocessing(path: Path) -> StatedInput:
    """Read a file for --preprocess: our own form, timm's or Hugging Face's.

    Raises:
        ModelError: no such file, no JSON object, unknown keys or values.
    """
    expected = f"a JSON object with some of {', '.join(_EXPECTED)}; or timm's, or Hugging Face's"
    try:
        config = json.loads(read_whole(path))
    except (OSError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError(
            "cannot be read as a preprocessing", file=path, found=found, expected=expected
        ) from error
    if not isinstance(config, dict) or not config:
        raise ModelError("states no preprocessing", file=path, expected=expected)
    if "crop_pct" in config.get("pretrained_cfg", config) and "size" not in config:
        return of_timm(config.get("pretrained_cfg", config), path.name)
    if "image_mean" in config or "do_resize" in config:
        return of_hugging_face(config, path.name)
    return _own_form(config, path)


def _own_form(config: Mapping[str, object], path: Path) -> StatedInput:
    if unknown := [key for key in config if key not in _EXPECTED]:
        remedy = nearest(unknown[0], tuple(_EXPECTED))
        raise ModelError(f"unknown key {unknown[0]!r}", file=path, remedy=remedy)

    def value(key: str, parse: Callable[[object], Parsed | None]) -> Parsed | None:
        if key not in config:
            return None
        parsed = parse(config[key])
        if parsed is None:
            found = json.dumps(config[key])[:80]
            raise ModelError(f"{key} is invalid", file=path, found=found, expected=_EXPECTED[key])
        return parsed

    return StatedInput(
        path.name,
        value("input_size", size_of),
        value("resize", _resize_of),
        value("interpolation", interpolation_of),
        value("mean", channels_of),
        value("std", channels_of),
    )


def _resize_of(value: object) -> int | None:
    if value is None:
        return WHOLE
    return value if isinstance(value, int) and value > 0 else None


def image_shape(shape: InputShape) -> tuple[int, ...]:
    """Return the shape of one input, as `InputSpec.image_shape`."""
    frames = (shape["frames"],) if "frames" in shape else ()
    return len(shape["mean"]), *frames, shape["height"], shape["width"]


def seen_box(size: tuple[int, int], shape: InputShape) -> SeenBox:
    """Return the part of a photograph that the network sees; all of a clip's film strip.

    Each frame is cropped by itself, so pages show strips of what the network is given.

    Args:
        size: width and height of the photograph, upright.
        shape: the network's input.
    """
    if shape["resize"] is None or "frames" in shape:
        return WHOLE_IMAGE
    width, height = _resized(size, shape["resize"])
    left, top = _corner((width, height), shape)
    return SeenBox(
        left / width,
        top / height,
        (left + shape["width"]) / width,
        (top + shape["height"]) / height,
    )


def to_input(image: Image.Image, shape: InputShape) -> NDArray[np.uint8]:
    """Resize and crop a photograph, as torchvision does; uint8 (height, width, 3)."""
    filter_ = Image.Resampling(INTERPOLATIONS.index(shape["interpolation"]))
    size = shape["width"], shape["height"]
    if shape["resize"] is not None:
        resized = _resized(image.size, shape["resize"])
        image = image if image.size == resized else image.resize(resized, filter_)
        left, top = _corner(resized, shape)
        return np.asarray(image.crop((left, top, left + size[0], top + size[1])))
    return np.asarray(image if image.size == size else image.resize(size, filter_))


def _resized(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Return width and height with the shorter side resized; torchvision rounds down, too."""
    width, height = size
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _corner(size: tuple[int, int], shape: InputShape) -> tuple[int, int]:
    """Return left and top of a center crop, rounded as torchvision does."""
    return round((size[0] - shape["width"]) / 2), round((size[1] - shape["height"]) / 2)


def input_text(shape: InputShape) -> str:
    """Return size and preprocessing in words."""
    grey = " in grey" if len(shape["mean"]) == 1 else ""
    size, what = f"{shape['width']} × {shape['height']} pixels{grey}", "photographs"
    if "frames" in shape:
        size, what = f"{shape['frames']} frames of {size}", "frames"
    if shape["resize"] is None:
        return f"{size}, whole {what} resized (aspect ratio ignored, {shape['interpolation']})"
    return (
        f"{size}, the center of {what} whose shorter side is resized to {shape['resize']} "
        f"({shape['interpolation']})"
    )


def input_lines(shape: InputShape) -> list[str]:
    """Return size and preprocessing, where they are stated, and what to do if nothing states it."""
    lines = [f"input: {input_text(shape)}", f"source: {shape['source']}"]
    if f"resizing: {ASSUMED}" in shape["source"] or shape["source"] == ASSUMED:
        lines.append(
            "note: nothing states how photographs are resized. Compare `conceptgraph predict` with "
            "your own pipeline; --preprocess FILE states input_size, resize, mean and std, "
            "--preprocess imagenet is the center of 224"
        )
    return lines


def unseen_text(box: SeenBox) -> str:
    """Return what the network does not see of a photograph, in words; "" if it sees all."""
    if box.is_whole:
        return ""
    return (
        f"The network sees the center of the photograph, {box.share:.0%} of it; what is outside "
        "the crop is unseen."
    )
