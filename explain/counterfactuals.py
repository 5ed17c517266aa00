"""Counterfactuals: what the network says with parts of an image painted over, or without motion.

Nothing is estimated: each part is filled in from its surroundings (`inpainting`), and the network
is run on the new image. What the logit loses then is the *measured* effect of the part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from .explanation import FROZEN, REVERSED, Prediction
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
    """The network's answer to an image in which something is painted over, or to a changed clip.

    Attributes:
        measured: what the logit explained, or the difference of two, loses.
        answer: the class predicted then, with its probability.
        pixels: the image, uint8 (height, width, 3).
    """

    measured: float
    answer: Prediction
    pixels: Pixels


class OriginalImage(NamedTuple):
    """An image as it is, and what is explained of it.

    Attributes:
        pixels: as the network is given it, uint8 (height, width, 3).
        logits: of the image, (classes,).
        direction: (classes,), the weight of each logit in what is explained: 1 for the class, −1
            for the class it is compared with.
    """

    pixels: Pixels
    logits: Tensor
    direction: Tensor

    def explained(self, logits: Tensor) -> Tensor:
        """Return what is explained, the logit or the difference, of logits (…, classes)."""
        return logits.double() @ self.direction.double()


def painted(
    network: RunNetwork, original: OriginalImage, masks: Sequence[Mask]
) -> list[Counterfactual]:
    """Paint each of some parts over, by itself, and ask the network.

    Args:
        network: of the run.
        original: the image.
        masks: bool (height, width) each.
    """
    if not masks:
        return []
    return _asked(
        network, original, [paint_over(original.pixels, mask, network.frames) for mask in masks]
    )


def without_motion(network: RunNetwork, original: OriginalImage) -> dict[str, Counterfactual]:
    """Take the motion out of a clip, and ask the network.

    Args:
        network: of the run.
        original: the clip, as its film strip.

    Returns:
        `FROZEN`: each frame is the middle one; `REVERSED`: the last frame comes first. Nothing for
        an image, or a clip of equal frames.
    """
    if network.frames is None:
        return {}
    frames = np.split(original.pixels, network.frames)
    if all(np.array_equal(frame, frames[0]) for frame in frames):
        return {}
    middle = frames[network.frames // 2]
    versions = {FROZEN: [middle] * network.frames, REVERSED: frames[::-1]}
    answers = _asked(network, original, [np.concatenate(each) for each in versions.values()])
    return dict(zip(versions, answers, strict=True))


def _asked(
    network: RunNetwork, original: OriginalImage, images: Sequence[Pixels]
) -> list[Counterfactual]:
    """Ask the network about changed images."""
    logits = logits_of(network, images)
    losses = (original.explained(original.logits) - original.explained(logits)).tolist()
    names = network.class_names
    best = network.probabilities(logits).max(dim=1)
    answers = map(Prediction, [names[i] for i in best.indices.tolist()], best.values.tolist())
    return [Counterfactual(*parts) for parts in zip(losses, answers, images, strict=True)]


def fewest_that_change(
    network: RunNetwork,
    original: OriginalImage,
    masks: Sequence[Mask],
    single: Sequence[Counterfactual],
) -> tuple[tuple[int, ...], Counterfactual] | None:
    """Search few parts that, painted over together, change the network's answer.

    Parts are added in the order given until the answer changes, then each is left out again where
    the answer changes without it. That no smaller set exists is not shown.

    Args:
        network: of the run.
        original: the image.
        masks: of the parts, bool (height, width) each.
        single: what the network says without each of them alone, from `painted`.

    Returns:
        Numbers of the parts, and what the network says without them; None if it never changes.
    """
    predicted = str(network.run.classes["name"].iloc[int(original.logits.argmax())])

    def without(numbers: Sequence[int]) -> Counterfactual:
        if len(numbers) == 1:
            return single[numbers[0]]
        (result,) = painted(network, original, [np.logical_or.reduce([masks[i] for i in numbers])])
        return result

    for count in range(1, len(masks) + 1):
        chosen, result = list(range(count)), without(range(count))
        if result.answer.name != predicted:
            break
    else:
        return None
    for number in chosen[:-1]:
        fewer = [other for other in chosen if other != number]
        if (smaller := without(fewer)).answer.name != predicted:
            chosen, result = fewer, smaller
    return tuple(chosen), result


def logits_of(network: RunNetwork, images: Sequence[Pixels]) -> Tensor:
    """Run the network on images as it is given them, uint8 (height, width, 3).

    Returns:
        Logits (images, classes).
    """
    batches = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
    with torch.no_grad():
        return torch.cat([network.module(network.as_input(np.stack(b))) for b in batches])
