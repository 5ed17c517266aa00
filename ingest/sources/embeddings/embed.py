"""Photographs and words → a folder of their embeddings.

1. Find the photographs, and open the network.
2. Embed the photographs, batch by batch; one that cannot be read is left out, in dropped.csv.
3. Embed each word within a prompt, and write the folder, whole or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ....errors import DataError
from ....files import output_folder
from ....progress import NoProgress
from ...concept_data.images import IMAGE_SUFFIXES, has_image_suffix, open_image
from ...engine.workers import default_workers, prefetch
from ..annotations.folders import list_files
from . import PROMPT
from .folder import write_csv, write_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ....progress import Progress
    from .clip import ClipModel


class DroppedImage(NamedTuple):
    """A row of dropped.csv."""

    image: str
    reason: str


class EmbedReport(NamedTuple):
    """What was written.

    Attributes:
        folder: of the arrays.
        model: which made them, in words.
        images: embedded.
        words: embedded.
        dimensions: of the vectors.
        patches: height and width of the patches of an image; None without.
        dropped: images that cannot be read.
    """

    folder: Path
    model: str
    images: int
    words: int
    dimensions: int
    patches: tuple[int, int] | None
    dropped: tuple[DroppedImage, ...]


def embed(
    photographs: Path,
    words: Sequence[str],
    model: ClipModel,
    out: Path,
    *,
    prompt: str = PROMPT,
    patches: bool = False,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> EmbedReport:
    """Embed photographs and words, into a folder as `read_embeddings` reads it.

    Args:
        photographs: a folder, with its subfolders.
        words: all different.
        model: that embeds them; one with `whole` for patches.
        out: the folder to write, which does not exist.
        prompt: with `{}` in place of the word.
        patches: also embed the patches of each photograph.
        batch_size: photographs, or texts, at a time.
        progress: told of the photographs.

    Raises:
        DataError: no photograph, or none that can be read, or a prompt without a place for a word.
        ModelError: patches of a network that has none.
        ConceptGraphError: the folder exists or cannot be written.
    """
    if "{}" not in prompt:
        raise DataError("prompt without a word", found=repr(prompt), expected="{} for the word")
    files = [file for file in list_files(photographs) if has_image_suffix(file)]
    if not files:
        expected = "images *" + ", *".join(IMAGE_SUFFIXES)
        raise DataError("no photographs", file=photographs, expected=expected)
    reading = _Reading(photographs, files, model, progress or NoProgress())
    with output_folder(out) as partial:
        images, grid = _embed_images(reading, model, batch_size, patches=patches)
        texts = [prompt.replace("{}", word) for word in words]
        chunks = [texts[i : i + batch_size] for i in range(0, len(texts), batch_size)]
        vectors = torch.cat([model.embed_texts(chunk) for chunk in chunks]).numpy()
        meta = {
            "model": model.source,
            "version": f"open_clip {model.version}",
            "prompt": prompt,
            "images": str(photographs.resolve()),
        }
        write_embeddings(partial, images, reading.read, vectors, words, meta, patches=grid)
        write_csv(partial / "dropped.csv", DroppedImage._fields, reading.dropped)
    return EmbedReport(
        out,
        model.source,
        len(images),
        len(words),
        images.shape[1],
        None if grid is None else (grid.shape[1], grid.shape[2]),
        tuple(reading.dropped),
    )


def _embed_images(
    reading: _Reading, model: ClipModel, batch_size: int, *, patches: bool
) -> tuple[NDArray[np.float32], NDArray[np.float16] | None]:
    """Embed photographs, and their patches if asked for; half as many bytes each for these."""
    vectors: list[NDArray[np.float32]] = []
    grids: list[NDArray[np.float16]] = []
    for batch in reading.batches(batch_size):
        if patches:
            images, of_patches = model.embed_patches(batch)
            grids.append(of_patches.numpy().astype(np.float16))
        else:
            images = model.embed_images(batch)
        vectors.append(images.numpy())
    if not vectors:
        raise DataError("no image can be read", found=": ".join(reading.dropped[0]))
    return np.concatenate(vectors), np.concatenate(grids) if patches else None


class _Reading:
    """Photographs as inputs of a network, in batches.

    Attributes:
        read: the files that could be read, once all batches are through.
        dropped: the others.
    """

    def __init__(
        self, folder: Path, files: Sequence[str], model: ClipModel, progress: Progress
    ) -> None:
        self._folder, self._files, self._model, self._progress = folder, files, model, progress
        self.read: list[str] = []
        self.dropped: list[DroppedImage] = []

    def batches(self, size: int) -> Iterator[list[Tensor]]:
        """Yield inputs, some at a time."""
        waiting: list[Tensor] = []
        inputs = prefetch(self._open, self._files, default_workers(), ahead=2 * size)
        with self._progress.step("embed", len(self._files)) as advance:
            for file, pixels in zip(self._files, inputs, strict=True):
                if isinstance(pixels, str):
                    self.dropped.append(DroppedImage(file, pixels))
                else:
                    self.read.append(file)
                    waiting.append(pixels)
                if len(waiting) == size:
                    yield waiting
                    waiting = []
                advance(1)
            if waiting:
                yield waiting

    def _open(self, file: str) -> Tensor | str:
        """Return the input, or why there is none."""
        path = self._folder / file
        try:
            return self._model.prepare(open_image(path))
        except DataError as error:
            return str(error).removeprefix(f"{path}: ")
