"""Reads JSON files of annotations; an error names the line."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ....errors import DataError
from ....files import read_whole
from ...concept_data.images import IMAGE_SUFFIXES
from .folders import list_files

if TYPE_CHECKING:
    from pathlib import Path

    from .items import AnnotationItem

_LARGEST = 4 << 30
"""Bytes: the annotations of a large data set are one file."""


def read_json(path: Path) -> object:
    """Read a JSON file.

    Raises:
        DataError: unreadable, not UTF-8, or not JSON.
    """
    try:
        content = read_whole(path, _LARGEST)
        if b"\0" in content:  # before it is decoded: a damaged file can be of any size
            raise DataError("not JSON", file=path, found="a byte 0x00")
        value: object = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise DataError("not UTF-8", file=path, found=found) from error
    except json.JSONDecodeError as error:
        what = f"line {error.lineno}: not JSON: {error.msg}"
        raise DataError(what, file=path, remedy="Export the annotations again") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"not JSON that can be read: {error}", file=path) from error
    return value


def read_json_object(path: Path) -> dict[str, object]:
    """Read a file that holds one JSON object.

    Raises:
        DataError: unreadable, not UTF-8, not JSON, or not an object.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError("not annotations", file=path, found=kind(value), expected="a JSON object")
    return value


class JsonOutline(NamedTuple):
    """What a JSON file holds, as far as it tells formats apart.

    Attributes:
        is_list: whether it is a list of objects.
        keys: of the object, or of the list's first object.
        inner_keys: of the object's first value, if that is an object.
    """

    is_list: bool
    keys: frozenset[str]
    inner_keys: frozenset[str]


NO_JSON = JsonOutline(is_list=False, keys=frozenset(), inner_keys=frozenset())


def json_outline(path: Path) -> JsonOutline:
    """Return the outline of a JSON file, or of the first in a folder that is an object or list.

    Raises:
        DataError: a file named .json that cannot be read.
    """
    if path.is_dir():
        names = [name for name in list_files(path) if name.lower().endswith(".json")]
        return next(filter(None, map(_try_outline, (path / name for name in names))), NO_JSON)
    if not path.is_file() or path.suffix.lower() in IMAGE_SUFFIXES:
        return NO_JSON
    state = path.stat()
    return _recent_outline(path, (state.st_size, state.st_mtime_ns))


def _try_outline(path: Path) -> JsonOutline | None:
    try:
        outline = json_outline(path)
    except DataError:
        return None
    return outline if outline.keys else None


@lru_cache(maxsize=4)
def _recent_outline(path: Path, state: tuple[int, int]) -> JsonOutline:
    """Read a file's outline, or return it again for the next format; `state`: size, time."""
    try:
        value = read_json(path)
    except DataError:
        if path.suffix.lower() == ".json":
            raise
        return NO_JSON
    is_list = isinstance(value, list)
    first = next(iter(value), None) if isinstance(value, list) else value
    if not isinstance(first, dict):
        return NO_JSON
    inner = next(iter(first.values()), None)
    return JsonOutline(
        is_list, frozenset(first), frozenset(inner if isinstance(inner, dict) else ())
    )


def read_list(item: AnnotationItem, record: dict[str, object], name: str) -> list[object]:
    """Read the list of that name.

    Raises:
        DataError: missing, or something else.
    """
    value = record.get(name)
    if not isinstance(value, list):
        raise item.error(name, found=kind(value), expected="a list")
    return value


def read_record(item: AnnotationItem, value: object) -> dict[str, object]:
    """Check that a value is a JSON object, and return it.

    Raises:
        DataError: something else.
    """
    if not isinstance(value, dict):
        raise item.error("not a record", found=kind(value), expected="a JSON object")
    return value


def kind(value: object) -> str:
    """Describe a JSON value's type in words."""
    if value is None:
        return "nothing"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), f"the number {value}")
