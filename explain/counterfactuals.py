"""Counterfactuals: what the network says when parts of an image are painted over.

Nothing is estimated: each part is filled in from its surroundings (`inpainting`), and the network
is run on the new image. What the logit loses then is the *measured* effect of the part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .explanation import Prediction
from .inpainting import paint_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from .network import RunNetwork

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """The network's answer to an image in which something is painted over.

    Attributes:
        measured: what the logit explained, or the difference of two, loses.
        answer: the class predicted then, with its probability.
        pixels: the image, uint8 (height, width, 3).
    """

    measured: float
    answer: Prediction
    pixels: Pixels


def painted(
    network: RunNetwork, pixels: Pixels, masks: Sequence[Mask], direction: Tensor
) -> list[Counterfactual]:
    """Paint each of some parts over, by itself, and ask the network.

    Args:
        network: of the run.
        pixels: the image as the network is given it, uint8 (height, width, 3).
        masks: bool (height, width) each.
        direction: (classes,), the weight of each logit in what is explained: 1 for the class, −1
            for the class it is compared with.
    """
    images = [pixels, *(paint_over(pixels, mask) for mask in masks)]
    logits = logits_of(network, images)
    explained = (logits.double() @ direction.double()).tolist()
    names = [str(name) for name in network.run.classes["name"]]
    best = logits.double().softmax(dim=1).max(dim=1)
    answers = map(Prediction, [names[i] for i in best.indices.tolist()], best.values.tolist())
    return [
        Counterfactual(explained[0] - value, answer, image)
        for value, answer, image in zip(explained, answers, images, strict=True)
    ][1:]


def fewest_that_change(
    network: RunNetwork, pixels: Pixels, masks: Sequence[Mask], direction: Tensor
) -> tuple[tuple[int, ...], Counterfactual] | None:
    """Search few parts that, painted over together, change the network's answer.

    Parts are added in the order given until the answer changes, then each is left out again where
    the answer changes without it. That no smaller set exists is not shown.

    Returns:
        Numbers of the parts, and what the network says without them; None if it never changes.
    """
    predicted = int(logits_of(network, [pixels]).argmax())
    names = network.run.classes["name"]
    chosen = list(range(len(masks)))
    unions = [np.logical_or.reduce(masks[: count + 1]) for count in chosen]
    for count, result in enumerate(painted(network, pixels, unions, direction), start=1):
        if result.answer.name != names.iloc[predicted]:
            return _without_unnecessary(network, pixels, masks, direction, chosen[:count], result)
    return None


def _without_unnecessary(
    network: RunNetwork,
    pixels: Pixels,
    masks: Sequence[Mask],
    direction: Tensor,
    chosen: list[int],
    result: Counterfactual,
) -> tuple[tuple[int, ...], Counterfactual]:
    before = str(network.run.classes["name"].iloc[int(logits_of(network, [pixels]).argmax())])
    for number in chosen[:-1]:
        fewer = [other for other in chosen if other != number]
        union = np.logical_or.reduce([masks[other] for other in fewer])
        (without,) = painted(network, pixels, [union], direction)
        if without.answer.name != before:
            chosen, result = fewer, without
    return tuple(chosen), result


def logits_of(network: RunNetwork, images: Sequence[Pixels]) -> Tensor:
    """Run the network on images as it is given them, uint8 (height, width, 3).

    Returns:
        Logits (images, classes).
    """
    batches = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
    with torch.no_grad():
        return torch.cat([network.module(network.as_input(np.stack(b))) for b in batches])
