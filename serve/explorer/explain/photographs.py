"""The photographs that can be explained: those that were dropped on a page, and those of the run.

A photograph that was dropped is kept in the user's data folder, so that a link to it still works
tomorrow; its key is a digest of its content. `data/street/17.jpg` is the key of an image of the
run's concept data. A key is only ever looked up; none is a path.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from ....errors import DataError, QueryError
from ....files import write_bytes
from ....graph.run.trust import is_trusted
from ....ingest.concept_data.images import open_image, read_header
from ....ingest.concept_data.opening import is_concept_data, open_concept_data
from ....pages.pictures import drawn, photographs

if TYPE_CHECKING:
    from ....graph.run.reader import Run

LARGEST = 32 << 20
"""Bytes of a photograph that is dropped."""
MOST_PIXELS = 64_000_000
KEPT = 500
"""Photographs that are kept; the one not looked at for longest makes room for another one."""
_DIGEST = re.compile("[0-9a-f]{32}")
_OF_DATA = "data/"


def key_of(digest: str) -> str:
    """Return the key of a photograph, given the sha256 of its file."""
    return digest[:32]


class Photographs:
    """Photographs by key.

    Args:
        run: whose concept data can be explained, too, if it is a run that the user trusts.
        folder: where dropped ones are kept; the user's data folder if None.
    """

    def __init__(self, run: Run, folder: Path | None = None) -> None:
        self._run = run
        self._folder = folder or user_data_path("conceptgraph") / "photographs"

    def add(self, content: bytes) -> str:
        """Keep a photograph and return its key.

        Raises:
            DataError: it cannot be decoded, or is too large.
            ConceptGraphError: it cannot be written.
        """
        if len(content) > LARGEST:
            raise DataError("a photograph is too large", expected=f"{LARGEST >> 20} MB at most")
        height, width = read_header(content, name="the photograph").shown
        if height * width > MOST_PIXELS:
            raise DataError(
                "a photograph is too large", found=f"{width} × {height} pixels",
                expected=f"{MOST_PIXELS // 1_000_000} million at most",
            )  # fmt: skip
        open_image(content, name="the photograph")
        key = key_of(hashlib.sha256(content).hexdigest())
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError("photographs cannot be kept", file=self._folder) from error
        write_bytes(self._folder / key, content)
        self._make_room()
        return key

    def file(self, key: str) -> Path:
        """Return the file of a photograph.

        Raises:
            QueryError: there is none of this key.
        """
        if _DIGEST.fullmatch(key) and (path := self._folder / key).is_file():
            with suppress(OSError):  # it was looked at now
                os.utime(path)
            return path
        if key.startswith(_OF_DATA) and (name := key.removeprefix(_OF_DATA)) in self._of_data:
            return Path(self._run.manifest["data"]["folder"], "images", name)
        raise QueryError(
            "there is no such photograph on this machine", found=key[:80],
            remedy="Drop it on the page again",
        )  # fmt: skip

    def picture(self, key: str, *, still: bool) -> bytes:
        """Return a photograph as pages show it, as JPEG; a clip as WebP unless it is to be `still`.

        Raises:
            QueryError: there is none of this key.
            DataError: it cannot be read.
        """
        frames = photographs(self._run, self.file(key))
        return drawn(frames, still=still)

    def of_run(self, containing: str = "") -> list[str]:
        """Return the keys of the run's images whose names contain a text, in their order."""
        wanted = containing.casefold()
        return [_OF_DATA + name for name in self._of_data if wanted in name.casefold()]

    def key_in_run(self, name: str) -> str | None:
        """Return the key of an image of the run's concept data by its name there, if it has one."""
        return _OF_DATA + name if name in self._of_data else None

    @cached_property
    def _of_data(self) -> dict[str, None]:
        """Names of the images of the concept data, in order; none if the run is not trusted."""
        folder = Path(self._run.manifest["data"]["folder"])
        if not is_trusted(self._run) or not is_concept_data(folder):
            return {}
        try:
            return dict.fromkeys(image.name for image in open_concept_data(folder).images)
        except DataError:
            return {}

    def _make_room(self) -> None:
        with suppress(OSError):  # another upload makes room, too
            files = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime)
            for file in files[:-KEPT]:
                file.unlink(missing_ok=True)
