"""Class names from the lists in which they are usually published.

    one a line                     tench
    with an index                  0 tench · 0: tench · tench,0
    with a synset                  n01440764 tench, Tinca tinca
    Places365                      /a/airfield 0
    JSON, or a Python literal      ["tench"] · {"0": "tench"} · {"0": ["n01440764", "tench"]}
                                   {"tench": 0} · {"id2label": {…}} · {"names": […]}
    YAML                           names: [tench, goldfish]

Of the synonyms in a synset's name or a dict the first is taken, as torchvision does. Equal names
get their index appended. A list that is none of these, but not plain names either, is refused:
braces and numbers must never become names.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import yaml

from ...errors import ModelError
from ...files import read_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Indexed: TypeAlias = "list[tuple[int, str]]"

_PLACES = re.compile(r"/[a-z]/(?P<name>\S+)\s+(?P<index>\d+)")
_SYNSET = re.compile(r"n\d{8}[\s,:;]+(?P<name>.+)")
_INDEX_FIRST = re.compile(r"[\"']?(?P<index>\d{1,6})[\"']?\s*[\s:,;.)=|-]\s*(?P<name>.+)")
_INDEX_LAST = re.compile(r"(?P<name>.+?)\s*[\s,;:=|]\s*[\"']?(?P<index>\d{1,6})[\"']?")
_HEADER = re.compile(
    r"\W*(index|idx|id|number|class|label|name|category)[a-z_ ]*\W.*", re.IGNORECASE
)
_ASSIGNMENT = re.compile(r"^\s*\w+\s*=\s*(?=[\[{(])")
_KEYS = ("id2label", "names", "classes", "class_names", "categories", "labels", "idx_to_class")
_NAME_KEYS = ("name", "label", "class", "class_name")
_EXPECTED = "one name a line, `index name` lines, or a list or dict in JSON"


def read_classes(path: Path) -> tuple[str, ...]:
    """Read class names, in the order of the logits.

    Raises:
        ModelError: no such file, not UTF-8, no names, or a list of no form that is known.
    """
    try:
        text = read_whole(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            "cannot be read as class names",
            file=path,
            found=f"{type(error).__name__}: {error}",
            expected="a UTF-8 text file, one name a line",
        ) from error
    names = _parse(path, text)
    if not names:
        raise ModelError("names no classes", file=path, expected="one name a line")
    return _distinct(names)


def _parse(path: Path, text: str) -> tuple[str, ...]:
    text = _ASSIGNMENT.sub("", text.strip())
    if path.suffix.lower() in {".yaml", ".yml"} or text[:1] in {"{", "["}:
        return _from_value(path, _load(path, text))
    if text[:1] == "<":
        raise ModelError("not class names", file=path, found="a page of HTML or XML")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("- ") for line in lines):
        return _from_value(path, _load_yaml(path, text))
    return _from_lines(path, _without_commas(lines))


def _without_commas(lines: Sequence[str]) -> list[str]:
    """Return lines without the commas and quotation marks of a list from a program."""
    if len(lines) > 1 and all(line.endswith(",") for line in lines[:-1]):
        return [line.rstrip(", ").strip("\"'") for line in lines]
    return list(lines)


def _load(path: Path, text: str) -> object:
    """Parse JSON, a Python literal, or YAML by the file's suffix."""
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _load_yaml(path, text)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise ModelError(
                "neither JSON nor a Python literal", file=path, found=text[:40], expected=_EXPECTED
            ) from error
    return value


def _load_yaml(path: Path, text: str) -> object:
    try:
        value: object = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ModelError(f"not YAML: {error}", file=path) from error
    return value


def _from_value(path: Path, value: object) -> tuple[str, ...]:
    """Return the names in a list or dict, whichever of the usual shapes it has."""
    if isinstance(value, dict):
        inner = next((value[key] for key in _KEYS if isinstance(value.get(key), dict | list)), None)
        return _from_dict(path, value) if inner is None else _from_value(path, inner)
    if isinstance(value, list | tuple):
        return tuple(_name_in(path, item, place) for place, item in enumerate(value))
    raise _unknown(path, value)


def _from_dict(path: Path, value: dict[object, object]) -> tuple[str, ...]:
    indexed: Indexed = []
    for key, item in value.items():
        if isinstance(item, int) and not isinstance(item, bool) and isinstance(key, str):
            indexed.append((item, key.strip()))
        elif str(key).isascii() and str(key).isdigit():
            indexed.append((int(str(key)), _name_in(path, item, key).partition(", ")[0]))
        else:
            raise _unknown(path, {key: item})
    names = _in_order(indexed)
    if names is None:
        found = ", ".join(str(index) for index, _ in sorted(indexed)[:5])
        raise ModelError(
            "indices of classes", file=path, found=f"{found}, …", expected="0, 1, 2, … without gaps"
        )
    return names


def _name_in(path: Path, item: object, place: object) -> str:
    """Return the name in an item: text, [synset, name], or an object with a name."""
    if isinstance(item, list | tuple) and item and all(isinstance(part, str) for part in item):
        item = item[-1]
    if isinstance(item, dict):
        item = next((item[key] for key in _NAME_KEYS if key in item), None)
    if not isinstance(item, str) or not item.strip():
        raise _unknown(path, item, f"class {place}: ")
    return item.strip()


def _unknown(path: Path, value: object, where: str = "") -> ModelError:
    return ModelError(
        f"{where}not a class name or a list of them",
        file=path,
        found=repr(value)[:60],
        expected=_EXPECTED,
    )


def _from_lines(path: Path, lines: Sequence[str]) -> tuple[str, ...]:
    """Return the names in lines, without indices, synsets, or a header."""
    if lines and _PLACES.fullmatch(lines[0]):
        return _from_places(path, lines)
    for candidate in (lines, lines[1:] if lines and _HEADER.fullmatch(lines[0]) else ()):
        names = _without_synsets(candidate) or _without_indices(candidate)
        if names is not None:
            return _without_synsets(names) or names
    if lines and (
        any(set(line) & set("{}") for line in lines) or all("\t" in line for line in lines)
    ):
        found = repr(lines[0][:60]) if lines else None
        raise ModelError("not class names", file=path, found=found, expected=_EXPECTED)
    return tuple(lines)


def _without_synsets(lines: Sequence[str]) -> tuple[str, ...] | None:
    """Return the first names of lines that all have a synset; None if they have none."""
    synsets = [_SYNSET.fullmatch(line) for line in lines]
    if not synsets or not all(synsets):
        return None
    rest = [match["name"].strip() for match in synsets if match]
    return tuple(name.partition(", ")[0] for name in _without_indices(rest) or rest)


def _from_places(path: Path, lines: Sequence[str]) -> tuple[str, ...]:
    names = []
    for index, line in enumerate(lines):
        match = _PLACES.fullmatch(line)
        if match is None or int(match["index"]) != index:
            raise ModelError(
                f"class {index} of a Places365 list",
                file=path,
                found=repr(line),
                expected=f"/letter/name {index}",
            )
        names.append(match["name"])
    return tuple(names)


def _without_indices(lines: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names in lines that all have an index, by index; None if they have none.

    Names may end in numbers themselves ("class 0"): what is left must be mostly different names.
    """
    for pattern in (_INDEX_FIRST, _INDEX_LAST):
        matches = [pattern.fullmatch(line) for line in lines]
        if len(lines) > 1 and all(matches):
            names = _in_order([(int(m["index"]), m["name"].strip("\"' ")) for m in matches if m])
            if names is not None and 2 * len(set(names)) > len(names):
                return names
    return None


def _in_order(indexed: Indexed) -> tuple[str, ...] | None:
    """Return names by index, which must count from 0 or 1 without gaps; None otherwise."""
    ordered = sorted(indexed)
    start = ordered[0][0] if ordered else 0
    if start > 1 or [index for index, _ in ordered] != list(range(start, start + len(ordered))):
        return None
    return tuple(name for _, name in ordered)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Append its index to each name that several classes have."""
    times = Counter(names)
    return tuple(
        f"{name} ({index})" if times[name] > 1 else name for index, name in enumerate(names)
    )
