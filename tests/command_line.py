"""The command line for tests.

`call` calls it in this process, through `main`. `run` and `Program` give it a process of its own: a
fork of one that has imported everything, which takes 3 s. `run_cold` starts a new Python.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from conceptgraph.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.context import ForkServerProcess

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.whole_program"])
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


def run_cold(
    *words: object, folder: Path, env: dict[str, str] | None = None, **options: Any
) -> CommandResult:
    """Run a command in a new Python."""
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


def run(*words: object, folder: Path, env: dict[str, str] | None = None) -> CommandResult:
    """Run a command in a process of its own."""
    return Program(*words, folder=folder, env=env).wait(300)


class Program:
    """A command that runs in a process of its own; `cold`: in a new Python, which ends as one."""

    def __init__(
        self,
        *words: object,
        folder: Path,
        env: dict[str, str] | None = None,
        cold: bool = False,
    ) -> None:
        self._logs = tempfile.TemporaryDirectory()
        files = [Path(self._logs.name, name) for name in ("in", "out", "err")]
        for file in files:
            file.touch()
        self._out, self._err = files[1:]
        texts, variables = list(map(str, words)), environment(**(env or {}))
        process: subprocess.Popen[bytes] | ForkServerProcess
        if cold:
            with self._out.open("wb") as out, self._err.open("wb") as err:
                process = subprocess.Popen(
                    [*PROGRAM, *texts], cwd=folder, env=variables, stdout=out, stderr=err
                )
            self._status = process.poll
        else:
            arguments = (texts, folder, variables, files)
            fork = _FORKS.Process(target=become_the_program, args=arguments)
            fork.start()
            process = fork
            self._status = lambda: fork.exitcode
        assert process.pid is not None
        self.pid = process.pid

    @property
    def out(self) -> str:
        """Return what it has printed until now."""
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        """Return its messages until now."""
        return self._err.read_text("utf-8")

    @property
    def status(self) -> int | None:
        """Return its exit status; negative if a signal ended it, None while it runs."""
        return self._status()

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.status is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> CommandResult:
        """Return how it ended; kill it, and fail, if that takes longer."""
        end = time.monotonic() + seconds
        while (status := self.status) is None:
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"longer than {seconds} s: {self.out}{self.err}")
            time.sleep(0.005)
        return CommandResult(status, self.out, self.err)

    def kill(self) -> None:
        """End it, if it still runs."""
        self.send_signal(signal.SIGKILL)
        while self.status is None:
            time.sleep(0.005)


def become_the_program(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    files: Sequence[Path],
    prepare: Callable[[], object] | None = None,
) -> None:
    """Let this process, a fork, run a command with these variables and standard streams."""
    for number, file in enumerate(files):
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["conceptgraph", *words]
    sys.path.insert(0, str(folder))
    if prepare is not None:
        prepare()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    torch.set_num_threads(torch.get_num_threads())  # renews the pool, before two threads do
    main()


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
