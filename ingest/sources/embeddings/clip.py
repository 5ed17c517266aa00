"""Networks of open_clip, which embed images and words in one space.

`open_clip` is imported here alone, when a network is opened: it comes with the extra
`conceptgraph[clip]`.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ....errors import ModelError, nearest
from ...engine.device import full_float32, out_of_memory_errors
from ...network.weights import check_finite
from .patches import patch_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image
    from torch import Tensor

_KIND = "open_clip"


class ClipName(NamedTuple):
    """A network as a user names it.

    Attributes:
        name: as open_clip calls it, `RN50`.
        weights: a name of open_clip's weights (`openai`), or a file.
    """

    name: str
    weights: str


class ClipModel:
    """A network of open_clip.

    Attributes:
        source: what it is, as people read it: `open_clip RN50 (openai)`.
        version: of open_clip.
    """

    def __init__(self, name: str, device: torch.device, *, whole: bool = False) -> None:
        """Load the network.

        Args:
            name: `open_clip:NAME`, `open_clip:NAME:WEIGHTS` or `open_clip:NAME:FILE`. Weights come
                from open_clip's cache or are downloaded.
            device: to compute on.
            whole: resize images to the network's input with their aspect ratio ignored, so that all
                of them is seen; else as the network was trained, mostly a crop of the middle.

        Raises:
            ModelError: open_clip is missing, or has no such network or weights.
        """
        open_clip = _import()
        named = read_name(name)
        options: dict[str, Any] = {"image_resize_mode": "squash"} if whole else {}
        with _quiet():
            try:
                self._network, _, self._transform = open_clip.create_model_and_transforms(
                    named.name,
                    pretrained=named.weights,
                    device=device,
                    force_quick_gelu=needs_quick_gelu(named),
                    **options,
                )
                self._tokenizer = open_clip.get_tokenizer(named.name)
            except Exception as error:  # whatever a file or a download makes open_clip raise
                raise _cannot_load(named, error) from error
        check_finite(self._network.state_dict(), named.weights)
        self._network.eval()
        self._device = device
        self.source = f"{_KIND} {named.name} ({Path(named.weights).name})".replace(" and ", " & ")
        self.version = str(open_clip.__version__)

    def prepare(self, image: Image.Image) -> Tensor:
        """Return the network's input, (3, height, width)."""
        pixels: Tensor = self._transform(image)
        return pixels

    def embed_images(self, pixels: Sequence[Tensor]) -> Tensor:
        """Return embeddings of images, float32 (images, dimensions), on CPU."""
        with torch.inference_mode(), full_float32(), out_of_memory_errors():
            vectors: Tensor = self._network.encode_image(torch.stack(list(pixels)).to(self._device))
            return vectors.float().cpu()

    def embed_patches(self, pixels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return embeddings of images and of their patches, on CPU.

        Returns:
            float32 (images, dimensions) and (images, height, width, dimensions).

        Raises:
            ModelError: a network that has no patches in this space.
        """
        with torch.inference_mode(), full_float32(), out_of_memory_errors():
            batch = torch.stack(list(pixels)).to(self._device)
            vectors, patches = patch_embeddings(self._network.visual, batch)
            return vectors.float().cpu(), patches.float().cpu()

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings of texts, float32 (texts, dimensions), on CPU."""
        with torch.inference_mode(), full_float32(), out_of_memory_errors():
            tokens = self._tokenizer(list(texts)).to(self._device)
            vectors: Tensor = self._network.encode_text(tokens)
            return vectors.float().cpu()


def read_name(text: str) -> ClipName:
    """Return the network and the weights that a text names; open_clip's first weights if none.

    Raises:
        ModelError: open_clip is missing, or has no such network or weights.
    """
    open_clip = _import()
    kind, _, rest = text.partition(":")
    name, _, weights = rest.partition(":")
    if kind != _KIND or not name:
        expected = "open_clip:NAME, open_clip:NAME:WEIGHTS or open_clip:NAME:FILE"
        raise ModelError("--model", found=repr(text), expected=expected)
    known = open_clip.list_models()
    if name not in known:
        close = nearest(name, known, alike=0.7)
        remedy = f"{close} (open_clip.list_models() has all)"
        raise ModelError(f"open_clip has no model {name!r}", remedy=remedy)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights and weights not in tags and not Path(weights).is_file():
        what = f"no file {weights!r}, and no such weights of {name} in open_clip"
        expected = f"a file, or one of {', '.join(tags)}" if tags else "a file"
        raise ModelError(what, expected=expected)
    if not weights and not tags:
        remedy = f"Name a file: open_clip:{name}:FILE"
        raise ModelError(f"open_clip has no weights of {name}", remedy=remedy)
    return ClipName(name, weights or tags[0])


def needs_quick_gelu(named: ClipName) -> bool:
    """Return whether weights were trained with QuickGELU, which a name need not say (`RN50`)."""
    facts = _import().get_pretrained_cfg(named.name, named.weights)
    return bool(facts.get("quick_gelu", False))


def _import() -> Any:  # noqa: ANN401
    try:
        return importlib.import_module("open_clip")
    except ImportError as error:
        remedy = "pip install 'conceptgraph[clip]'"
        raise ModelError("open_clip is not installed", remedy=remedy) from error


def _cannot_load(named: ClipName, error: Exception) -> ModelError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    found = f"{type(error).__name__}: {' '.join(lines)[:200]}"
    if Path(named.weights).is_file():
        is_fault = isinstance(error, (RuntimeError, OSError, MemoryError))
        if not is_fault or "weights_only" in str(error):  # torch's advice to run any code in a file
            expected = f"weights of {named.name}"
            return ModelError(
                "not a checkpoint of open_clip", file=named.weights, expected=expected
            )
        return ModelError(f"not the weights of {named.name}", file=named.weights, found=found)
    quick = f"{named.name}-quickgelu"  # with a file, only the name says it
    has_other_name = needs_quick_gelu(named) and quick in _import().list_models()
    name = quick if has_other_name else named.name
    return ModelError(
        f"open_clip cannot load {named.name} with weights {named.weights}",
        found=found,
        remedy=f"Without a connection, name a file: open_clip:{name}:FILE",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Let open_clip log and warn of nothing: what fails is raised, too."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
