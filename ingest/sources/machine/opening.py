"""Opens the models that a user names: `hf:FOLDER`, `hf:NAME`, `torchvision:NAME`, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....errors import ModelError
from ...concept_data.labels import is_category
from ...engine.device import choose_device
from ..words import read_words
from .colors import ColorLabeller
from .hugging_face import HuggingFaceSegmenter, WordLabeller
from .patches import PatchLabeller
from .torchvision_models import TorchvisionSegmenter

if TYPE_CHECKING:
    from .labeller import Labeller

CATEGORY = "object"
"""Of concepts, unless another one is named."""


class NamedModels(NamedTuple):
    """Models as a user names them.

    Attributes:
        colors: whether the color terms are used.
        segmenter: `hf:FOLDER`, `hf:NAME` or `torchvision:NAME`.
        segmenter_weights: a state dict for torchvision's network.
        segmenter_classes: a file of its class names.
        words: a file of words.
        word_model: `hf:FOLDER` or `hf:NAME`, for words.
        category: of the segmenter's classes.
        word_category: of words; `category` if None.
        embeddings: a folder of embeddings of words, and of the patches of the photographs.
        device: to compute on.
        batch_size: words at a time.
    """

    colors: bool = False
    segmenter: str | None = None
    segmenter_weights: Path | None = None
    segmenter_classes: Path | None = None
    words: Path | None = None
    word_model: str | None = None
    category: str = CATEGORY
    word_category: str | None = None
    embeddings: Path | None = None
    device: str = "auto"
    batch_size: int = 8


def open_labellers(named: NamedModels, photographs: Path) -> list[Labeller]:
    """Open models as labellers.

    Args:
        named: the models.
        photographs: the folder that is labelled.

    Raises:
        ModelError: one that does not exist or does not fit, or options that need another.
        DataError: words or embeddings that cannot be read.
    """
    word_category = named.word_category or named.category
    for category in (named.category, word_category):
        if not is_category(category):
            expected = "a name without / \\ ; ( )"
            raise ModelError("category", found=repr(category), expected=expected)
    if (named.words is None) != (named.word_model is None):
        raise ModelError("--words and --word-model need each other")
    words = None if named.words is None else read_words(named.words)
    device = choose_device(named.device)
    labellers: list[Labeller] = [ColorLabeller()] if named.colors else []
    if named.segmenter is not None:
        kind, name = _split("--segmenter", named.segmenter, ("hf", "torchvision"))
        weights, classes = named.segmenter_weights, named.segmenter_classes
        if kind == "torchvision":
            labellers.append(
                TorchvisionSegmenter(name, named.category, device, weights=weights, classes=classes)
            )
        elif weights or classes:
            raise ModelError("--segmenter-weights and --segmenter-classes are for torchvision:NAME")
        else:
            labellers.append(HuggingFaceSegmenter(name, named.category, device))
    if words is not None and named.word_model is not None:
        _, name = _split("--word-model", named.word_model, ("hf",))
        labellers.append(
            WordLabeller(name, words, word_category, device, batch_size=named.batch_size)
        )
    if named.embeddings is not None:
        labellers.append(PatchLabeller(named.embeddings, photographs, word_category))
    return labellers


def _split(option: str, text: str, kinds: tuple[str, ...]) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    if kind not in kinds or not name:
        expected = " or ".join(f"{kind}:NAME" for kind in kinds)
        remedy = f"Did you mean hf:{text}?" if Path(text).expanduser().is_dir() else None
        raise ModelError(option, found=repr(text), expected=expected, remedy=remedy)
    return kind, name
