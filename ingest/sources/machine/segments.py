"""What all segmenters share: which classes are concepts, probabilities, names and digests."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ....errors import ModelError
from ...concept_data.labels import plain_name
from ...engine.device import full_float32, out_of_memory_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

UNLABELLED = {
    "", "background", "ignore", "n/a", "none", "nothing", "other", "others", "unknown",
    "unlabeled", "unlabelled", "void",
}  # fmt: skip
"""Names of classes that say that a pixel has no concept."""


class ClassChannels(NamedTuple):
    """Which classes of a segmenter are concepts.

    Attributes:
        concepts: their names.
        order: channels, those of concepts first.
    """

    concepts: tuple[str, ...]
    order: tuple[int, ...]


def class_channels(model: str, names: Sequence[str]) -> ClassChannels:
    """Return which classes are concepts, by name; background and the like are none.

    Raises:
        ModelError: fewer than two classes, one name twice, or no concept.
    """
    plain = [plain_name(name).strip("_") for name in names]
    if len(plain) < 2:
        expected = "two classes or more, of which each pixel has one"
        raise ModelError("segmenter with one class", file=model, expected=expected)
    concepts = [index for index, name in enumerate(plain) if name.casefold() not in UNLABELLED]
    name, times = Counter(plain[index] for index in concepts).most_common(1)[0] if concepts else (
        "", 0
    )  # fmt: skip
    if times > 1:
        raise ModelError(f"class {name!r} is duplicated", file=model, expected="distinct names")
    if not concepts:
        raise ModelError("no class is a concept", file=model, found=", ".join(names[:5]))
    rest = [index for index in range(len(plain)) if index not in concepts]
    return ClassChannels(tuple(plain[index] for index in concepts), (*concepts, *rest))


def probabilities(
    forward: Callable[[Tensor], Tensor],
    inputs: Sequence[Tensor],
    classes: ClassChannels,
    side: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Run a segmenter; up-sample its logits bilinearly and return their softmax.

    Args:
        forward: from a batch to logits (images, classes, height, width).
        inputs: each (1, 3, height, width); those of one size that follow each other are a batch.
        classes: of the channels.
        side: of the result.
        device: of the segmenter.

    Returns:
        float32 (images, classes, side, side), the concepts first.

    Raises:
        ModelError: another number of channels than classes.
    """
    results: list[NDArray[np.float32]] = []
    start = 0
    with torch.inference_mode(), full_float32(), out_of_memory_errors():
        while start < len(inputs):
            end = start + 1
            while end < len(inputs) and inputs[end].shape == inputs[start].shape:
                end += 1
            logits = forward(torch.cat(list(inputs[start:end])).to(device)).float()
            if logits.shape[1] != len(classes.order):
                raise ModelError(
                    "segmenter with another number of classes than names",
                    found=f"{logits.shape[1]} classes, {len(classes.order)} names",
                )
            resized = torch.nn.functional.interpolate(
                logits, (side, side), mode="bilinear", align_corners=False
            )
            shares = resized.softmax(1)[:, list(classes.order)]
            results.append(shares.cpu().numpy())
            start = end
    return np.concatenate(results)


def source_name(family: str, name: str) -> str:
    """Return how a model is called in label.csv: its family, and the last part of its name."""
    last = plain_name(PurePath(name).name) or "model"
    return f"{family} {last}".strip().replace(" and ", " & ")  # `and` joins sources


def model_digest(model: nn.Module, settings: object) -> str:
    """Return the sha256 of a network's weights and of settings, JSON values."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
