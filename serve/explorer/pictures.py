"""Pictures of a run, looked up by keys: no address is a path of a file.

A thumbnail is known by its unit and rank, an image of a concept by its number, one of an audit by
its name there. Clips move, as WebP, unless the address says `still`; all else is JPEG.

Images lie outside of the run, which names their folder: they are read only of a run that the user
made or trusts.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConceptGraphError, QueryError
from ...graph.run.files import inside, open_to_read
from ...ingest.output.animation import animation_name
from ...pages.pictures import LARGEST as LARGER
from ...pages.pictures import drawn, photographs, shrunk
from .explain.photographs import LARGEST, Photographs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graph.run.reader import Run
    from .library import ServedRun

_LARGEST = 1 << 22
"""Bytes of a thumbnail."""
_SMALL = 240
"""Pixels of the longer side of a photograph in a list."""
_JPEG, _WEBP = b"\xff\xd8\xff", b"RIFF"


def thumbnail(served: ServedRun, asked: Mapping[str, str]) -> bytes:
    """Return the top image of a `unit` of a `rank`, with an outline where the unit fires.

    Raises:
        QueryError: there is none.
        RunError: the file cannot be read.
    """
    unit, rank = asked.get("unit", ""), asked.get("rank", "")
    name = served.thumbnails.get(unit, {}).get(rank)
    if name is None or served.run is None:
        raise QueryError("no such picture")
    path = served.run.file(name)
    if "still" not in asked and (moving := served.run.file(animation_name(name))).exists():
        path = moving
    with open_to_read(path, _LARGEST) as file:
        content = file.read()
    if not content.startswith((_JPEG, _WEBP)):
        raise QueryError("no such picture")
    return content


def media_type(content: bytes) -> str:
    """Return the type of a picture's file."""
    return "image/webp" if content.startswith(_WEBP) else "image/jpeg"


def example(served: ServedRun, asked: Mapping[str, str]) -> bytes:
    """Return an image of the concept `uid` by its `number`.

    Raises:
        QueryError: there is none.
    """
    found, number = served.examples.of(served, asked.get("uid", "")).found, asked.get("number", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 4):
        raise QueryError("no such picture")
    if int(number) >= len(found):
        raise QueryError("no such picture")
    chosen = found[int(number)]
    return chosen.still if "still" in asked else chosen.moving


def audit_photograph(served: ServedRun, asked: Mapping[str, str]) -> bytes:
    """Return the image `file` of an `audit`, as large as pages show it, or `small`.

    Raises:
        QueryError: there is none, or it cannot be read.
    """
    path = _audited(served, asked.get("audit", ""), asked.get("file", ""))
    if served.run is None:
        raise QueryError("no such picture")
    side = _SMALL if "small" in asked else None
    try:
        return _drawn(served.run, path, path.stat().st_mtime_ns, side, still="still" in asked)
    except (ConceptGraphError, OSError) as error:
        raise QueryError("no such picture") from error


def explain_audited(served: ServedRun, key: str, file: str) -> str:
    """Keep an image of an audit as one that was dropped, unless it is of the run's concept data.

    Returns:
        The photograph's key.

    Raises:
        QueryError: there is none, or it cannot be read.
        DataError: it is too large, or cannot be decoded.
    """
    path = _audited(served, key, file)
    if served.run is None:
        raise QueryError("no such picture")
    photographs_of_run = Photographs(served.run)
    images = Path(served.run.manifest["data"]["folder"], "images").resolve()
    if path.resolve().is_relative_to(images):  # there it is known which images are film strips
        name = path.resolve().relative_to(images).as_posix()
        if (own := photographs_of_run.key_in_run(name)) is not None:
            return own
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise QueryError("no such picture") from error
    return photographs_of_run.add(content)


def _audited(served: ServedRun, key: str, file: str) -> Path:
    """Return an image of an audit; QueryError if there is none, or the run is not trusted."""
    if served.has_photographs and key in served.audits and file in _files_of_audit(served, key):
        path = inside(Path(served.audits[key]["folder"]), file)
        if path is not None and path.is_file():
            return path
    raise QueryError("no such picture")


def _files_of_audit(served: ServedRun, key: str) -> frozenset[str]:
    audit = served.audits[key]["audit"]
    parts = (*audit["confusions"], *audit["groups"])
    return frozenset(file for part in parts for file in part["images"])


@lru_cache(maxsize=256)
def _drawn(run: Run, path: Path, changed: int, side: int | None, *, still: bool) -> bytes:
    """Return the file of a picture of an image; `changed` tells its versions apart."""
    frames = photographs(run, path)
    return drawn([shrunk(frame, side or LARGER, 1) for frame in frames], still=still)
