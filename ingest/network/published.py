"""Published checkpoints by name: Moments in Time and Places365, which are torchvision's ResNets.

A name stands for an architecture, and for the versions of its checkpoint, which differ in their
number of classes. Both kinds are a dict with `state_dict`,
with keys `module.…` (DataParallel), and are normalised as ImageNet is. The script of Moments in
Time (test_model.py) resizes images to 224 × 224, aspect ratio ignored. Places365's networks were
validated (train_placesCNN.py) on the center of images whose shorter side is resized to 256; its
demo scripts resize to 224 × 224, or crop from 256 × 256. Nothing is downloaded. The class lists and
these scripts are in zhoubolei/moments_models and CSAILVision/places365 on GitHub.
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
        architecture: torchvision's name.
        versions: by number of classes.
        origin: where the checkpoints are published.
        stated: its input.
    """

    architecture: str
    versions: dict[int, Version]
    origin: str
    stated: StatedInput


_COLORS: tuple[Interpolation, Channels, Channels] = ("bilinear", IMAGENET_MEAN, IMAGENET_STD)
_MOMENTS_INPUT = StatedInput("the script of Moments in Time", (224, 224), WHOLE, *_COLORS)
_PLACES_INPUT = StatedInput("the validation of Places365", (224, 224), 256, *_COLORS)
_MOMENTS = {
    339: Version("moments_RGB_resnet50_imagenetpretrained.pth.tar", "category_momentsv1.txt"),
    305: Version("moments_v2_RGB_resnet50_imagenetpretrained.pth.tar", "category_momentsv2.txt"),
}

PUBLISHED_MODELS = {
    "moments-resnet50": PublishedModel(
        "resnet50", _MOMENTS, "http://moments.csail.mit.edu/moments_models/", _MOMENTS_INPUT
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


def check_weights(model: str, weights: str | None) -> None:
    """Refuse a published model without a checkpoint file.

    Raises:
        ModelError: naming the file, and where it is published.
    """
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
