"""JSON files of annotations, read with care: what is not JSON is named with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ....errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from .fields import Item


def read_json_object(path: Path) -> dict[str, object]:
    """The file's one JSON object.

    Raises:
        DataError: unreadable, not UTF-8, not JSON, or something else than an object.
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


def read_list(item: Item, record: dict[str, object], name: str) -> list[object]:
    """The list under that name.

    Raises:
        DataError: none, or something else.
    """
    value = record.get(name)
    if not isinstance(value, list):
        raise item.error(name, found=kind(value), expected="a list")
    return value


def read_record(item: Item, value: object) -> dict[str, object]:
    """The value, if it is a JSON object.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, dict):
        raise item.error("not a record", found=kind(value), expected="a JSON object")
    return value


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "nothing"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), f"the number {value}")
