"""Files of JSON lines, appended batch by batch, so that what was cut off resumes."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import RunError
from ..graph.run.files import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Line = TypeVar("Line")


class LineFile(ABC, Generic[Line]):
    """A file of JSON lines, appended batch by batch."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def drop_partial_batch(self, batch: int, all_lines: int) -> int:
        """Cut off the lines of a batch that was not finished; return how many lines are left.

        So later batches are the same as without an interruption, to the last bit.

        Args:
            batch: lines of a batch.
            all_lines: lines of the finished file, whose last batch may be smaller.
        """
        lines = complete = end = position = 0
        with disk_errors(self._path, "cannot be written"):
            self._path.touch()
            with self._path.open("rb+") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    lines, position = lines + 1, position + len(line)
                    if lines % batch == 0 or lines == all_lines:
                        complete, end = lines, position
                file.truncate(end)
        return complete

    def __iter__(self) -> Iterator[Line]:
        """Yield all lines, without holding more than one in memory.

        Raises:
            RunError: the file cannot be read, or a line is not of this kind.
        """
        with disk_errors(self._path, "cannot be read"), self._path.open("rb") as file:
            for text in file:
                try:
                    line = self._from_json(json.loads(text))
                except (ValueError, TypeError, KeyError) as error:
                    remedy = "Delete it, and start again"
                    raise RunError("not such rows", file=self._path, remedy=remedy) from error
                yield line

    def append(self, lines: Sequence[Line]) -> None:
        """Append the lines of a batch."""
        text = "".join(f"{json.dumps(self._to_json(line))}\n" for line in lines)
        with disk_errors(self._path, "cannot be written"), self._path.open("ab") as file:
            file.write(text.encode())

    @abstractmethod
    def _from_json(self, value: Any) -> Line:  # noqa: ANN401
        """Return a line, given its JSON value."""

    @abstractmethod
    def _to_json(self, line: Line) -> object:
        """Return the JSON value of a line."""
