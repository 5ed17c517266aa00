"""Output on a terminal: lines, tables, progress bars, and JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from string import ascii_lowercase
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.progress import Progress, TaskID

    from ..queries.labels import ConceptLabel

CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}
"""For `str.translate`: names from a run cannot steer the terminal."""
CELL_LENGTH = 1000
"""Characters of a cell in a table; folding a text of millions takes minutes."""
# A pipe has no width: nothing is folded for it, unless $COLUMNS asks for it.
_WIDTH = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 10_000

out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False)


def print_line(text: str = "", style: str = "") -> None:
    """Print one line on stdout, unfolded and without markup."""
    out.print(_text(text, style), soft_wrap=True)


def print_note(text: str) -> None:
    """Print an explanation of a result on stdout, dimmed."""
    out.print(_text(text, "dim"))


def print_paragraph(text: str | None) -> None:
    """Print a paragraph of an answer on stdout, folded between words, and a blank line."""
    if text:
        out.print(Text(text))
        print_line()


def print_status(text: str) -> None:
    """Print one line on stderr, dimmed."""
    err.print(_text(text, "dim"), soft_wrap=True)


def print_json(value: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: str = ""
) -> None:
    """Print a table, or "none" if it has no rows.

    Args:
        title: a line above it.
        columns: their names.
        rows: of the table.
        right: the columns that align right, as letters of their positions, from a.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for letter, column in zip(ascii_lowercase, columns, strict=False):
        justify: Literal["left", "right"] = "right" if letter in right else "left"
        table.add_column(Text(column, style="dim"), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(_text(_shortened(str(cell))) for cell in row))
    print_line(title, "bold")
    if table.rows:
        out.print(table)
    else:
        print_note("none")
    print_line()


def _shortened(text: str) -> str:
    return text if len(text) <= CELL_LENGTH else text[: CELL_LENGTH - 1] + "…"


def concept_text(concept: ConceptLabel | None) -> str:
    """Return a unit's concept and its IoU, or a word and its AUC, as they stand behind the unit."""
    if concept is None:
        return "—"
    score = f"{concept.iou:.2f}" if concept.auc is None else f"AUC {concept.auc:.2f}"
    return f"{concept.name} ({score})"


def _text(text: str, style: str = "") -> Text:
    """Return text without markup; its control characters are printed as escapes."""
    return Text(text.translate(CONTROLS), style=style)


class ProgressBars:
    """Progress bars with the time left, on stderr if that is a terminal."""

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show one step; its line stays when it is done."""
        with _progress() as bars:
            task = bars.add_task(name, total=total)
            yield lambda done: bars.advance(task, done)
            bars.update(task, completed=total)

    def note(self, text: str) -> None:
        """Print what was chosen, and why, on stderr."""
        print_status(text)

    @contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show steps by their names; call what it yields with name, amount done, and total."""
        with _progress() as bars:
            tasks: dict[str, TaskID] = {}

            def update(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=done)

            yield update


def _progress() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, disable=not err.is_terminal)
