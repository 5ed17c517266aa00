"""A hostile machine: full disks, killed processes, few handles, little memory, two at once.

`python -m tests.hostile_machine --rounds 3 --seed 1` disturbs every command that writes, and prints
what came out; the tests take a short slice. However a command is disturbed, it ends, says at most
one line of error, and writes no traceback. What it writes is there as a whole or not at all, what
was there before is still there, and the same command, undisturbed, works afterwards and leaves no
more files than it would have without the disturbance.

Commands run in forks of this process, which has imported everything; `cold` ones in a new one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from conceptgraph.errors import ConceptGraphError
from conceptgraph.graph.records import records
from conceptgraph.graph.run.reader import open_run
from tests.annotation_files import coco, write_image, write_json
from tests.command_line import PROGRAM, become_the_program, environment
from tests.drawn_data import draw_concept_data
from tests.hostile_runs import make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Preparation = Callable[[], object]

SECONDS = 60
_NETWORK = "--model tests.lively_run:even_network"
_RUN = "--run lively.cg"
_INGEST = f"ingest {_NETWORK} --data drawn --quantile 0.1"
COMMANDS = {
    "ingest": f"{_INGEST} --out out/new.cg",
    "ingest --overwrite": f"{_INGEST} --out lively.cg --overwrite",
    "why --image": f"why --image x.jpg {_NETWORK} {_RUN} --html out/why.html --cam out/cam.png",
    "why --class": f"why --class 'class 1' --one-unit {_RUN} --html out/why.html",
    "report": f"report -o out/report.html {_RUN}",
    "export csv": f"export csv -o out/csv {_RUN}",
    "export graphml": f"export graphml -o out/net.graphml {_RUN}",
    "export gexf": f"export gexf -o out/net.gexf {_RUN}",
    "export json": f"export json -o out/net.json {_RUN}",
    "export neo4j-csv": f"export neo4j-csv -o out/files {_RUN}",
    "export html": f"export html --class 'class 1' -o out/paths.html {_RUN}",
    "data build": "data build coco.json --images pictures --out out/set",
    "data tags": "data tags tagged --out out/set",
    "data tags --overwrite": "data tags tagged --out old --overwrite",
    "data merge": "data merge old drawn --out out/set",
    "evidence": f"evidence --images photos {_NETWORK} {_RUN}",
    "audit": f"audit --images photos --labels labels.csv --html out/a.html {_NETWORK} {_RUN}",
    "formulas": f"formulas {_NETWORK} {_RUN}",
    "check": f"check --images photos {_NETWORK} {_RUN}",
}
"""The commands that write, by the name that the table gives them."""
READERS = {
    "query": f"query classes {_RUN} --json",
    "show": f"show block4/1 {_RUN}",
    "why": f"why --class 'class 1' {_RUN}",
}
"""Commands that only print."""


class Outcome(NamedTuple):
    """How a command ended; its status is negative if a signal ended it."""

    status: int
    out: str
    err: str
    seconds: float


class Reference(NamedTuple):
    """What a command does undisturbed: the files it makes, with their content, and its time."""

    made: dict[str, bytes]
    seconds: float


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with their content."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def make_machine(folder: Path, images: int = 44) -> Path:
    """Make a folder in which all commands work (formulas need 40 images); return it."""
    make_world(folder, images)
    write_json(folder / "coco.json", coco())
    for number, name in enumerate("ab"):
        write_image(folder / "pictures" / f"{name}.png", number)
    for number, image in enumerate(sorted((folder / "photos").iterdir())):
        target = folder / "tagged" / ("night" if number % 2 else "day")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    draw_concept_data(folder / "old", 3, size=64)
    (folder / "out").mkdir()
    return folder


def start(words: str, folder: Path, log: Path, prepare: Preparation | None = None) -> int:
    """Run a command in a fork of this process; return the fork's id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        status = _run_here(words, folder, log, prepare)
    except BaseException:  # nothing may come back into the other process
        with suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(status)


def _run_here(words: str, folder: Path, log: Path, prepare: Preparation | None) -> int:
    log.mkdir(exist_ok=True)
    files = [log / name for name in ("in", "out", "err")]
    for file in files:
        file.write_bytes(b"")
    try:
        become_the_program(shlex.split(words), folder, environment(), files, prepare)
    except SystemExit as end:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:  # before the command began, or after it
        return 130
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


def wait(child: int, log: Path, began: float) -> Outcome:
    """Wait for a fork; kill one that takes too long."""
    while True:
        done, state = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - began > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Outcome(-99, "", f"longer than {SECONDS} s", SECONDS)
        time.sleep(0.005)
    out, err = (
        path.read_text(errors="replace") if path.exists() else ""
        for path in (log / "out", log / "err")
    )
    return Outcome(os.waitstatus_to_exitcode(state), out, err, time.monotonic() - began)


def run(words: str, folder: Path, log: Path, prepare: Preparation | None = None) -> Outcome:
    """Run a command in a fork, and wait for it."""
    began = time.monotonic()
    return wait(start(words, folder, log, prepare), log, began)


class Machine:
    """A folder to copy, and what each command does there undisturbed."""

    def __init__(self, world: Path, log: Path) -> None:
        self.world, self.log = world, log
        self.before = tree(world)
        self._references: dict[str, Reference] = {}

    def reference(self, name: str) -> Reference:
        """Run a command undisturbed, the first time that it is asked for."""
        if name not in self._references:
            with self.copy() as folder:
                done = run(COMMANDS[name], folder, self.log)
                assert done.status == 0, (name, done)
                made = {path: c for path, c in tree(folder).items() if self.before.get(path) != c}
            self._references[name] = Reference(made, done.seconds)
        return self._references[name]

    @contextmanager
    def copy(self, kilobytes: int | None = None) -> Iterator[Path]:
        """Yield a copy of the folder, on a disk with so much room left if a number is given."""
        with tempfile.TemporaryDirectory(prefix="machine-") as name:
            folder = Path(name)
            if kilobytes is None:
                shutil.copytree(self.world, folder, dirs_exist_ok=True)
                yield folder
                return
            with small_disk(folder, kilobytes, self.world):
                yield folder


@contextmanager
def small_disk(folder: Path, kilobytes: int, world: Path) -> Iterator[None]:
    """Mount a disk with a copy of a folder and so much room left; needs root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", folder], check=True)
    try:
        shutil.copytree(world, folder, dirs_exist_ok=True)
        status = os.statvfs(folder)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
        option = f"remount,size={used + kilobytes}k"
        subprocess.run(["mount", "-o", option, folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def can_mount() -> bool:
    """Return whether this process may mount a disk."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "tmpfs", folder], check=False, capture_output=True
        )
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return done.returncode == 0


# What is looked at after a command


def problems(machine: Machine, name: str, folder: Path, done: Outcome) -> Iterator[str]:
    """Yield what a disturbed command did that it must not."""
    yield from problems_of_text(done)
    after, reference = tree(folder), machine.reference(name).made
    for path in sorted(set(machine.before) - set(after)):
        if path.split("/")[0] in {"lively.cg", "old"} and "--overwrite" in name:
            continue  # looked at as a whole below
        yield f"lost: {path}"
    was_killed = done.status == -signal.SIGKILL
    new = {path: content for path, content in after.items() if machine.before.get(path) != content}
    hidden = [path for path in new if ".partial" in path or ".earlier" in path]
    if hidden and not was_killed and "ingest" not in name:
        yield f"left: {hidden[0]}"
    visible = {path: content for path, content in new.items() if path not in hidden}
    for path, content in visible.items():
        if _kind(path) not in map(_kind, reference) and not _is_explanation(path):
            yield f"unexpected: {path}"
        elif not is_whole(path, content):
            yield f"not whole: {path}"
    for group in _groups(reference):
        there = [path for path in group if path in visible]
        if there and len(there) < len(group) and done.status != 0:
            yield f"only a part: {there[0]} without {sorted(set(group) - set(there))[0]}"
    yield from problems_of_run(folder / "lively.cg")


def problems_of_text(done: Outcome) -> Iterator[str]:
    """Yield what is wrong with the status and the messages of a command."""
    errors = [line for line in done.err.splitlines() if "conceptgraph: error: " in line]
    if "Traceback" in done.err:
        yield f"traceback: {done.err.strip().splitlines()[-1][:200]}"
    elif done.status not in {0, 1, 2, 129, 130, 143, -signal.SIGKILL}:
        yield f"status {done.status}: {done.err[-200:]}"
    elif done.status == 1 and len(errors) != 1 and "stdout" not in done.err:
        yield f"status 1 with {len(errors)} lines: {done.err[-200:]}"


def problems_of_run(run: Path) -> Iterator[str]:
    """Yield why a run that was there before is no run any more."""
    if not run.exists():
        if not run.with_name(f"{run.name}.earlier").exists():
            yield "lost: lively.cg"
        return
    try:
        opened = open_run(run)
        opened.check()
        graph = records(opened)
        assert list(graph.all_edges())
    except ConceptGraphError as error:
        yield f"broken run: {error}"


def _groups(reference: dict[str, bytes]) -> Iterator[list[str]]:
    """Yield the files that must appear together: those below one output, or all pages."""
    outputs: dict[str, list[str]] = {}
    for path in reference:
        top = "/".join(path.split("/")[:2]) if path.startswith("out/") else path
        is_file = path.count("/") == 1
        outputs.setdefault("files" if is_file and path.startswith("out/") else top, []).append(path)
    yield from (group for key, group in outputs.items() if key.startswith(("out/", "files")))


def _kind(path: str) -> str:
    """Return a path without the digest of what a file was made of, the folder among others."""
    return re.sub(r"[0-9a-f]{16}", "*", path)


def _is_explanation(path: str) -> bool:
    return "/explanations/" in path


def is_whole(path: str, content: bytes) -> bool:
    """Return whether a file ends as one of its kind does."""
    if path.endswith(".html"):
        return content.rstrip().endswith(b"</html>")
    if path.endswith((".graphml", ".gexf")):
        return content.rstrip().endswith((b"</graphml>", b"</gexf>"))
    if path.endswith(".json"):
        try:
            json.loads(content)
        except ValueError:
            return False
    if path.endswith(".png"):
        return content.endswith(b"IEND\xaeB`\x82")
    return bool(content)


def again(machine: Machine, name: str, folder: Path) -> Iterator[str]:
    """Run a command again, undisturbed; yield what is then not as it should be."""
    words = COMMANDS[name]
    done = run(words, folder, machine.log)
    if done.status and "unfinished run" in done.err:
        done = run(f"{words} --resume", folder, machine.log)
    if done.status and "exist" in done.err:
        return  # it had been finished
    if done.status:
        yield f"again: {done.err.strip()[-250:]}"
        return
    made = set(map(_kind, set(tree(folder)) - set(machine.before)))
    expected = set(map(_kind, set(machine.reference(name).made) - set(machine.before)))
    extra = {path for path in made - expected if not _is_explanation(path)}
    if extra or expected - made:
        yield f"again: {sorted(extra | (expected - made))[:3]} differ"


# Disturbances: each runs a command in a copy of the folder, and yields problems.


def full_disk(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    needed = sum(map(len, machine.reference(name).made.values())) // 1024 + 40
    room = round(needed * rng.random() ** 2) if rng.random() < 0.9 else 0
    if not can_mount():
        yield from small_files(machine, name, rng)
        return
    with machine.copy(room) as folder:
        yield from problems(machine, name, folder, run(COMMANDS[name], folder, machine.log))
        subprocess.run(["mount", "-o", "remount,size=1g", folder], check=True)
        yield from again(machine, name, folder)


def small_files(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    most = round(max(map(len, machine.reference(name).made.values())) * rng.random() ** 2)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    yield from _limited(machine, name, limit)


def few_handles(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    most = rng.choice([10, 12, 14, 16, 20, 24, 32, 64, 128])
    yield from _limited(machine, name, lambda: _limit(resource.RLIMIT_NOFILE, most))


def little_memory(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    more = rng.choice([0, 1, 4, 16, 64, 128, 256, 512]) << 20

    def limit() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + more)

    yield from _limited(machine, name, limit)


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


def _limited(machine: Machine, name: str, prepare: Preparation) -> Iterator[str]:
    with machine.copy() as folder:
        done = run(COMMANDS[name], folder, machine.log, prepare)
        yield from problems(machine, name, folder, done)
        yield from again(machine, name, folder)


def killed(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    yield from _signalled(machine, name, rng, signal.SIGKILL)


def stopped(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    number = rng.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    yield from _signalled(machine, name, rng, number)


def _signalled(
    machine: Machine, name: str, rng: random.Random, number: signal.Signals
) -> Iterator[str]:
    after = machine.reference(name).seconds * rng.uniform(0.02, 1.1)
    with machine.copy() as folder:
        began = time.monotonic()
        child = start(COMMANDS[name], folder, machine.log)
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.kill(child, number)
        done = wait(child, machine.log, began)
        if done.status == -number and number != signal.SIGKILL:
            done = done._replace(status=143)  # before the command had begun
        yield from problems(machine, name, folder, done)
        yield from again(machine, name, folder)


def read_only(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    if not can_mount():
        return
    with machine.copy(100_000) as folder:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield from problems(machine, name, folder, run(COMMANDS[name], folder, machine.log))
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        yield from again(machine, name, folder)


def vanishing_folder(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    """Rename a folder while a command uses it; only what it says is looked at."""
    gone = rng.choice(["out", "photos", "drawn", "lively.cg", "pictures", "tagged", "old"])
    with machine.copy() as folder:
        began = time.monotonic()
        child = start(COMMANDS[name], folder, machine.log)
        time.sleep(machine.reference(name).seconds * rng.random())
        with suppress(FileNotFoundError):
            (folder / gone).rename(folder / "elsewhere")
        yield from problems_of_text(wait(child, machine.log, began))


def unwritable_output(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    """Let stdout be a full disk, a pipe that nobody reads, or closed."""
    words = READERS[rng.choice(sorted(READERS))] if rng.random() < 0.5 else COMMANDS[name]
    kind = rng.choice(["full", "pipe", "closed"])

    def prepare() -> None:
        if kind == "full":
            handle = os.open("/dev/full", os.O_WRONLY)
        elif kind == "pipe":
            theirs, handle = os.pipe()
            os.close(theirs)
        else:
            handle = os.open(os.devnull, os.O_RDONLY)  # as closed: nothing can be written
        os.dup2(handle, 1)

    with machine.copy() as folder:
        done = run(words, folder, machine.log, prepare)
        if kind == "pipe" and done.status == 1 and not done.err:
            return
        yield from problems_of_text(done)


def two_at_once(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    with machine.copy() as folder:
        began = time.monotonic()
        logs = [machine.log / "first", machine.log / "second"]
        children = []
        for log in logs:
            log.mkdir(parents=True, exist_ok=True)
            children.append(start(COMMANDS[name], folder, log))
            time.sleep(machine.reference(name).seconds * rng.random() * 0.5)
        outcomes = [wait(child, log, began) for child, log in zip(children, logs, strict=True)]
        if all(done.status for done in outcomes):
            yield f"both fail: {outcomes[0].err[-200:]} {outcomes[1].err[-200:]}"
        worst = max(outcomes, key=lambda done: "Traceback" in done.err)
        yield from problems(machine, name, folder, worst._replace(status=0))
        for done in outcomes:
            yield from problems_of_text(done)


def replaced_run(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    """Replace the run, again and again, while a command reads it."""
    with machine.copy() as folder:
        ready = folder / "ready.cg"
        shutil.copytree(folder / "lively.cg", ready)
        began = time.monotonic()
        child = start(COMMANDS[name], folder, machine.log)
        time.sleep(machine.reference(name).seconds * rng.random())
        earlier = folder / "lively.cg.earlier"
        (folder / "lively.cg").rename(earlier)
        ready.rename(folder / "lively.cg")
        shutil.rmtree(earlier, ignore_errors=True)
        yield from problems_of_text(wait(child, machine.log, began))
        yield from problems_of_run(folder / "lively.cg")


def wrong_clock(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    """Let files be of the future, or of 1970, as after a clock that was set."""
    with machine.copy() as folder:
        for path in folder.rglob("*"):
            when = rng.choice([0, 1, 4102444800, time.time()])
            os.utime(path, (when, when))
        done = run(COMMANDS[name], folder, machine.log)
        if done.status:
            yield f"status {done.status}: {done.err[-200:]}"
        yield from problems(machine, name, folder, done)


def cold(machine: Machine, name: str, rng: random.Random) -> Iterator[str]:
    """Run a new process with a limit, a signal or a closed stream from its very start."""
    kind = rng.choice(["handles", "memory", "signal", "closed"])
    words = [*PROGRAM, *shlex.split(rng.choice([COMMANDS[name], *READERS.values()]))]
    prepare: Preparation | None = None
    if kind == "handles":
        prepare = lambda: _limit(resource.RLIMIT_NOFILE, rng.choice([64, 128]))  # noqa: E731
    elif kind == "memory":
        most = rng.choice([500, 1000, 1500, 2000, 3000]) << 20
        prepare = lambda: _limit(resource.RLIMIT_AS, most)  # noqa: E731
    elif kind == "closed":
        prepare = lambda: os.close(rng.choice([0, 1]))  # noqa: E731
    with machine.copy() as folder:
        process = subprocess.Popen(
            words, cwd=folder, env=environment(), preexec_fn=prepare,  # noqa: PLW1509
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if kind == "signal":
            time.sleep(rng.uniform(0.05, 4))
            process.send_signal(rng.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
        out, err = process.communicate(timeout=120)
        status = 143 if kind == "signal" and process.returncode < 0 else process.returncode
        for problem in problems_of_text(Outcome(status, out, err, 0)):
            yield f"{kind}: {problem}"


DISTURBANCES: tuple[Callable[[Machine, str, random.Random], Iterator[str]], ...] = (
    full_disk, small_files, killed, stopped, few_handles, little_memory, read_only,
    vanishing_folder, unwritable_output, two_at_once, replaced_run, wrong_clock, cold,
)  # fmt: skip


def try_machine(
    machine: Machine, trials: list[tuple[str, str, int]], seed: int
) -> dict[tuple[str, str, int], list[str]]:
    """Disturb commands; return the problems of each trial (disturbance, command, number)."""
    by_name = {function.__name__: function for function in DISTURBANCES}
    found = {}
    for kind, name, number in trials:
        rng = random.Random(f"{seed}/{kind}/{name}/{number}")
        found[kind, name, number] = list(by_name[kind](machine, name, rng))
    return found


def main() -> None:
    """Disturb all commands, and print what came out."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="of all commands")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="a disturbance. Repeatable.")
    parser.add_argument("--command", action="append", choices=COMMANDS, help="Repeatable.")
    options = parser.parse_args()
    Image.init()
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as world, tempfile.TemporaryDirectory() as log:
        machine = Machine(make_machine(Path(world)), Path(log))
        lines = ["| disturbance | trials | problems |", "|---|--:|--:|"]
        for function in DISTURBANCES:
            kind = function.__name__
            if options.only and kind not in options.only:
                continue
            names = options.command or list(COMMANDS)
            trials = [(kind, name, n) for n in range(options.rounds) for name in names]
            failed = 0
            for trial in trials:
                ((_, found),) = try_machine(machine, [trial], options.seed).items()
                failed += bool(found)
                for problem in found:
                    sys.stderr.write(f"{' '.join(map(str, trial))}: {problem}\n")
                    sys.stderr.flush()
            lines.append(f"| {kind.replace('_', ' ')} | {len(trials)} | {failed} |")
            sys.stderr.write(lines[-1] + "\n")
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
