"""Models of Hugging Face: semantic segmenters, and segmenters that are told words.

`transformers` is imported here alone, when a model is opened: it comes with the extra
`conceptgraph[annotate]`.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ....errors import ModelError
from ...engine.device import full_float32, out_of_memory_errors
from .segments import ClassChannels, class_channels, model_digest, probabilities, source_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor, nn

_FAMILIES = {
    "beit": "BEiT",
    "clipseg": "CLIPSeg",
    "dpt": "DPT",
    "mobilenet_v2": "MobileNetV2",
    "mobilevit": "MobileViT",
    "segformer": "SegFormer",
    "upernet": "UPerNet",
}
_CROPS = ("do_center_crop", "do_pad")


class HuggingFaceSegmenter:
    """A network for semantic segmentation as a labeller; its classes are the concepts."""

    overlapping = False

    def __init__(self, name: str, category: str, device: torch.device) -> None:
        """Load the network.

        Args:
            name: a folder, or a name of the hub, taken from the cache if it is there.
            category: of the concepts.
            device: to compute on.

        Raises:
            ModelError: transformers is missing, or no segmenter of that name can be loaded.
        """
        model = _load("AutoModelForSemanticSegmentation", name)
        self._processor = _whole_image(_load_processor("AutoImageProcessor", name))
        self._model, self._device = model.to(device).eval(), device
        labels = {int(index): str(label) for index, label in model.config.id2label.items()}
        names = [labels.get(index, f"class {index}") for index in range(max(labels) + 1)]
        self._classes: ClassChannels = class_channels(name, names)
        self.source = _source(model, name)
        self.category, self.concepts = category, self._classes.concepts
        self.classes = len(self._classes.order)
        self.digest = model_digest(model, [names, _settings(self._processor)])

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        """Return probabilities, float32 (images, classes, side, side), those of no concept last."""
        inputs = [
            self._processor(images=image, return_tensors="pt")["pixel_values"] for image in images
        ]
        return probabilities(self._forward, inputs, self._classes, side, self._device)

    def _forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self._model(pixel_values=pixels).logits
        return logits


class WordLabeller:
    """A segmenter with CLIPSeg's interface as a labeller; the words it is told are the concepts."""

    overlapping, classes = True, 0

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        category: str,
        device: torch.device,
        *,
        batch_size: int = 8,
    ) -> None:
        """Load the network.

        Args:
            name: as of `HuggingFaceSegmenter`.
            words: to look for.
            category: of the concepts.
            device: to compute on.
            batch_size: words at a time.

        Raises:
            ModelError: transformers is missing, or no such segmenter can be loaded.
        """
        model = _load("CLIPSegForImageSegmentation", name)
        processor = _load_processor("AutoProcessor", name)
        if getattr(processor, "tokenizer", None) is None:
            raise ModelError("no tokenizer", file=name, expected="a CLIPSeg with its processor")
        self._images = _whole_image(processor.image_processor)
        self._tokens = processor.tokenizer(list(words), padding=True, return_tensors="pt")
        self._model, self._device = model.to(device).eval(), device
        self._batch_size = batch_size
        self.source, self.category, self.concepts = _source(model, name), category, tuple(words)
        tokens = self._tokens["input_ids"].tolist()
        self.digest = model_digest(model, [list(words), tokens, _settings(self._images)])

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        """Return the sigmoid of each word's logits, float32 (images, words, side, side)."""
        return np.stack([self._scores(image, side) for image in images])

    def _scores(self, image: Image.Image, side: int) -> NDArray[np.float32]:
        pixels = self._images(images=image, return_tensors="pt")["pixel_values"].to(self._device)
        maps = []
        with torch.inference_mode(), full_float32(), out_of_memory_errors():
            for first in range(0, len(self.concepts), self._batch_size):
                chunk = slice(first, first + self._batch_size)
                tokens = {name: ids[chunk].to(self._device) for name, ids in self._tokens.items()}
                count = len(tokens["input_ids"])
                logits = self._model(pixel_values=pixels.expand(count, -1, -1, -1), **tokens).logits
                logits = logits.reshape(count, 1, *logits.shape[-2:])
                resized = torch.nn.functional.interpolate(
                    logits.float(), (side, side), mode="bilinear", align_corners=False
                )
                maps.append(resized[:, 0].sigmoid().cpu())
        return torch.cat(maps).numpy()


def _transformers() -> Any:  # noqa: ANN401
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "transformers is not installed", remedy="pip install 'conceptgraph[annotate]'"
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _load(kind: str, name: str) -> Any:  # noqa: ANN401
    """Load a network of that class, all of whose weights are in its file."""
    _check_folder(name)
    try:
        loader = getattr(_transformers(), kind)
        model, info = loader.from_pretrained(name, output_loading_info=True)
    except ModelError:
        raise
    except Exception as error:  # whatever a file or the hub makes transformers raise
        raise _cannot_load(name, error) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"no weights of {len(missing)} tensors, such as {missing[0]}",
            file=name,
            expected="a network trained for segmentation, with its head",
        )
    return model


def _load_processor(kind: str, name: str) -> Any:  # noqa: ANN401
    try:
        return getattr(_transformers(), kind).from_pretrained(name)
    except ModelError:
        raise
    except Exception as error:
        raise _cannot_load(name, error) from error


def _check_folder(name: str) -> None:
    path = Path(name).expanduser()
    if path.is_dir() and not (path / "config.json").is_file():
        raise ModelError("not a model of Hugging Face", file=path, found="no config.json")
    if not path.is_dir() and (path.is_absolute() or name.startswith(".") or name.count("/") > 1):
        raise ModelError("no such folder", file=name)


def _cannot_load(name: str, error: Exception) -> ModelError:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return ModelError(
        "no model that can be used",
        file=name,
        found=f"{type(error).__name__}: {lines[0][:160] if lines else ''}",
        expected="a folder with a model, or a name in Hugging Face's cache or, online, its hub",
    )


def _whole_image(processor: Any) -> Any:  # noqa: ANN401
    """Tell a processor to keep all of an image, so that masks cover it."""
    for setting in _CROPS:
        if getattr(processor, setting, None):
            setattr(processor, setting, False)
    return processor


def _settings(processor: Any) -> str:  # noqa: ANN401
    return json.dumps(processor.to_dict(), sort_keys=True, default=str)


def _source(model: nn.Module, name: str) -> str:
    kind = str(getattr(model.config, "model_type", ""))
    return source_name(_FAMILIES.get(kind, kind), name)
