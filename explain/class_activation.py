"""Class activation maps: where in an image the network has evidence for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import QueryError
from ..ingest.network.preprocessing import WHOLE_IMAGE
from ..queries.labels import class_index
from .clips import strip_of
from .decomposition import Downstream, decompose
from .explain import predictions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..ingest.network.preprocessing import SeenBox
    from .explanation import Prediction
    from .network import RunNetwork


class ClassMap(NamedTuple):
    """Where in an image the network has evidence for a class.

    Attributes:
        image: the file.
        probability: of the class.
        predicted: the most probable class.
        seen: the part of the image that the network sees.
        cam: float32 (height, width), on the last block's grid; its mean plus the biases is the
            logit. Of a clip, as a film strip.
        strip: of a clip, what the network is given, uint8 (height, width, 3); None of an image.
    """

    image: Path
    probability: float
    predicted: Prediction
    seen: SeenBox
    cam: NDArray[np.float32]
    strip: NDArray[np.uint8] | None = None


def class_map(network: RunNetwork, class_name: str, images: Sequence[Path]) -> ClassMap:
    """Compute the class activation map of the image with the highest probability of the class.

    Raises:
        QueryError: no such class, no images, or none of them can be read.
        ModelError: the network's logits are not what its head computes.
    """
    if not images:
        raise QueryError("no image to explain")
    index = class_index(network.run, class_name)
    maps, unreadable = [], []
    for image, batch in zip(images, network.load_images(images), strict=True):
        if isinstance(batch, str):
            unreadable.append(batch)
            continue
        logits, cam = _logits_and_map(network, batch, index)
        probability = float(network.probabilities(logits)[index])
        predicted = predictions(network, logits)[0]
        maps.append(ClassMap(image, probability, predicted, WHOLE_IMAGE, cam))
    if not maps:
        if len(unreadable) == 1:
            raise QueryError(unreadable[0])
        raise QueryError(
            f"none of the {len(images)} images can be read; the first: {unreadable[0]}"
        )
    best = max(maps, key=lambda class_map: class_map.probability)
    photograph = network.load_photograph(best.image)
    strip = None if network.frames is None else photograph.pixels
    return best._replace(seen=photograph.seen, strip=strip)


def _logits_and_map(
    network: RunNetwork, batch: Tensor, index: int
) -> tuple[Tensor, NDArray[np.float32]]:
    """Return the logits (classes,) of one image, and the map of one of them."""
    logits, output = network.forward(batch, network.network.blocks[-1])
    downstream = Downstream((), network.head)
    decomposition = decompose(downstream, output, network.direction(index))
    network.check_head(decomposition.total, float(logits[0, index]))
    return logits[0], strip_of(decomposition.class_activation.float().numpy(), network.frames)
