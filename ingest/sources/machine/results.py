"""Scores of images on disk, so that labelling that was interrupted resumes.

Beside the data set lies a folder with a file for each image and labeller, named by the sha256 of
both. A batch is computed again as a whole unless all of its files are there: the images of a batch
are computed together, and their scores differ a little with the batch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataError
from ....files import atomic_file
from .labeller import DIGEST_DIGITS, ImageScores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .labeller import Labeller


class KeptScores:
    """The scores of images, on disk until the data set is complete."""

    def __init__(self, out: Path, settings: Sequence[object], *, resume: bool) -> None:
        """Prepare.

        Args:
            out: the data set.
            settings: what decides scores beside labeller and image, JSON values.
            resume: keep what an earlier run left; else it is deleted.
        """
        self._folder = out.with_name(f".{out.name}.scores")
        self._settings = list(settings)
        if not resume:
            self.delete()

    def path(self, image: str, labeller: Labeller, kept: Sequence[int]) -> Path:
        """Return the file of an image, by its sha256, and of a labeller that keeps some maps."""
        facts = json.dumps([labeller.digest, *self._settings, list(kept)])
        key = hashlib.sha256(facts.encode()).hexdigest()[:DIGEST_DIGITS]
        return self._folder / f"{image}-{key}.npz"

    def write(self, path: Path, scores: ImageScores) -> None:
        """Write the scores of an image.

        Raises:
            DataError: they cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as partial, partial.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **scores._asdict())
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", file=path) from error

    def read(self, path: Path) -> ImageScores:
        """Read the scores of an image.

        Raises:
            DataError: a damaged file.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return ImageScores(**{name: arrays[name] for name in ImageScores._fields})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError("damaged", file=path, remedy="Start again without --resume") from error

    def delete(self) -> None:
        """Delete all."""
        shutil.rmtree(self._folder, ignore_errors=True)
