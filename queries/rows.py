"""Rows of an answer, which a notebook and a terminal show as a table.

explanation.paths           a table
explanation.paths[0]        its first row
explanation.paths.frame()   a DataFrame
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, overload, runtime_checkable

if TYPE_CHECKING:
    from typing import SupportsIndex

    import pandas as pd

T_co = TypeVar("T_co", covariant=True)
MOST = 50
"""Rows that are shown; of more, the first and the last."""


@runtime_checkable
class TableRow(Protocol):
    """A row that states its cells, by column; others are a NamedTuple's or dataclass's fields."""

    def cells(self) -> dict[str, object]:
        """Return the cells."""


class Rows(tuple[T_co, ...]):
    """A tuple whose values are rows of one type."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Rows[T_co]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T_co | Rows[T_co]:
        """Return a row, or of a slice its rows, which are a table again."""
        if isinstance(index, slice):
            return Rows(super().__getitem__(index))
        return super().__getitem__(index)

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame([_cells(row) for row in self])
        return frame

    def __repr__(self) -> str:
        if not self:
            return "no rows"
        return self._shown().to_string(index=False, float_format=_number, max_rows=MOST)

    def _repr_html_(self) -> str:
        """Return what a notebook shows; pandas escapes every cell."""
        if not self:
            return "<p>no rows</p>"
        return self._shown().to_html(index=False, float_format=_number, max_rows=MOST, border=0)

    def _shown(self) -> pd.DataFrame:
        """Return the rows without empty columns, and "" for None."""
        frame = self.frame().dropna(axis="columns", how="all")
        shown: pd.DataFrame = frame.astype(object).where(frame.notna(), "")
        return shown


def json_value(value: object) -> object:
    """Return a value of an answer as JSON has it.

    Times are ISO 8601, numbers that are not finite null.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, dict):
        return {str(key): json_value(entry) for key, entry in value.items()}
    for name in ("iso_format", "isoformat"):  # Neo4j's own times, Python's
        if hasattr(value, name):
            return str(getattr(value, name)())
    if isinstance(value, list | tuple):  # a point is its coordinates
        return [json_value(entry) for entry in value]
    return str(value)


def _cells(row: object) -> dict[str, object]:
    if isinstance(row, TableRow):
        return row.cells()
    if isinstance(row, tuple) and hasattr(row, "_asdict"):
        cells: dict[str, object] = row._asdict()
        return cells
    if is_dataclass(row):
        return {field.name: getattr(row, field.name) for field in fields(row)}
    return {"value": row}


def _number(value: float) -> str:
    return f"{value:.3g}"
