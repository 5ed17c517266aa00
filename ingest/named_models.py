"""Published checkpoints by name: Moments in Time and Places365, ResNets of torchvision's make.

A name stands for an architecture, for the numbers of classes that its checkpoints have, each with
its published list of names, and for how such a list is written. Both kinds are a dict with
`state_dict`, its keys `module.…` (DataParallel), and are normalised as ImageNet is; Moments in Time
squashes images to 224 × 224, as an ingest does. Nothing is downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..graph.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACES_LINE = re.compile(r"/[a-z]/(?P<name>\S+) (?P<index>\d+)")


class NamedModel(NamedTuple):
    """A kind of published checkpoint.

    Attributes:
        architecture: torchvision's name.
        lists: number of classes → file name of the published list of their names.
        weights: file name of the published checkpoint.
        origin: where it is published.
    """

    architecture: str
    lists: dict[int, str]
    weights: str
    origin: str


_MOMENTS = {339: "category_momentsv1.txt", 305: "category_momentsv2.txt"}
_PLACES = {365: "categories_places365.txt"}

NAMED_MODELS = {
    "moments-resnet50": NamedModel(
        "resnet50",
        _MOMENTS,
        "moments_RGB_resnet50_imagenetpretrained.pth.tar",
        "http://moments.csail.mit.edu/moments_models/",
    ),
    **{
        f"places365-{architecture}": NamedModel(
            architecture,
            _PLACES,
            f"{architecture}_places365.pth.tar",
            "http://places2.csail.mit.edu/models_places365/",
        )
        for architecture in ("resnet18", "resnet50")
    },
}


def architecture_of(model: str) -> str:
    """Torchvision's name of a named model's architecture; any other name stays."""
    return NAMED_MODELS[model].architecture if model in NAMED_MODELS else model


def check_weights(model: str, weights: str | None) -> None:
    """Refuse a named model without a checkpoint file.

    Raises:
        ModelError: saying which file is meant, and where it is published.
    """
    named = NAMED_MODELS.get(model)
    if named is not None and (weights is None or not Path(weights).is_file()):
        raise ModelError(
            f"{model} needs its checkpoint",
            found=weights or "no --weights",
            expected=f"--weights FILE, published as {named.weights} at {named.origin}",
        )


def check_rows(model: str, rows: int, weights: str | None) -> None:
    """Refuse a checkpoint with another number of classes than a named model's ever had.

    Raises:
        ModelError: naming the numbers.
    """
    named = NAMED_MODELS.get(model)
    if named is not None and rows not in named.lists:
        raise ModelError(
            f"not a checkpoint of {model}",
            file=weights,
            found=f"{rows} classes",
            expected=" or ".join(map(str, named.lists)),
            remedy=f"For your own, say --model {named.architecture}",
        )


def list_beside(model: str, rows: int, weights: str | None) -> Path | None:
    """The published list of class names, if it lies beside a named model's checkpoint."""
    named = NAMED_MODELS.get(model)
    if named is None or weights is None:
        return None
    path = Path(weights).with_name(named.lists[rows])
    return path if path.is_file() else None


def class_names(model: str, lines: Sequence[str], origin: Path) -> tuple[str, ...]:
    """The names in a list as it is published.

    Places365 writes `/a/airfield 0`: the letter is left out, and the numbers are checked.

    Raises:
        ModelError: lines of both forms, or numbers out of order.
    """
    if model not in NAMED_MODELS or not _PLACES_LINE.fullmatch(lines[0]):
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
