"""Files of JSON lines, appended batch by batch, so that what was cut off resumes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import msgspec

from ..errors import RunError
from ..files import wait_for_lock
from ..graph.run.files import decode_json, disk_errors, too_large
from ..graph.run.schema import LARGEST_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

Line = TypeVar("Line")


class LineFile(Generic[Line]):
    """A file of JSON lines, appended batch by batch.

    Attributes:
        kind: the type of a line, which `msgspec` reads and writes.
    """

    kind: ClassVar[Any]

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end: int | None = None

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
                wait_for_lock(file)
                for line in self._lines(file):
                    if not line.endswith(b"\n") or lines == all_lines:
                        break
                    lines, position = lines + 1, position + len(line)
                    if lines % batch == 0 or lines == all_lines:
                        complete, end = lines, position
                file.truncate(end)
        self._end = end
        return complete

    def __iter__(self) -> Iterator[Line]:
        """Yield all lines, without holding more than one in memory.

        Raises:
            RunError: the file cannot be read, or a line is not of this kind.
        """
        what, remedy = "not such rows", "Delete it, and start again"
        with disk_errors(self._path, "cannot be read"), self._path.open("rb") as file:
            for text in self._lines(file):
                yield cast("Line", decode_json(text, self.kind, self._path, what, remedy))

    def unfit(self, what: str) -> RunError:
        """Return the error for lines that are of something else."""
        return RunError(what, file=self._path, remedy="Delete it, and start again")

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield lines, of which none is larger than a JSON file can be."""
        while line := file.readline(LARGEST_JSON):
            if len(line) == LARGEST_JSON:
                raise too_large(self._path, "a long line", f"{LARGEST_JSON:,} bytes")
            yield line

    def append(self, lines: Sequence[Line]) -> None:
        """Append the lines of a batch.

        Raises:
            RunError: the file cannot be written, or another process has appended to it meanwhile,
                so that these lines would be in it twice.
        """
        content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        with disk_errors(self._path, "cannot be written"), self._path.open("ab") as file:
            wait_for_lock(file)
            if self._end not in (None, file.seek(0, os.SEEK_END)):
                what = "another process writes these rows"
                raise RunError(what, file=self._path, remedy="Wait for it, then start again")
            file.write(content)
            file.flush()
            self._end = file.tell()
