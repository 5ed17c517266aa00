"""What checkpoints, configuration files and modules state about a network's input.

Each function reads one form and returns a `StatedInput`; what the form leaves open, or says in a
way that is not understood, is None there. `preprocessing` puts several of them together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args

import numpy as np

from ...errors import ModelError
from ...files import read_whole
from ...graph.run.manifest import Interpolation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

Parsed = TypeVar("Parsed")
Channels = tuple[float, ...]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
WHOLE = 0
"""As `StatedInput.resize`: whole images are resized, ignoring their aspect ratio."""
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
COLORS = "three numbers: red, green, blue, of inputs in [0, 1]; or one, of grey"
_HF_LARGE = 384
"""From this size on Hugging Face's ConvNext processor, which its ResNets use, does not crop."""


class StatedInput(NamedTuple):
    """What one source states about a network's input; None for what it leaves open.

    Attributes:
        source: in words, as "args in net.pth".
        size: height and width, pixels.
        resize: pixels to which the shorter side is resized before a center crop, or `WHOLE`.
        interpolation: one of `INTERPOLATIONS`.
        mean: of each channel, of images in [0, 1].
        std: likewise.
        frames: of a clip.
    """

    source: str
    size: tuple[int, int] | None = None
    resize: int | None = None
    interpolation: Interpolation | None = None
    mean: Channels | None = None
    std: Channels | None = None
    frames: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it states nothing."""
        return all(value is None for value in self[1:])


def of_module(module: nn.Module) -> list[StatedInput]:
    """Return what a module's attributes state; the attributes on its own first.

    Read are `input_size`, `mean`, `std` and `frames`, and timm's `pretrained_cfg` or `default_cfg`.

    Raises:
        ModelError: one of the first four is not what it should be.
    """
    own = StatedInput(
        "attributes of the network",
        size=_attribute(module, "input_size", size_of, "a number of pixels, or height and width"),
        mean=_attribute(module, "mean", channels_of, COLORS),
        std=_attribute(module, "std", channels_of, COLORS),
        frames=_attribute(module, "frames", frames_of, "a number of frames, 1 or more"),
    )
    configs = (
        of_timm(_mapping(getattr(module, name, None)), f"{name} of the network")
        for name in ("pretrained_cfg", "default_cfg")
    )
    return [stated for stated in (own, *configs) if not stated.is_empty]


def of_weights(transforms: object, source: str) -> StatedInput:
    """Return what the transforms of torchvision's weights state."""
    return _of_torchvision(transforms, "crop_size", "resize_size", source)


def of_checkpoint(metadata: Mapping[str, object], source: str) -> list[StatedInput]:
    """Return what a checkpoint states beside its tensors.

    That is timm's `pretrained_cfg`, and the `args` of torchvision's and timm's training scripts.
    """
    stated = []
    if config := _mapping(metadata.get("pretrained_cfg")):
        stated.append(of_timm(config, f"pretrained_cfg in {source}"))
    args = metadata.get("args")
    if hasattr(args, "val_crop_size"):
        words = f"args in {source}"
        stated.append(_of_torchvision(args, "val_crop_size", "val_resize_size", words))
    elif config := _mapping(args):
        stated.append(of_timm(config, f"args in {source}"))
    return [each for each in stated if not each.is_empty]


def of_files_beside(weights: Path) -> list[StatedInput]:
    """Return what `config.json` (timm) and `preprocessor_config.json` (Hugging Face) state."""
    stated = []
    for name in ("preprocessor_config.json", "config.json"):
        config = _read_lenient(weights.with_name(name))
        if name == "config.json":  # of other libraries, it says nothing about images
            timm = _mapping(config.get("pretrained_cfg"))
            stated.append(of_timm(timm, f"{name} beside the weights"))
        else:
            stated.append(of_hugging_face(config, f"{name} beside the weights"))
    return [each for each in stated if not each.is_empty]


def of_timm(config: Mapping[str, object], source: str) -> StatedInput:
    """Return what timm's `pretrained_cfg` states."""
    size = size_of(config.get("input_size")) or size_of(config.get("img_size"))
    share, mode = config.get("crop_pct"), config.get("crop_mode") or "center"
    resize = None
    if isinstance(share, (int, float)) and share > 0 and size is not None:
        if mode == "center":
            resize = int(min(size) / share)
        elif mode == "squash" and share == 1:
            resize = WHOLE
    mean, std = channels_of(config.get("mean")), channels_of(config.get("std"))
    return StatedInput(
        source, size, resize, interpolation_of(config.get("interpolation")), mean, std
    )


def of_hugging_face(config: Mapping[str, object], source: str) -> StatedInput:
    """Return what an image processor's `preprocessor_config.json` states."""
    size, resize = _hugging_face_size(config)
    mean, std = channels_of(config.get("image_mean")), channels_of(config.get("image_std"))
    if config.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return StatedInput(source, size, resize, interpolation_of(config.get("resample")), mean, std)


def _hugging_face_size(
    config: Mapping[str, object],
) -> tuple[tuple[int, int] | None, int | None]:
    """Return size and resize; both None for a processor that does neither in a way known here."""
    given = config.get("size")
    shorter = given.get("shortest_edge") if isinstance(given, Mapping) else given
    shorter = shorter if isinstance(shorter, int) else None
    crop = size_of(config.get("crop_size"))
    if config.get("do_center_crop") and crop is not None:
        if config.get("do_resize") is not False and shorter is not None:
            return crop, shorter
        return crop, None
    if config.get("do_resize") is False:
        return None, None
    if _is_convnext(config) and shorter is not None:
        share = config.get("crop_pct")
        share = share if isinstance(share, float) and share > 0 else 224 / 256
        is_whole = shorter >= _HF_LARGE
        return (shorter, shorter), WHOLE if is_whole else int(shorter / share)
    size = size_of(given)
    return size, None if size is None else WHOLE


def _is_convnext(config: Mapping[str, object]) -> bool:
    kinds = (config.get("image_processor_type"), config.get("feature_extractor_type"))
    return "crop_pct" in config or any("ConvNext" in str(kind) for kind in kinds)


def size_of(value: object) -> tuple[int, int] | None:
    """Return height and width: of a number, (height, width), (3, height, width) or a mapping."""
    if isinstance(value, Mapping):
        value = [value.get("height"), value.get("width")]
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value) if value > 0 else None
    if not isinstance(value, (list, tuple)) or len(value) not in {1, 2, 3}:
        return None
    if not all(isinstance(side, int) and side > 0 for side in value):
        return None
    return value[-2:][0], value[-1]


def frames_of(value: object) -> int | None:
    """Return a number of frames."""
    return value if isinstance(value, int) and value > 0 and value is not True else None


def channels_of(value: object) -> Channels | None:
    """Return one number a channel, of a sequence or a tensor of any shape with three or one."""
    if value is None:
        return None
    try:
        numbers = value.tolist() if hasattr(value, "tolist") else value  # of a tensor, too
        channels = tuple(np.asarray(numbers, np.float64).ravel().tolist())
    except (TypeError, ValueError):
        return None
    return channels if len(channels) in {1, 3} else None


def interpolation_of(value: object) -> Interpolation | None:
    """Return the name of an interpolation: of a name, Pillow's number, or torchvision's enum."""
    if isinstance(value, int) and 0 <= value < len(INTERPOLATIONS):
        return INTERPOLATIONS[value]
    name = str(getattr(value, "value", value)).lower()
    return next((known for known in INTERPOLATIONS if known == name), None)


def _of_torchvision(values: object, crop: str, resize: str, source: str) -> StatedInput:
    """Read torchvision's presets for evaluation, which normalise as ImageNet is if nothing else.

    Those of videos resize to 128 × 171, whatever the aspect ratio is; here it is kept.
    """
    shorter = getattr(values, resize, None)
    shorter = min(shorter) if isinstance(shorter, list) and shorter else shorter
    return StatedInput(
        source,
        size_of(getattr(values, crop, None)),
        shorter if isinstance(shorter, int) else None,
        interpolation_of(getattr(values, "interpolation", None)),
        channels_of(getattr(values, "mean", None)) or IMAGENET_MEAN,
        channels_of(getattr(values, "std", None)) or IMAGENET_STD,
    )


def _attribute(
    module: nn.Module, name: str, parse: Callable[[object], Parsed | None], expected: str
) -> Parsed | None:
    value = getattr(module, name, None)
    parsed = parse(value)
    if parsed is None and value is not None:
        raise ModelError(
            f"the network's attribute {name!r} is invalid",
            found=repr(value)[:80],
            expected=expected,
        )
    return parsed


def _mapping(value: object) -> Mapping[str, object]:
    """Return attributes and items as one mapping; a stand-in of `pickles` may have both."""
    attributes = vars(value) if hasattr(value, "__dict__") else {}
    return {**attributes, **value} if isinstance(value, Mapping) else attributes


def _read_lenient(path: Path) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(read_whole(path)))
    except (OSError, ValueError):
        return {}
