"""The photographs that can be explained: those that were dropped on a page, and those of the run.

A photograph that was dropped is kept in the user's data folder, so that a link to it still works
tomorrow; its key is a digest of its content. Of a video, those frames are kept that the run's
network takes, as a folder of images. `data/street/17.jpg` is the key of an image of the
run's concept data. A key is only ever looked up; none is a path.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING

from PIL import Image
from platformdirs import user_data_path

from ....errors import DataError, QueryError
from ....explain.clips import frames_of_run
from ....files import output_folder, remove_folder, write_bytes
from ....graph.run.trust import is_trusted
from ....ingest.concept_data.images import open_image, read_header
from ....ingest.concept_data.opening import is_concept_data, open_concept_data
from ....ingest.concept_data.videos import read_clip
from ....pages.pictures import drawn, photographs
from ..one_at_a_time import OneAtATime

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from ....graph.run.reader import Run

LARGEST = 32 << 20
"""Bytes of a photograph, or a video, that is dropped."""
SECONDS = 20.0
"""How long a video may be decoded."""
MOST_PIXELS = 64_000_000
KEPT = 500
"""Photographs that are kept; the one not looked at for longest makes room for another one."""
_DECODING, _WRITING = OneAtATime(), Lock()
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
        """Keep a photograph, or a video if the run's network takes clips, and return its key.

        Raises:
            DataError: it cannot be decoded, or is too large.
            ConceptGraphError: it cannot be written, or too many videos are being decoded.
        """
        if len(content) > LARGEST:
            raise DataError("the file is too large", expected=f"{LARGEST >> 20} MB at most")
        frames = frames_of_run(self._run)
        if frames is not None and not _is_image(content):
            return self.add_frames(_frames_of_video(content, frames))
        height, width = read_header(content, name="the photograph").shown
        if height * width > MOST_PIXELS:
            raise DataError(
                "a photograph is too large", found=f"{width} × {height} pixels",
                expected=f"{MOST_PIXELS // 1_000_000} million at most",
            )  # fmt: skip
        open_image(content, name="the photograph")
        key = key_of(hashlib.sha256(content).hexdigest())
        write_bytes(self._made_folder() / key, content)
        self._make_room()
        return key

    def add_frames(self, frames: Iterable[NDArray[np.uint8] | Image.Image]) -> str:
        """Keep an image, or a clip as a folder of its frames, and return its key.

        Raises:
            ConceptGraphError: it cannot be written.
        """
        contents = [_png(frame) for frame in frames]
        if len(contents) == 1:
            return self.add(contents[0])
        key = key_of(hashlib.sha256(b"".join(contents)).hexdigest())  # as `image_digest` has it
        folder = self._made_folder() / key
        with _WRITING:
            if not folder.exists():
                with output_folder(folder) as partial:
                    for number, content in enumerate(contents):
                        (partial / f"{number:03}.png").write_bytes(content)
        self._make_room()
        return key

    def file(self, key: str) -> Path:
        """Return the file of a photograph.

        Raises:
            QueryError: there is none of this key.
        """
        if _DIGEST.fullmatch(key) and (path := self._folder / key).exists():
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

    def _made_folder(self) -> Path:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError("photographs cannot be kept", file=self._folder) from error
        return self._folder

    def _make_room(self) -> None:
        with suppress(OSError):  # another upload makes room, too
            files = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime)
            for file in files[:-KEPT]:
                if file.is_dir():
                    remove_folder(file)
                else:
                    file.unlink(missing_ok=True)


def _is_image(content: bytes) -> bool:
    try:
        read_header(content)
    except DataError:
        return False
    return True


def _frames_of_video(content: bytes, frames: int) -> NDArray[np.uint8]:
    """Decode those frames of a video that a network takes, one video at a time.

    Raises:
        DataError: it cannot be decoded, or takes too long.
        ConceptGraphError: too many wait.
    """
    with _DECODING, TemporaryDirectory(prefix="conceptgraph-") as folder:
        file = Path(folder, "video")
        file.write_bytes(content)
        try:
            return read_clip(file, frames, SECONDS).pixels
        except DataError as error:
            raise DataError(str(error).removeprefix(f"{file}: ")) from error


def _png(frame: NDArray[np.uint8] | Image.Image) -> bytes:
    image = frame if isinstance(frame, Image.Image) else Image.fromarray(frame)
    buffer = BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
