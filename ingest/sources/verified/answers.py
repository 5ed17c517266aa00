"""The answers of people, in one CSV file that `data build` reads, too.

    image,category,label,xmin,ymin,xmax,ymax,image_width,image_height,worker,verified,region,time

Each answer is a row, on the disk before the page shows the next label. `verified` is yes, no, or
nothing for "cannot tell". The box is that of the label's region, `region` the digest of its mask. A
row that a crash cut off is removed when the file is opened again. The first answer and undoing
write the file anew, under another name first; nothing is written once another program has changed
the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import stat
import unicodedata
from contextlib import suppress
from datetime import datetime, timezone
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from ....errors import DataError
from ....files import atomic_file, read_whole
from ...concept_data.csv_tables import read_csv
from ...concept_data.labels import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWERS = {"yes": True, "no": False, "": None}
_WORKER = re.compile(r"\w[\w .@'’-]{0,59}")
"""A name without its combining marks; nothing that a spreadsheet takes for a formula."""
_LONGEST = 60


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
    plain = plain_name(name)
    letters = "".join(one for one in plain if not unicodedata.category(one).startswith("M"))
    if len(plain) > _LONGEST or not _WORKER.fullmatch(letters):
        raise DataError(
            f"the name {name[:80]!r} cannot be used",
            expected=f"up to {_LONGEST} letters, digits, spaces and . ' - _ @, "
            "a letter or digit first",
        )
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
        path: of the file, as the user named it; what a link leads to is locked and written.
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
        self._place = Path(os.path.realpath(path))
        _check_is_file(path)
        self._lock = None if read_only else _lock(path, self._place)
        try:
            self._stamp = _stamp(self._place)
            self._is_new = _has_no_header(path)
            if not self._is_new:
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
            DataError: it cannot be written, or another program has changed the file; it is as it
                was, but for a part of a row.
        """
        if self._is_new:
            self._write(lambda: _replace(self._place, _as_text([AnswerRow._fields, answer])))
        else:
            self._write(lambda: _append(self._place, _as_text([answer])))
        self._is_new = False
        self.answers.append(answer)

    def undo(self, worker: str) -> AnswerRow | None:
        """Remove the last answer of somebody; return it, or None if there is none.

        Raises:
            DataError: the file cannot be written, or another program has changed it; it is as it
                was.
        """
        places = [k for k, answer in enumerate(self.answers) if answer.worker == worker]
        if not places:
            return None
        kept = [answer for k, answer in enumerate(self.answers) if k != places[-1]]
        self._write(lambda: _replace(self._place, _as_text([AnswerRow._fields, *kept])))
        undone, self.answers = self.answers[places[-1]], kept
        return undone

    def _write(self, write: Callable[[], None]) -> None:
        if _stamp(self._place) != self._stamp:
            remedy = "Start `data verify` again, which reads it"
            raise DataError("was changed by another program", file=self.path, remedy=remedy)
        try:
            write()
        except OSError as error:
            raise DataError(f"cannot be written: {error.strerror}", file=self.path) from error
        finally:
            self._stamp = _stamp(self._place)

    def _repair(self) -> bool:
        """Remove a last row that was cut off; return whether there was one.

        Raises:
            DataError: not in UTF-8, in which rows are appended.
        """
        content = _read(self.path)
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            remedy = "Save the table as UTF-8"
            raise DataError("not UTF-8", file=self.path, found="UTF-16", remedy=remedy)
        repaired = _whole_rows(content)
        if repaired == content or not _is_utf_8(repaired):
            return False
        self._write(lambda: _replace(self._place, repaired))
        return len(repaired) < len(content)


def _check_is_file(path: Path) -> None:
    """Refuse folders, and what would wait for another program, such as a named pipe.

    Raises:
        DataError: no file, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise DataError(what, file=path, expected="a file of answers, .csv")


def _stamp(place: Path) -> tuple[int, int, int] | None:
    """Return what changes when another program writes a file; None if there is no file."""
    try:
        now_there = place.stat()
    except OSError:
        return None
    return now_there.st_ino, now_there.st_size, now_there.st_mtime_ns


def _read(path: Path) -> bytes:
    try:
        return read_whole(path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_no_header(path: Path) -> bool:
    """Return whether there is no file yet, or a crash left no more than a part of its first row."""
    if not path.exists():
        return True
    begin = _read(path).removeprefix(codecs.BOM_UTF8)
    return ",".join(AnswerRow._fields).encode().startswith(begin)


def _whole_rows(content: bytes) -> bytes:
    """Return a table of answers without a last row that was cut off; any other file as it is.

    A last row that only lacks its line end, as of some editor, gets it. An open quotation mark
    that swallows whole rows is nothing that a crash leaves, so it is not cut off, either.
    """
    columns, begin = AnswerRow._fields, len(content) - len(content.removeprefix(codecs.BOM_UTF8))
    # As many characters as bytes, and UTF-8 has no comma, quotation mark or line end in others.
    lines = io.StringIO(content[begin:].decode("latin-1"), newline="").readlines()
    ends = list(accumulate(map(len, lines), initial=begin))
    reader, last, end, has_header = csv.reader(lines, strict=True), list[str](), begin, False
    try:
        for cells in reader:
            if cells and not has_header:
                if tuple(cells) != columns:
                    return content
                has_header = True
            begin, end, last = end, ends[reader.line_num], cells
    except csv.Error as error:
        cut_off = content[end:]
        is_one_row = all(line.count(b",") < len(columns) - 1 for line in cut_off.splitlines())
        in_quotes = has_header and "unexpected end of data" in str(error)
        return content[:end] if in_quotes and is_one_row else content
    if content.endswith((b"\n", b"\r")):
        return content
    return content + b"\n" if len(last) >= len(columns) else content[:begin]


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
        try:
            cells["worker"] = check_worker(row.cells["worker"])
        except DataError as error:
            raise DataError(f"row {row.line}: {error}", file=path) from error
        answers.append(AnswerRow(**cells))  # type: ignore[arg-type]
    return answers


def _as_text(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _append(path: Path, content: bytes) -> None:
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


def _lock(path: Path, place: Path) -> TextIO | None:
    """Lock the file of answers; None where there is no `flock`.

    Args:
        path: as the user named it, for messages.
        place: where it is.

    Raises:
        DataError: it is locked, or no file can be written beside it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        file = place.with_name(f".{place.name}.lock").open("w", encoding="utf-8")
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
