"""What a run may hold: the columns of its tables, their ranges and references, and its sizes.

A run may come from somebody else, so it is checked once, by what stands here, before it is used:
JSON files by types (`manifest.Manifest`, `explanations.SavedContent`, …) that are made of these,
tables by `check_table`, arrays by their shape and range. Sizes are compared before anything is
read. What has passed needs no second check.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, NamedTuple

from msgspec import Meta

from ...errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa

    Known = Callable[[str], Collection[str]]
    """Returns the names that a run has of a kind: "unit", "block", "concept" or "class"."""

INGEST_AGAIN = "If an earlier conceptgraph made the run, ingest again"
LONGEST_NAME = 4096
"""Characters (in tables: bytes) of a name or path."""
MOST_UNITS, MOST_CLASSES, MOST_IMAGES = 250_000, 250_000, 10**9
MOST_BINS = 64
"""Of the histogram of a unit."""
MOST_OVERLAP = 64
"""Of IoU and precision: above 1 where a concept is in several label maps at the same pixels."""
LARGEST_INPUT = 8192
"""Pixels of a side of the network's input."""
LARGEST_FILE = 1 << 30
"""Bytes of a table or array in memory."""
SMALL_TABLE, CELL = 1 << 27, 64
"""Bytes that any table can have, decompressed, and what each of its values adds."""
LARGEST_NUMBER = 1e30
"""Of a float that has no other limits: its square is finite, too."""
LARGEST_JSON = 1 << 26
"""Bytes of a JSON file, or of a line of one."""

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, Meta(max_length=1 << 20)]
OwnName = Annotated[str, Meta(pattern=r"^[^/\0]{1,255}\Z")]
"""The name of a run or a category: a part of uids."""
BlockName = Annotated[str, Meta(pattern=r"^block[1-9][0-9]{0,3}\Z")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Share = Annotated[float, Meta(ge=0, le=1)]
Size = Annotated[float, Meta(ge=0, le=LARGEST_NUMBER)]
Number = Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Side = Annotated[int, Meta(ge=1, le=LARGEST_INPUT)]

TABLES: dict[str, dict[str, str]] = {
    "units": {
        "uid": "unit",
        "block": "block",
        "index": "count",
        "label": "text?",
        "category": "name?",
        "iou": "overlap?",
        "threshold": "number",
        "status": "status",
        "pixels": "count",
        "label_unrestricted": "text?",
        "category_unrestricted": "name?",
        "iou_unrestricted": "overlap?",
    },
    "concepts": {
        "uid": "name",
        "name": "text",
        "category": "own name",
        "images": "count",
        "pixels": "count",
        "center_bias": "overlap?",
        "source": "text",
    },
    "detections": {
        "unit": "unit",
        "concept": "concept",
        "category": "own name",
        "iou": "overlap",
        "rank": "count",
        "intersection": "count",
        "activation": "count",
        "truth": "count",
        "p": "share?",
        "enrichment": "size?",
        "attainable_iou": "overlap",
        "significant": "bool",
        "precision": "overlap?",
        "precision_low": "overlap?",
        "chance": "overlap?",
        "holds": "bool",
        "auc": "share?",
        "auc_low": "number?",
        "auc_p": "share?",
        "auc_significant": "bool",
    },
    "presence": {
        "concept": "concept",
        "block": "block",
        "threshold": "number",
        "precision": "share",
        "recall": "share",
        "f1": "share",
        "mcc": "correlation",
        "mcc_low": "correlation",
        "mcc_high": "correlation",
        "positions": "count",
        "usable": "bool",
    },
    "classes": {"uid": "name", "name": "name", "index": "count"},
    "peaks": {"unit": "unit", "times": "size", "images": "count"},
    "top_images": {
        "unit": "unit",
        "rank": "count",
        "image": "name",
        "activation": "number",
        "thumbnail": "file",
    },
}
"""Column → kind, one of `_KINDS`; with "?" values may be missing."""
KEYS = {
    "units": ("uid",),
    "concepts": ("uid",),
    "detections": ("unit", "concept"),
    "presence": ("concept", "block"),
    "classes": ("uid",),
    "peaks": ("unit", "times"),
    "top_images": ("unit", "rank"),
}
"""Columns that no two rows share."""
_ROUNDING = 1e-6


class Kind(NamedTuple):
    """What a column holds.

    Attributes:
        arrow: its Arrow type.
        missing: whether values may be missing; NaN is.
        least: the smallest number; None for other types.
        most: the largest one.
        known: names must be the run's, of this kind.
        valid: returns whether a text is valid.
        expected: what texts must be, in words.
    """

    arrow: str
    missing: bool = False
    least: float | None = None
    most: float | None = None
    known: str | None = None
    valid: Callable[[str], object] | None = None
    expected: str = ""


def _is_own_name(text: str) -> bool:
    return bool(text) and "/" not in text and "\0" not in text


def _is_inside(text: str) -> bool:
    path = PurePath(text)
    return bool(text) and "\0" not in text and not path.is_absolute() and ".." not in path.parts


_STATES = ("ok", "dead", "sparse")
_KINDS = {
    "bool": Kind("bool"),
    "int64": Kind("int64"),
    "count": Kind("int64", least=0, most=1 << 53),
    "double": Kind("double", missing=True, least=-LARGEST_NUMBER, most=LARGEST_NUMBER),
    "number": Kind("double", least=-LARGEST_NUMBER, most=LARGEST_NUMBER),
    "size": Kind("double", least=0, most=LARGEST_NUMBER),
    "share": Kind("double", least=0, most=1),
    "overlap": Kind("double", least=0, most=MOST_OVERLAP),
    "correlation": Kind("double", least=-1, most=1),
    "string": Kind("string", missing=True),
    "text": Kind("string"),
    "name": Kind("string", valid=bool, expected="a name"),
    "own name": Kind("string", valid=_is_own_name, expected="a name without /"),
    "file": Kind("string", valid=_is_inside, expected="a path inside the run"),
    "status": Kind("string", valid=_STATES.__contains__, expected=", ".join(_STATES)),
    **{name: Kind("string", known=name) for name in ("unit", "block", "concept", "class")},
}


def kind_of(name: str) -> Kind:
    """Return a kind by its name, as tables state it."""
    kind = _KINDS[name.removesuffix("?")]
    return kind._replace(missing=True) if name.endswith("?") else kind


def check_columns(
    file: Path,
    names: Collection[str],
    columns: Mapping[str, str],
    remedy: str = INGEST_AGAIN,
) -> None:
    """Refuse a table that lacks a column, or has one twice."""
    missing = [name for name in columns if name not in names]
    if missing:
        raise RunError(
            f"no column {', '.join(missing)}",
            file=file,
            found=_listed(names),
            expected=", ".join(columns),
            remedy=remedy,
        )
    names = list(names)
    if twice := [name for name in columns if names.count(name) > 1]:
        raise RunError(f"column {twice[0]} is duplicated", file=file)


def check_table(file: Path, table: pa.Table, columns: Mapping[str, str], known: Known) -> None:
    """Refuse values that are missing, out of range, or name what the run does not have.

    Args:
        file: of the table.
        table: exactly these columns, in their Arrow types, texts as dictionaries.
        columns: name → kind.
        known: the run's names.
    """
    for name, kind_name in columns.items():
        kind, column = kind_of(kind_name), table[name]
        if kind.arrow == "string":
            found, expected = _wrong_text(column.unique().to_pylist(), kind, known)
        elif column.null_count and not kind.missing:
            found, expected = "a missing value", "none"
        else:
            found, expected = _wrong_number(column, kind)
        if found:
            raise RunError(f"column {name}", file=file, found=found, expected=expected)


def _wrong_text(values: Iterable[str | None], kind: Kind, known: Known) -> tuple[str, str]:
    """Return the first text that is wrong, and what was expected; "" if none is."""
    names = None if kind.known is None else known(kind.known)
    for value in values:
        if value is None:
            if not kind.missing:
                return "a missing value", "none"
        elif names is not None and value not in names:
            return repr(value), f"a {kind.known} of the run"
        elif kind.valid is not None and not kind.valid(value):
            return repr(value), kind.expected
    return "", ""


def _wrong_number(column: pa.ChunkedArray, kind: Kind) -> tuple[str, str]:
    import numpy as np

    if kind.least is None or kind.most is None or not len(column):
        return "", ""
    values = column.to_numpy()
    if kind.missing:
        values = values[~np.isnan(values)]
    expected = f"{kind.least:g} to {kind.most:g}" if kind.most < 1e9 else "a finite number"
    if kind.least == 0 and kind.most > 1:
        expected = "0 or more"
    if len(values):
        least, most = values.min(), values.max()  # NaN if one is
        if not least >= kind.least - _ROUNDING:
            return f"{least:.6g}", expected
        if not most <= kind.most + _ROUNDING:
            return f"{most:.6g}", expected
    return "", ""


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(map(str, names))
    return text if len(text) <= 500 else f"{text[:500]}…"
