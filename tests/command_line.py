"""The command line for tests: called in this process through `main`, or in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from conceptgraph.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = (sys.executable, "-m", "conceptgraph.cli")


class CommandResult(NamedTuple):
    status: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Return this process's variables without those that change what commands print or choose."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONCEPTGRAPH_", "NEO4J_"))
        and name not in {"COLUMNS", "FORCE_COLOR"}
    }
    return {**inherited, "OMP_NUM_THREADS": "1", **more}


def run(
    *words: object, folder: Path, env: dict[str, str] | None = None, **options: Any
) -> CommandResult:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, words)],
        cwd=folder,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


def call(*words: object, folder: Path) -> CommandResult:
    """Run a command in this process, which has imported torch already."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status: object = 0
    with _as_the_program(words, folder), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))
    return CommandResult(int(str(status or 0)), *texts)


@contextmanager
def _as_the_program(words: tuple[object, ...], folder: Path) -> Iterator[None]:
    folder_before, arguments = Path.cwd(), sys.argv
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    variables = dict(os.environ)
    os.chdir(folder)
    sys.argv = ["conceptgraph", *map(str, words)]
    clean = environment()
    os.environ.clear()
    os.environ.update(clean)
    try:
        yield
    finally:
        os.chdir(folder_before)
        sys.argv = arguments
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(variables)
