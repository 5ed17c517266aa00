"""Torchvision's networks for semantic segmentation, with its weights or a state dict of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torchvision
from torchvision.transforms import functional

from ....errors import ModelError, nearest
from ...network.class_lists import read_classes
from ...network.state_dicts import tensors_in
from ...network.weights import check_finite, read_file
from .segments import class_channels, model_digest, probabilities, source_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor, nn


class TorchvisionSegmenter:
    """One of torchvision's segmenters as a labeller; its classes are the concepts."""

    overlapping = False

    def __init__(
        self,
        name: str,
        category: str,
        device: torch.device,
        *,
        weights: Path | None = None,
        classes: Path | None = None,
    ) -> None:
        """Load the network.

        Args:
            name: as torchvision calls it, `deeplabv3_resnet50`.
            category: of the concepts.
            device: to compute on.
            weights: a file with a state dict; torchvision's, from its cache or downloaded, if None.
            classes: a file of class names, in order; those of torchvision's weights if None.

        Raises:
            ModelError: no such network, or weights or classes that do not fit.
        """
        known = torchvision.models.list_models(module=torchvision.models.segmentation)
        if name not in known:
            what = f"torchvision has no segmenter {name!r}"
            raise ModelError(what, remedy=nearest(name, known))
        if weights is None:
            state, of_weights, version = _download(name)
        else:
            if classes is None:
                remedy = "Name them with --segmenter-classes FILE"
                raise ModelError("no class names for these weights", file=weights, remedy=remedy)
            state, of_weights, version = _read(weights), (), weights.name
        names = of_weights if classes is None else read_classes(classes)
        self._classes = class_channels(name if classes is None else str(classes), names)
        self._model = _build(name, state, len(names), weights).to(device).eval()
        entry = torchvision.models.get_model_weights(name).DEFAULT
        self._device, self._transform = device, entry.transforms()
        self.source = source_name(name, version)
        self.category, self.concepts = category, self._classes.concepts
        self.classes = len(self._classes.order)
        self.digest = model_digest(self._model, [name, list(names)])

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        """Return probabilities, float32 (images, classes, side, side), those of no concept last."""
        inputs = [self._transform(functional.pil_to_tensor(image))[None] for image in images]
        return probabilities(self._forward, inputs, self._classes, side, self._device)

    def _forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self._model(pixels)["out"]
        return logits


def _download(name: str) -> tuple[dict[str, Tensor], tuple[str, ...], str]:
    entry = torchvision.models.get_model_weights(name).DEFAULT
    try:
        state = entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # no connection, a wrong hash, a damaged cache
        raise ModelError(
            f"torchvision's weights {entry.name} for {name} cannot be downloaded",
            file=entry.url,
            found=f"{type(error).__name__}: {error}",
            remedy="Give a state dict with --segmenter-weights FILE",
        ) from error
    return state, tuple(entry.meta["categories"]), entry.name


def _read(weights: Path) -> dict[str, Tensor]:
    entries = tensors_in(read_file(weights))
    state = {".".join(name.split(".")[len(entry.holder) :]): entry.tensor
             for name, entry in entries.items()}  # fmt: skip
    check_finite(state, weights)
    return state


def _build(name: str, state: dict[str, Tensor], classes: int, weights: Path | None) -> nn.Module:
    has_second_head = any(key.startswith("aux_classifier.") for key in state)
    options = {} if name.startswith("lraspp") else {"aux_loss": has_second_head}
    model: nn.Module = torchvision.models.get_model(
        name, weights=None, weights_backbone=None, num_classes=classes, **options
    )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"not the weights of {name} with {classes} classes",
            file=weights,
            found=" ".join(str(error).split())[:200],
        ) from error
    return model
