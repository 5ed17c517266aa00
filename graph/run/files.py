"""The tables and arrays of a run directory: their columns, how they are written and read.

A failure is one line that names the file: RunError, never an OSError or an Arrow error.
"""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, cast

import numpy as np

from ...errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

TABLES: dict[str, dict[str, str]] = {
    "units": {
        "uid": "string",
        "block": "string",
        "index": "int64",
        "label": "string",
        "category": "string",
        "iou": "double",
        "threshold": "double",
        "status": "string",
        "pixels": "int64",
        "label_unrestricted": "string",
        "category_unrestricted": "string",
        "iou_unrestricted": "double",
    },
    "concepts": {
        "uid": "string",
        "name": "string",
        "category": "string",
        "images": "int64",
        "pixels": "int64",
        "center_bias": "double",
        "source": "string",
    },
    "detections": {
        "unit": "string",
        "concept": "string",
        "category": "string",
        "iou": "double",
        "rank": "int64",
        "intersection": "int64",
        "activation": "int64",
        "truth": "int64",
        "p": "double",
        "enrichment": "double",
        "attainable_iou": "double",
        "significant": "bool",
        "precision": "double",
        "precision_low": "double",
        "chance": "double",
        "holds": "bool",
        "auc": "double",
        "auc_low": "double",
        "auc_p": "double",
        "auc_significant": "bool",
    },
    "presence": {
        "concept": "string",
        "block": "string",
        "threshold": "double",
        "precision": "double",
        "recall": "double",
        "f1": "double",
        "mcc": "double",
        "mcc_low": "double",
        "mcc_high": "double",
        "positions": "int64",
        "usable": "bool",
    },
    "classes": {"uid": "string", "name": "string", "index": "int64"},
    "top_images": {
        "unit": "string",
        "rank": "int64",
        "image": "string",
        "activation": "double",
        "thumbnail": "string",
    },
}
"""Column → Arrow type. `detections.unit` and `.concept` are the uids of the two other tables."""

_INGEST_AGAIN = "If an earlier conceptgraph made the run, ingest again"


def inside(folder: Path, name: str) -> Path | None:
    """Return a file below a folder; None if its name, or a link on the way, leads out of it."""
    path = folder / name
    try:
        return path if path.resolve().is_relative_to(folder.resolve()) else None
    except (OSError, ValueError, RuntimeError):  # a loop of links, a null character
        return None


@contextmanager
def disk_errors(file: Path, what: str) -> Iterator[None]:
    """Turn an OSError (disk full, no permission, no such file) into one line naming `file`."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}", file=file) from error


def write_table(file: Path, frame: pd.DataFrame, columns: dict[str, str]) -> None:
    """Write exactly `columns` (name → Arrow type) of a frame as Parquet; NaN becomes null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_columns(file, list(frame.columns), columns)
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    try:
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    except pa.ArrowException as error:
        raise RunError("a column of another type", file=file, found=error) from error
    with disk_errors(file, "cannot be written"):
        pq.write_table(table, file)


def read_table(file: Path, columns: dict[str, str], *, remedy: str = _INGEST_AGAIN) -> pd.DataFrame:
    """Read a Parquet table, its known columns in their fixed types; others stay as they are.

    Args:
        file: to read.
        columns: name → Arrow type.
        remedy: if a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with disk_errors(file, "cannot be read"), file.open("rb") as stream:
            table = pq.read_table(stream)
        _check_columns(file, table.column_names, columns, remedy)
        kinds = {**dict(zip(table.column_names, table.schema.types, strict=True))}
        kinds |= {name: pa.type_for_alias(kind) for name, kind in columns.items()}
        return cast("pd.DataFrame", table.cast(pa.schema(list(kinds.items()))).to_pandas())
    except pa.ArrowException as error:
        raise RunError("not the table it should be", file=file, found=error) from error


def _check_columns(
    file: Path, names: list[str], columns: dict[str, str], remedy: str = _INGEST_AGAIN
) -> None:
    missing = [name for name in columns if name not in names]
    if missing:
        raise RunError(
            f"no column {', '.join(missing)}",
            file=file,
            found=", ".join(map(str, names)),
            expected=", ".join(columns),
            remedy=remedy,
        )


def write_array(file: Path, values: NDArray[np.floating]) -> None:
    """Write a matrix as float32 `.npy`."""
    content = BytesIO()  # numpy itself does not say when it is the disk that is full
    np.save(content, np.ascontiguousarray(values, dtype=np.float32), allow_pickle=False)
    with disk_errors(file, "cannot be written"):
        file.write_bytes(content.getbuffer())


def read_array(file: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Open a float32 matrix as a read-only memory map; RunError unless it has `shape`."""
    try:
        with disk_errors(file, "cannot be read"):
            values = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise RunError("not a .npy array", file=file, found=error) from error
    if values.shape != shape or values.dtype != np.float32:
        raise RunError(
            "not the array it should be",
            file=file,
            found=f"{values.shape} {values.dtype}",
            expected=f"{shape} float32",
        )
    return cast("NDArray[np.float32]", values)
