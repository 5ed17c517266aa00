"""Words as masks: where the patches of a photograph are near to a word, in an embedding.

The cosines of a word are not those of another one: each counts in standard deviations above its
mean over all patches of all photographs. A pixel's score is the logistic function of what is above
two of them, bilinearly between the centers of patches; so the score is .5 where it is two.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from ....errors import DataError
from ..embeddings.folder import normalise, open_patches, read_embeddings
from .segments import source_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

DEVIATIONS = 2.0
"""Above its mean, from which a pixel has a word at a threshold of .5."""
_CHUNK = 64
"""Images at a time."""


class PatchLabeller:
    """Embeddings of patches and words as a labeller; the words are the concepts."""

    overlapping, classes = True, 0

    def __init__(self, folder: Path, photographs: Path, category: str) -> None:
        """Read the embeddings.

        Args:
            folder: of the arrays, with patches.npy.
            photographs: folder of the images.
            category: of the concepts.

        Raises:
            DataError: a file is missing or does not fit.
        """
        embeddings = read_embeddings(folder, photographs)
        self._patches = open_patches(folder, embeddings)
        self._texts = embeddings.texts.T
        self._rows = {file: row for row, file in enumerate(embeddings.files)}
        self._folder = folder
        self.category, self.concepts = category, embeddings.words
        self.source = source_name("", embeddings.model)
        self._means, self._deviations, self.digest = self._scan([str(f) for f in self._rows])

    def _scan(self, files: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
        """Return each word's mean and standard deviation over all patches, and a digest of all."""
        digest = hashlib.sha256(json.dumps([files, self.concepts]).encode())
        digest.update(np.ascontiguousarray(self._texts).tobytes())
        total, squares = np.zeros((2, len(self.concepts)))
        count = 0
        for first in range(0, len(self._patches), _CHUNK):
            chunk = self._patches[first : first + _CHUNK]
            digest.update(np.ascontiguousarray(chunk).tobytes())
            cosines = self._cosines(first, chunk).reshape(-1, len(self.concepts))
            total += cosines.sum(axis=0)
            squares += (cosines**2).sum(axis=0)
            count += len(cosines)
        means = total / count
        variances = np.maximum(squares / count - means**2, 0)
        return means, np.sqrt(variances) + 1e-9, digest.hexdigest()

    def _cosines(self, first: int, chunk: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return cosines, float64 (images, height, width, words)."""
        per_image = chunk.shape[1] * chunk.shape[2]
        vectors, bad = normalise(chunk.reshape(-1, chunk.shape[-1]))
        if bad is not None:
            row, kind = bad
            image = list(self._rows)[first + row // per_image].name
            raise DataError(f"a patch of {image!r} {kind}", file=self._folder / "patches.npy")
        cosines: NDArray[np.float64] = vectors @ self._texts
        return cosines.reshape(*chunk.shape[:3], -1)

    def scores(
        self, images: Sequence[Image.Image], side: int, files: Sequence[Path] = ()
    ) -> NDArray[np.float32]:
        """Return the score of each word, float32 (images, words, side, side).

        Raises:
            DataError: a photograph that is not among the embeddings.
        """
        return np.stack([self._scores(file, side) for file in files])

    def _scores(self, file: Path, side: int) -> NDArray[np.float32]:
        row = self._rows.get(file)
        if row is None:
            raise DataError(
                "not among the embeddings",
                file=file,
                expected=f"a photograph of {self._folder / 'images.csv'}",
                remedy="Embed these photographs again",
            )
        cosines = self._cosines(row, self._patches[row : row + 1])[0]
        above = (cosines - self._means) / self._deviations - DEVIATIONS
        maps = torch.from_numpy(above).permute(2, 0, 1)[None].float()
        resized = torch.nn.functional.interpolate(
            maps, (side, side), mode="bilinear", align_corners=False
        )
        scores: NDArray[np.float32] = resized[0].sigmoid().numpy()
        return scores
