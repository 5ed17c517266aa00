"""The files of a run directory: how they are found, written and read.

A file that is read is a regular file inside the run, no larger than `schema` allows, and its
content is checked by what `schema` says. A failure is one line that names the file: RunError, never
an OSError or an Arrow error.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from ...errors import RunError
from .schema import (
    CELL,
    INGEST_AGAIN,
    LARGEST_FILE,
    LARGEST_JSON,
    LARGEST_NUMBER,
    LONGEST_NAME,
    SMALL_TABLE,
    check_columns,
    check_table,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

    from .schema import Known

Content = TypeVar("Content")
_START = struct.Struct("<8sH")
_HEADER = re.compile(
    rb"\{'descr': '([^']{1,9})', 'fortran_order': (True|False), 'shape': \(([0-9, ]{0,60})\), \}\s*"
)
"""Of a .npy file: its first bytes, and what follows them."""


def inside(folder: Path, name: str) -> Path | None:
    """Return a file below a folder; None if its name, or a link on the way, leads out of it."""
    path = folder / name
    try:
        return path if path.resolve().is_relative_to(folder.resolve()) else None
    except (OSError, ValueError, RuntimeError):  # a loop of links, a null character
        return None


def file_of_run(run: Path, name: str) -> Path:
    """Return a file of a run, to read or to write; it need not exist.

    Raises:
        RunError: its name, or a link on the way, leads out of the run: whoever made the run would
            choose a file of this machine. Or it is no regular file: reading a pipe never ends.
    """
    path = inside(run, name)
    if path is None:
        raise RunError("the run names a file outside of it", file=run, found=name)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", file=path) from error
    if not stat.S_ISREG(mode):
        raise RunError("not a file", file=path)
    return path


@contextmanager
def disk_errors(file: Path, what: str) -> Iterator[None]:
    """Turn an OSError (disk full, no permission, no such file) into one line naming `file`."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}", file=file) from error


@contextmanager
def open_to_read(file: Path, largest: int) -> Iterator[BinaryIO]:
    """Open a file of a run that is not larger than `largest` bytes.

    Raises:
        RunError: it is larger, or cannot be read.
    """
    with disk_errors(file, "cannot be read"), file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > largest:
            raise too_large(file, f"{size:,} bytes", f"{largest:,}")
        yield stream


def too_large(file: Path, found: str, most: str) -> RunError:
    """Return the error for what is larger than a run's file can be."""
    return RunError("larger than such a file of a run can be", file=file, found=found,
                    expected=f"at most {most}")  # fmt: skip


def read_json(file: Path, kind: type[Content], what: str, remedy: str) -> Content:
    """Read a JSON file as a type of `msgspec`'s; keys that the type does not have are left out.

    Args:
        file: of the run.
        kind: a TypedDict, NamedTuple or dataclass.
        what: what the error says that it is not.
        remedy: what the user can do.

    Raises:
        RunError: it is not such a file.
    """
    with open_to_read(file, LARGEST_JSON) as stream:
        content = stream.read()
    return decode_json(content, kind, file, what, remedy)


def decode_json(content: bytes, kind: type[Content], file: Path, what: str, remedy: str) -> Content:
    """Decode JSON as `read_json` does."""
    import msgspec

    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else _short(error)
        raise RunError(f"{what}: {why}", file=file, remedy=remedy) from error


def write_table(file: Path, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Write exactly `columns` (name → kind) of a frame as Parquet; NaN becomes null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_columns(file, list(frame.columns), columns)
    try:
        table = pa.Table.from_pandas(frame, schema=_arrow_schema(columns), preserve_index=False)
    except pa.ArrowException as error:
        raise RunError("a column of another type", file=file, found=error) from error
    with disk_errors(file, "cannot be written"):
        pq.write_table(table, file)


def read_table(
    file: Path,
    columns: Mapping[str, str],
    key: tuple[str, ...],
    rows: int,
    known: Known,
    remedy: str = INGEST_AGAIN,
) -> pd.DataFrame:
    """Read a Parquet table's known columns, and check them.

    Args:
        file: of the run.
        columns: name → kind.
        key: columns that no two rows share.
        rows: how many there can be.
        known: the run's names.
        remedy: if a column is missing.

    Raises:
        RunError: it is not this table, too large, or a value is wrong.
    """
    import pyarrow as pa

    try:
        with open_to_read(file, LARGEST_FILE) as stream:
            table = _read_columns(file, stream, columns, rows, remedy)
        check_table(file, table, columns, known)
        frame = cast("pd.DataFrame", table.cast(_arrow_schema(columns)).to_pandas())
    except (pa.ArrowException, ValueError) as error:
        raise RunError("not the table it should be", file=file, found=_short(error)) from error
    repeated = frame.duplicated(list(key))
    if repeated.any():
        values = [str(value) for value in frame[list(key)][repeated].iloc[0]]
        if len(key) == 1:
            raise RunError(f"{key[0]} {values[0]!r} is duplicated", file=file)
        raise RunError("a row is duplicated", file=file, found=", ".join(values))
    return frame


def _read_columns(
    file: Path, stream: BinaryIO, columns: Mapping[str, str], rows: int, remedy: str
) -> pa.Table:
    """Read columns whose sizes and types were compared before: texts as dictionaries."""
    import pyarrow.parquet as pq

    facts, found = (parquet := pq.ParquetFile(stream)).metadata, parquet.schema_arrow
    check_columns(file, found.names, columns, remedy)
    for name, kind in columns.items():
        _check_type(file, name, found.field(name).type, kind_of(kind).arrow)
    _check_size(file, facts, columns, rows)
    texts = [name for name, kind in columns.items() if kind_of(kind).arrow == "string"]
    parquet = pq.ParquetFile(stream, metadata=facts, read_dictionary=texts)
    table = parquet.read(columns=list(columns), use_pandas_metadata=False)
    return _with_texts(file, table.replace_schema_metadata(None), columns)


def _check_type(file: Path, name: str, found: pa.DataType, arrow: str) -> None:
    from pyarrow import types

    if arrow == "string" and types.is_dictionary(found):
        found = found.value_type
    fits = (
        types.is_null(found)
        or {
            "string": types.is_string(found) or types.is_large_string(found),
            "int64": types.is_integer(found),
            "double": types.is_floating(found) or types.is_integer(found),
            "bool": types.is_boolean(found),
        }[arrow]
    )
    if not fits:
        what = f"column {name} of another type"
        raise RunError(what, file=file, found=str(found)[:100], expected=arrow)


def _check_size(
    file: Path,
    facts: pq.FileMetaData,
    columns: Mapping[str, str],
    rows: int,
) -> None:
    """Compare what the file says of its size with what it can be, before columns are read."""
    groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
    count = max(facts.num_rows, sum(group.num_rows for group in groups))
    if count > rows or any(group.num_rows < 0 for group in groups):
        raise too_large(file, f"{count:,} rows", f"{rows:,}")
    cells, size = count * len(columns), sum(group.total_byte_size for group in groups)
    most = min(LARGEST_FILE, SMALL_TABLE + cells * CELL)
    if max(size, 8 * cells) > most:
        raise too_large(file, f"{max(size, 8 * cells):,} bytes, decompressed", f"{most:,}")


def _with_texts(file: Path, table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """Return the table with all texts as dictionaries, valid UTF-8 and not too long."""
    import pyarrow as pa
    import pyarrow.compute as pc

    arrays, size = {}, 0
    for name, kind in columns.items():
        column, arrow = table[name], kind_of(kind).arrow
        if arrow != "string":
            arrays[name] = column.cast(pa.type_for_alias(arrow))
            continue
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        column.validate(full=True)
        for chunk in column.chunks:
            lengths = pc.binary_length(chunk.dictionary)
            if (pc.max(lengths).as_py() or 0) > LONGEST_NAME:
                raise too_large(file, f"a text in column {name}", f"{LONGEST_NAME:,} bytes")
            size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        arrays[name] = column.unify_dictionaries()
    if size > LARGEST_FILE:
        raise too_large(file, f"{size:,} bytes of text", f"{LARGEST_FILE:,}")
    return pa.table(arrays)


def _arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa

    kinds = [(name, kind_of(kind).arrow) for name, kind in columns.items()]
    return pa.schema([(name, pa.type_for_alias(arrow)) for name, arrow in kinds])


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 300 else f"{text[:300]}…"


def write_array(file: Path, values: NDArray[np.floating]) -> None:
    """Write a matrix as float32 `.npy`."""
    content = BytesIO()  # numpy itself does not say when it is the disk that is full
    np.save(content, np.ascontiguousarray(values, dtype=np.float32), allow_pickle=False)
    with disk_errors(file, "cannot be written"):
        file.write_bytes(content.getbuffer())


def read_array(
    file: Path, shape: tuple[int, int], least: float = -LARGEST_NUMBER, most: float = LARGEST_NUMBER
) -> NDArray[np.float32]:
    """Open a float32 matrix as a read-only memory map.

    Raises:
        RunError: it has not exactly this shape, or a value is not between `least` and `most`.
    """
    size = 4 * shape[0] * shape[1]
    if size > LARGEST_FILE:
        raise too_large(file, f"{shape} float32", f"{LARGEST_FILE:,} bytes")
    with disk_errors(file, "cannot be read"), file.open("rb") as stream:
        found_shape, is_fortran, kind = _array_header(file, stream)
        if found_shape != shape or kind != "float32" or is_fortran:
            raise RunError(
                "not the array it should be",
                file=file,
                found=f"{found_shape} {kind}{' in columns' if is_fortran else ''}",
                expected=f"{shape} float32",
            )
        start, end = stream.tell(), os.fstat(stream.fileno()).st_size
        if end - start != size:
            found, expected = f"{end - start:,} bytes of values", f"{size:,}"
            raise RunError("not a .npy array", file=file, found=found, expected=expected)
        if not size:
            return np.zeros(shape, np.float32)
        values = np.memmap(stream, np.float32, "r", start, shape)
        lowest, highest = values.min(), values.max()  # NaN if one is
    if not (lowest >= least - 1e-6 and highest <= most + 1e-6):
        found = f"values from {lowest:.6g} to {highest:.6g}"
        expected = "finite ones" if most == LARGEST_NUMBER else f"from {least:g} to {most:g}"
        raise RunError("values out of range", file=file, found=found, expected=expected)
    return cast("NDArray[np.float32]", values)


def _array_header(file: Path, stream: BinaryIO) -> tuple[tuple[int, ...], bool, str]:
    """Read shape, order and type from the header that numpy writes of numbers, in version 1.

    numpy's own reader takes any Python literal, and raises whatever Python's tokenizer does.
    """
    start = stream.read(_START.size)
    if len(start) == _START.size:
        magic, length = _START.unpack(start)
        header = _HEADER.fullmatch(stream.read(length))
        if magic == b"\x93NUMPY\1\0" and header is not None:
            kind, is_fortran, sides = (part.decode() for part in header.groups())
            shape = tuple(int(side) for side in sides.replace(" ", "").split(",") if side)
            return shape, is_fortran == "True", "float32" if kind == "<f4" else kind
    raise RunError("not a .npy array", file=file, expected="float32, as numpy writes it")
