"""Published checkpoints by name: Moments in Time and Places365, ResNets of torchvision's make.

A name stands for an architecture, for the versions of its checkpoint, told apart by their number
of classes, and for how the published list of these is written. Both kinds are a dict with
`state_dict`, its keys `module.…` (DataParallel), and are normalised as ImageNet is. Moments in Time
squashes images to 224 × 224, as an ingest does; of Places365's scripts one does, another crops the
centre. Nothing is downloaded. The lists of classes, and the scripts that say all this, lie in
zhoubolei/moments_models and CSAILVision/places365 on GitHub.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACES_LINE = re.compile(r"/[a-z]/(?P<name>\S+) (?P<index>\d+)")


class Version(NamedTuple):
    """File names of a published checkpoint and of the list of its classes."""

    weights: str
    classes: str


class PublishedModel(NamedTuple):
    """A kind of published checkpoint.

    Attributes:
        architecture: torchvision's name.
        versions: by number of classes.
        origin: where the checkpoints are published.
    """

    architecture: str
    versions: dict[int, Version]
    origin: str


_MOMENTS = {
    339: Version("moments_RGB_resnet50_imagenetpretrained.pth.tar", "category_momentsv1.txt"),
    305: Version("moments_v2_RGB_resnet50_imagenetpretrained.pth.tar", "category_momentsv2.txt"),
}

PUBLISHED_MODELS = {
    "moments-resnet50": PublishedModel(
        "resnet50", _MOMENTS, "http://moments.csail.mit.edu/moments_models/"
    ),
    **{
        f"places365-{architecture}": PublishedModel(
            architecture,
            {365: Version(f"{architecture}_places365.pth.tar", "categories_places365.txt")},
            "http://places2.csail.mit.edu/models_places365/",
        )
        for architecture in ("resnet18", "resnet50")
    },
}


def architecture_of(model: str) -> str:
    """Torchvision's name of a named model's architecture; any other name stays."""
    return PUBLISHED_MODELS[model].architecture if model in PUBLISHED_MODELS else model


def check_weights(model: str, weights: str | None) -> None:
    """Refuse a named model without a checkpoint file.

    Raises:
        ModelError: saying which file is meant, and where it is published.
    """
    named = PUBLISHED_MODELS.get(model)
    if named is not None and (weights is None or not Path(weights).is_file()):
        files = " or ".join(version.weights for version in named.versions.values())
        raise ModelError(
            f"{model} needs its checkpoint",
            found=weights or "no --weights",
            expected=f"--weights FILE, published as {files} at {named.origin}",
        )


def check_rows(model: str, rows: int, weights: str | None) -> None:
    """Refuse a checkpoint with another number of classes than a named model's ever had.

    Raises:
        ModelError: naming the numbers.
    """
    named = PUBLISHED_MODELS.get(model)
    if named is not None and rows not in named.versions:
        raise ModelError(
            f"not a checkpoint of {model}",
            file=weights,
            found=f"{rows} classes",
            expected=" or ".join(map(str, named.versions)),
            remedy=f"For your own, say --model {named.architecture}",
        )


def list_beside(model: str, rows: int, weights: str | None) -> Path | None:
    """The published list of class names, if it lies beside a named model's checkpoint."""
    named = PUBLISHED_MODELS.get(model)
    if named is None or weights is None:
        return None
    path = Path(weights).with_name(named.versions[rows].classes)
    return path if path.is_file() else None


def class_names(model: str, lines: Sequence[str], origin: Path) -> tuple[str, ...]:
    """The names in a list as it is published.

    Places365 writes `/a/airfield 0`: the letter is left out, and the numbers are checked.

    Raises:
        ModelError: lines of both forms, or numbers out of order.
    """
    if model not in PUBLISHED_MODELS or not _PLACES_LINE.fullmatch(lines[0]):
        return tuple(lines)
    names = []
    for index, line in enumerate(lines):
        found = _PLACES_LINE.fullmatch(line)
        if found is None or int(found["index"]) != index:
            raise ModelError(
                f"class {index} of a Places365 list",
                file=origin,
                found=repr(line),
                expected=f"/letter/name {index}",
            )
        names.append(found["name"])
    return tuple(names)
