"""Pictures of a run, looked up by keys: no address is a path of a file.

A thumbnail is known by its unit and rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import QueryError
from ...graph.run.files import open_to_read

if TYPE_CHECKING:
    from .library import ServedRun

_LARGEST = 1 << 22
"""Bytes of a thumbnail."""
_JPEG = b"\xff\xd8\xff"


def thumbnail(served: ServedRun, unit: str, rank: str) -> bytes:
    """Return one of a unit's top images, as JPEG, with an outline where the unit fires.

    Raises:
        QueryError: there is none.
        RunError: the file cannot be read.
    """
    name = served.thumbnails.get(unit, {}).get(rank)
    if name is None or served.run is None:
        raise QueryError("no such picture")
    with open_to_read(served.run.file(name), _LARGEST) as file:
        content = file.read()
    if not content.startswith(_JPEG):
        raise QueryError("no such picture")
    return content
