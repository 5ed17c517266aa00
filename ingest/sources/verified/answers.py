"""The answers of people, in one CSV file that `data build` reads, too.

    image,category,label,xmin,ymin,xmax,ymax,image_width,image_height,worker,verified,region,time

Each answer is a row, on the disk before the page shows the next label. `verified` is yes, no, or
nothing for "cannot tell". The box is that of the label's region, `region` the digest of its mask. A
row that a crash cut off is removed when the file is opened again. Only undoing writes the file
anew, under another name first.
"""

from __future__ import annotations

import csv
import io
import os
import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple, TextIO

from ....errors import DataError
from ....files import atomic_file
from ...concept_data.csv_tables import read_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ANSWERS = {"yes": True, "no": False, "": None}
WORKER = re.compile(r"\w[\w .@'-]{0,59}")
"""Names of people: nothing that a spreadsheet takes for a formula."""


class AnswerRow(NamedTuple):
    """A row: what somebody said about a label.

    Attributes:
        image: its name in the data.
        category: of the concept.
        label: name of the concept.
        xmin: of the region's box, as `ymin` … in pixels of the image; `xmax` is just outside.
        ymin: likewise.
        xmax: likewise.
        ymax: likewise.
        image_width: in pixels.
        image_height: likewise.
        worker: who answered.
        verified: `yes`, `no`, or "" if they could not tell.
        region: digest of the region that was shown.
        time: when, in UTC.
    """

    image: str
    category: str
    label: str
    xmin: int
    ymin: int
    xmax: int
    ymax: int
    image_width: int
    image_height: int
    worker: str
    verified: str
    region: str
    time: str

    @property
    def is_yes(self) -> bool | None:
        """Yes or no; None for neither."""
        return ANSWERS[self.verified]


def check_worker(name: str) -> str:
    """Return the name of somebody who answers, without spaces around it.

    Raises:
        DataError: it cannot be one.
    """
    plain = " ".join(name.split())
    if not WORKER.fullmatch(plain):
        expected = "up to 60 letters, digits, spaces and . - _ @, a letter or digit first"
        raise DataError("name of a worker", found=repr(name[:80]), expected=expected)
    return plain


def answers_beside(folder: Path) -> Path:
    """Return the file of answers beside a data set, where replacing the set leaves it."""
    whole = folder.resolve()
    return (folder.parent if folder.name else whole.parent) / f"{whole.name}.verified.csv"


def now() -> str:
    """Return the time as answers state it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class AnswerFile:
    """The file of answers, open for writing by one server at a time; a context manager.

    Attributes:
        path: of the file.
        answers: its rows.
        was_cut_off: whether its last row was incomplete, and is removed.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Read the file; without one, it is written with the first answer.

        Args:
            path: of the file.
            read_only: nothing is to be added, so another server may be writing it.

        Raises:
            DataError: no such table, or another server has it open for writing.
        """
        self.path, self.answers, self.was_cut_off = path, list[AnswerRow](), False
        self._lock = None if read_only else _lock(path)
        try:
            if path.exists():
                self.was_cut_off = False if read_only else self._repair()
                self.answers = read_answers(path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others open the file."""
        if self._lock is not None:
            with suppress(OSError):
                os.unlink(self._lock.name)  # noqa: PTH108 (a name, while it is locked)
            self._lock.close()
            self._lock = None

    def add(self, answer: AnswerRow) -> None:
        """Append an answer, and flush it to the disk.

        Raises:
            DataError: it cannot be written; the file is as it was, but for a part of a row.
        """
        is_new = not self.path.exists()
        rows: list[Sequence[object]] = [AnswerRow._fields, answer] if is_new else [answer]
        self._write(lambda: _append(self.path, _as_text(rows), is_new=is_new))
        self.answers.append(answer)

    def undo(self, worker: str) -> AnswerRow | None:
        """Remove the last answer of somebody; return it, or None if there is none.

        Raises:
            DataError: the file cannot be written; it is as it was.
        """
        places = [k for k, answer in enumerate(self.answers) if answer.worker == worker]
        if not places:
            return None
        kept = [answer for k, answer in enumerate(self.answers) if k != places[-1]]
        self._write(lambda: _replace(self.path, _as_text([AnswerRow._fields, *kept])))
        undone, self.answers = self.answers[places[-1]], kept
        return undone

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", file=self.path) from error

    def _repair(self) -> bool:
        """Remove a last row that was cut off; return whether there was one."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", file=self.path) from error
        if not content or content.endswith(b"\n"):
            return False
        start = content.rfind(b"\n") + 1
        cells = next(csv.reader([content[start:].decode(errors="replace")]))
        is_whole = len(cells) == len(AnswerRow._fields)  # of some editor, or cut off in the time
        repaired = content + b"\n" if is_whole else content[:start]
        self._write(lambda: _replace(self.path, repaired))
        return not is_whole


def read_answers(path: Path) -> list[AnswerRow]:
    """Read a file of answers; a last row that is not complete yet is left out.

    Raises:
        DataError: unreadable, with other columns, or a row that is no answer.
    """
    bad_rows: list[tuple[int, DataError]] = []
    table = read_csv(path, AnswerRow._fields, bad_rows=bad_rows)
    last = max((row.line for row in table.rows), default=1)
    for line, error in bad_rows:
        if line < last or path.read_bytes().endswith(b"\n"):
            raise DataError(f"row {line}: {error}", file=path)
    if table.columns != AnswerRow._fields:
        raise DataError(
            "row 1: other columns",
            file=path,
            found=",".join(table.columns),
            expected=",".join(AnswerRow._fields),
            remedy="Give another file with --answers",
        )
    answers = []
    for row in table.rows:
        cells: dict[str, object] = dict(row.cells)
        for name in AnswerRow._fields[3:9]:
            cells[name] = table.integer(row, name, 0, 65_535)
        if row.cells["verified"] not in ANSWERS:
            found = repr(row.cells["verified"])
            raise table.error(row, "verified", found=found, expected="yes, no or nothing")
        if not row.cells["worker"]:
            raise table.error(row, "worker", found="nothing", expected="a name")
        answers.append(AnswerRow(**cells))  # type: ignore[arg-type]
    return answers


def _as_text(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _append(path: Path, content: bytes, *, is_new: bool) -> None:
    with path.open("ab", buffering=0) as file:  # a buffer would write the rest when it is closed
        before = file.tell()
        try:
            while content:
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        except OSError:  # a full disk: leave no part of a row
            with suppress(OSError):
                os.truncate(path, before)
            raise
    if is_new:
        _flush_folder(path)


def _replace(path: Path, content: bytes) -> None:
    with atomic_file(path, flush=True) as partial:
        partial.write_bytes(content)
    _flush_folder(path)


def _flush_folder(path: Path) -> None:
    """Flush the entry of a new file to the disk, where folders can be flushed."""
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lock(path: Path) -> TextIO | None:
    """Lock the file of answers; None where there is no `flock`.

    Raises:
        DataError: it is locked, or no file can be written beside it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    if path.is_dir():
        raise DataError("a folder", file=path, expected="a file of answers, .csv")
    try:
        file = path.with_name(f".{path.name}.lock").open("w", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", file=path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DataError(
            "another `data verify` writes these answers",
            file=path,
            remedy="Open its page, under a name of your own, or give another --answers",
        ) from None
    except OSError:  # a file system without locks
        pass
    return file
