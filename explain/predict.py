"""What a run's network says of images, to be compared with one's own pipeline."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..errors import QueryError
from ..ingest.engine.device import choose_device, full_float32
from .explain import predictions
from .network import network_of, run_of
from .question import check_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph.run.reader import Run
    from ..ingest.network.preprocessing import SeenBox
    from .explanation import Prediction
    from .network import RunNetwork


class ImagePrediction(NamedTuple):
    """What a network says of an image.

    Attributes:
        image: the file.
        predicted: the most probable classes.
        seen: the part of the image that the network sees.
    """

    image: Path
    predicted: tuple[Prediction, ...]
    seen: SeenBox

    def to_json(self) -> dict[str, object]:
        """Return one JSON object."""
        return {
            "image": str(self.image),
            "predicted": [
                {"class": name, "probability": probability} for name, probability in self.predicted
            ],
            "seen": list(self.seen),
        }


def predict(
    run: Run | RunNetwork,
    images: Sequence[Path | str],
    *,
    top: int = 5,
    device: str = "cpu",
) -> list[ImagePrediction]:
    """Run a run's network on images, preprocessed as the run states.

    Args:
        run: an open run, or its network from `open_network`.
        images: image files.
        top: how many classes to return.
        device: `cpu`, `cuda`, `cuda:1`, …; `auto` takes CUDA where there is one.

    Raises:
        QueryError: there are no images, or no classes are asked for.
        DataError: an image cannot be read.
        ModelError: the network cannot be loaded.
    """
    if not images or top < 1:
        raise QueryError("nothing to predict", expected="an image, and at least one class")
    for image in images:
        check_question(run_of(run), image)
    network, chosen = network_of(run), choose_device(device)
    module = network.module
    if chosen.type != "cpu":
        module = copy.deepcopy(module).to(chosen)
    answers = []
    for image in images:
        photograph = network.load_photograph(image)
        with torch.inference_mode(), full_float32():
            logits = module(photograph.batch.to(chosen))[0].cpu()
        answers.append(
            ImagePrediction(Path(image), predictions(network, logits, top), photograph.seen)
        )
    return answers
