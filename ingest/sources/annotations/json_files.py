"""Reads JSON files of annotations; an error names the line."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from ....errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from .fields import AnnotationItem


def read_json_object(path: Path) -> dict[str, object]:
    """Read a file that holds one JSON object.

    Raises:
        DataError: unreadable, not UTF-8, not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
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
    if not isinstance(value, dict):
        raise DataError("not annotations", file=path, found=kind(value), expected="a JSON object")
    return value


def json_keys(path: Path) -> frozenset[str]:
    """Return the keys of a file's JSON object; none if it is a folder or not JSON.

    Raises:
        DataError: a file named .json that cannot be read.
    """
    if not path.is_file():
        return frozenset()
    state = path.stat()
    return _recent_keys(path, (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=1)
def _recent_keys(path: Path, state: tuple[int, int]) -> frozenset[str]:
    """Read a file's keys, or return them again for the next format; `state`: size, time."""
    try:
        return frozenset(read_json_object(path))
    except DataError:
        if path.suffix.lower() == ".json":
            raise
        return frozenset()


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
