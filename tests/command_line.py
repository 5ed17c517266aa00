"""The command line as tests call it: in this process through `main`, or in one of its own."""

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

PROGRAM = (sys.executable, "-m", "conceptgraph.cli.app")


class Result(NamedTuple):
    status: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """This process's, less what would change what the command line prints or chooses."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONCEPTGRAPH_", "NEO4J_"))
        and name not in {"COLUMNS", "FORCE_COLOR"}
    }
    return {**kept, "OMP_NUM_THREADS": "1", **more}


def run(*words: object, folder: Path, env: dict[str, str] | None = None, **options: Any) -> Result:
    """A process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, words)],
        cwd=folder,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def call(*words: object, folder: Path) -> Result:
    """The same in this process, which has torch already; all but the start of the interpreter."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status: object = 0
    with _as_the_program(words, folder), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Result(int(str(status or 0)), *texts)


@contextmanager
def _as_the_program(words: tuple[object, ...], folder: Path) -> Iterator[None]:
    before, named = Path.cwd(), sys.argv
    stopping, variables = signal.getsignal(signal.SIGTERM), dict(os.environ)
    os.chdir(folder)
    sys.argv = ["conceptgraph", *map(str, words)]
    kept = environment()
    os.environ.clear()
    os.environ.update(kept)
    try:
        yield
    finally:
        os.chdir(before)
        sys.argv = named
        signal.signal(signal.SIGTERM, stopping)
        os.environ.clear()
        os.environ.update(variables)
