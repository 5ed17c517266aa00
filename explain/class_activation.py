"""Where in an image a class is seen: class activation maps, of the best of some images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ..errors import QueryError
from ..queries.labels import class_index
from .explain import predictions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .explanation import Prediction
    from .network import RunNetwork


class ClassMap(NamedTuple):
    """Where in an image the network sees a class.

    Attributes:
        image: the file.
        probability: of the class.
        predicted: what the network says of the image.
        cam: float32 (height, width) of the last block; its mean and the bias are the logit.
    """

    image: Path
    probability: float
    predicted: Prediction
    cam: NDArray[np.float32]


def class_map(subject: RunNetwork, class_name: str, images: Sequence[Path]) -> ClassMap:
    """The class activation map of that image to which the network gives most of the class.

    Raises:
        QueryError: no such class, no images, or none of them can be read.
        ModelError: the network ends in something else than spatial means and `fc`.
    """
    if not images:
        raise QueryError("no image to look at")
    index = class_index(subject.run, class_name)
    names = [str(name) for name in subject.run.classes["name"]]
    found, unread = [], []
    for image, batch in zip(images, subject.read_all(images), strict=True):
        if isinstance(batch, str):
            unread.append(batch)
            continue
        logits, cam = _look(subject, batch, index)
        probability = float(logits.double().softmax(0)[index])
        found.append(ClassMap(image, probability, predictions(names, logits)[0], cam))
    if not found:
        if len(unread) == 1:
            raise QueryError(unread[0])
        raise QueryError(f"none of the {len(images)} images can be read; the first: {unread[0]}")
    return max(found, key=lambda each: each.probability)


def _look(subject: RunNetwork, batch: Tensor, index: int) -> tuple[Tensor, NDArray[np.float32]]:
    """Logits (classes,) of one image, and the map of one of them."""
    logits, maps = subject.look(batch, subject.network.blocks[-1])
    cam = torch.einsum("u,uhw->hw", subject.head.weight[index], maps[0])
    bias = float(subject.head.bias[index])
    subject.check_head(float(cam.mean()) + bias, float(logits[0, index]))
    return logits[0], cam.float().numpy()
