"""Published checkpoints by name: Moments in Time and Places365, which are ResNets.

A name stands for an architecture, and for the versions of its checkpoint, which differ in their
number of classes. Both kinds are a dict with `state_dict`,
with keys `module.…` (DataParallel), and are normalised as ImageNet is. The script of Moments in
Time (test_model.py) resizes images to 224 × 224, aspect ratio ignored. Places365's networks were
validated (train_placesCNN.py) on the center of images whose shorter side is resized to 256; its
demo scripts resize to 224 × 224, or crop from 256 × 256. Nothing is downloaded. The class lists and
these scripts are in zhoubolei/moments_models and CSAILVision/places365 on GitHub.

`native_input` is what the weights of an architecture were made for. Torchvision's preset for videos
resizes frames to 128 × 171 whatever their shape is, and crops the center of 112; here the aspect
ratio is kept, which is the same for frames of 4:3. pytorchvideo's resizes the shorter side to 256.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ModelError
from .stated_input import IMAGENET_MEAN, IMAGENET_STD, WHOLE, StatedInput

if TYPE_CHECKING:
    from ...graph.run.manifest import Interpolation
    from .stated_input import Channels


class Version(NamedTuple):
    """File names of a published checkpoint and of the list of its classes."""

    weights: str
    classes: str


class PublishedModel(NamedTuple):
    """A published checkpoint, in all its versions.

    Attributes:
        architecture: its name in `builders`.
        versions: by number of classes.
        origin: where the checkpoints are published.
        stated: its input.
    """

    architecture: str
    versions: dict[int, Version]
    origin: str
    stated: StatedInput


_COLORS: tuple[Interpolation, Channels, Channels] = ("bilinear", IMAGENET_MEAN, IMAGENET_STD)
_MOMENTS_AT = "http://moments.csail.mit.edu/moments_models/"
_MOMENTS_INPUT = StatedInput("the script of Moments in Time", (224, 224), WHOLE, *_COLORS)
_PLACES_INPUT = StatedInput("the validation of Places365", (224, 224), 256, *_COLORS)
_MOMENTS = {
    339: Version("moments_RGB_resnet50_imagenetpretrained.pth.tar", "category_momentsv1.txt"),
    305: Version("moments_v2_RGB_resnet50_imagenetpretrained.pth.tar", "category_momentsv2.txt"),
}
_MOMENTS_3D = {
    339: Version("moments_RGB_imagenet_resnet3d50_segment16.pth.tar", "category_momentsv1.txt"),
    305: Version("moments_v2_RGB_imagenet_resnet3d50_segment16.pth.tar", "category_momentsv2.txt"),
    292: Version("multi_moments_v2_RGB_imagenet_resnet3d50_segment16.pth.tar",
                 "category_multi_momentsv2.txt"),
}  # fmt: skip
_KINETICS = StatedInput(
    "torchvision's preset for videos (it resizes frames to 128 × 171)",
    (112, 112),
    128,
    "bilinear",
    (0.43216, 0.394666, 0.37645),
    (0.22803, 0.22145, 0.216989),
    frames=16,
)
_NATIVE = {
    **dict.fromkeys(("r3d_18", "mc3_18", "r2plus1d_18"), _KINETICS),
    "resnet3d50": _MOMENTS_INPUT._replace(frames=16),
    "slow_r50": StatedInput(
        "pytorchvideo's preset", (256, 256), 256, "bilinear", (0.45,) * 3, (0.225,) * 3, frames=8
    ),
}
_CHECKPOINTS = {
    "resnet3d50": "one of --model moments-resnet3d50, or your own",
    "slow_r50": "published as SLOW_8x8_R50.pyth at "
    "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/",
}
"""Of architectures without weights of torchvision's."""

PUBLISHED_MODELS = {
    "moments-resnet50": PublishedModel("resnet50", _MOMENTS, _MOMENTS_AT, _MOMENTS_INPUT),
    "moments-resnet3d50": PublishedModel(
        "resnet3d50", _MOMENTS_3D, _MOMENTS_AT, _NATIVE["resnet3d50"]
    ),
    **{
        f"places365-{architecture}": PublishedModel(
            architecture,
            {365: Version(f"{architecture}_places365.pth.tar", "categories_places365.txt")},
            "http://places2.csail.mit.edu/models_places365/",
            _PLACES_INPUT,
        )
        for architecture in ("resnet18", "resnet50")
    },
}


def architecture_of(model: str) -> str:
    """Return torchvision's name of a published model's architecture; any other name as it is."""
    return PUBLISHED_MODELS[model].architecture if model in PUBLISHED_MODELS else model


def native_input(architecture: str) -> StatedInput:
    """Return the input for which the weights of an architecture were made."""
    return _NATIVE.get(architecture, StatedInput("native to torchvision's networks", (224, 224)))


def check_weights(model: str, weights: str | None) -> None:
    """Refuse a published model, or an architecture without weights, without a checkpoint file.

    Raises:
        ModelError: naming the file, and where it is published.
    """
    if weights is None and model in _CHECKPOINTS:
        raise ModelError(
            f"{model} needs its checkpoint",
            found="no --weights",
            expected=f"--weights FILE, {_CHECKPOINTS[model]}; or --weights random",
        )
    published = PUBLISHED_MODELS.get(model)
    if published is not None and (weights is None or not Path(weights).is_file()):
        files = " or ".join(version.weights for version in published.versions.values())
        raise ModelError(
            f"{model} needs its checkpoint",
            found=weights or "no --weights",
            expected=f"--weights FILE, published as {files} at {published.origin}",
        )


def check_rows(model: str, rows: int | None, weights: str | None) -> None:
    """Refuse a checkpoint whose number of classes no version of the published model has.

    Raises:
        ModelError: naming the numbers.
    """
    published = PUBLISHED_MODELS.get(model)
    if published is not None and rows not in published.versions:
        raise ModelError(
            f"not a checkpoint of {model}",
            file=weights,
            found=f"{rows} classes",
            expected=" or ".join(map(str, published.versions)),
            remedy=f"For your own checkpoint use --model {published.architecture}",
        )


def list_beside(model: str, rows: int | None, weights: str | None) -> Path | None:
    """Return the published class list, if it is beside the checkpoint of a published model."""
    published = PUBLISHED_MODELS.get(model)
    if published is None or weights is None or rows is None:
        return None
    path = Path(weights).with_name(published.versions[rows].classes)
    return path if path.is_file() else None
