"""What people see on a terminal: tables and progress on it, JSON for machines."""

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

from ..graph.run.reader import Run, any_run, find_run, open_run
from ..graph.run.significant import SignificantLabels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.progress import Progress, TaskID

    from ..queries.labels import ConceptLabel

# A pipe has no width: nothing is folded for it, unless $COLUMNS asks.
_WIDTH = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 10_000

out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False)


def say(text: str, style: str = "") -> None:
    """One line on stdout, left whole, its brackets left alone."""
    out.print(Text(text, style=style), soft_wrap=True)


def note(text: str) -> None:
    """What explains an answer, in small print."""
    out.print(Text(text, style="dim"))


def remark(text: str) -> None:
    """One line on stderr, in small print."""
    err.print(Text(text, style="dim"), soft_wrap=True)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def block_names(text: str | None) -> tuple[str, ...] | None:
    """The value of --blocks, `block3,block4`, as names."""
    return tuple(name.strip() for name in text.split(",")) if text else None


def open_chosen_run(
    explicit: Path | None,
    otherwise: Callable[[], Run] | None = None,
    *,
    significant: bool = False,
) -> Run:
    """The run that is meant, or the one of `otherwise` where there is none to choose from.

    One that was not named is named on stderr. With `significant` only labels beyond chance name its
    units.
    """
    if otherwise is not None and explicit is None and not any_run():
        run = otherwise()
    else:
        path = find_run(explicit)
        if explicit is None:
            remark(f"run: {path}")
        run = open_run(path)
    return SignificantLabels(run) if significant else run


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: str = ""
) -> None:
    """A table; the columns named in `right` (letters of their positions, from a) align right.

    Without rows it says that there are none.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for letter, column in zip(ascii_lowercase, columns, strict=False):
        justify: Literal["left", "right"] = "right" if letter in right else "left"
        table.add_column(Text(column, style="dim"), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    say(title, "bold")
    if table.rows:
        out.print(table)
    else:
        note("none")
    out.print()


def concept_text(concept: ConceptLabel | None) -> str:
    """A concept as it stands behind a unit."""
    return "—" if concept is None else f"{concept.name} ({concept.iou:.2f})"


class Bars:
    """Progress bars with the time left; silent when stderr is no terminal."""

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show one step, and leave its line standing when it is done."""
        with _progress() as bars:
            task = bars.add_task(name, total=total)
            yield lambda done: bars.advance(task, done)
            bars.update(task, completed=total)

    @contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show steps as they are told of: name, what is done, of how much."""
        with _progress() as bars:
            tasks: dict[str, TaskID] = {}

            def tell(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=done)

            yield tell


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
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, disable=not err.is_terminal)
