"""Ingests killed and resumed, ingests shared by processes: the run is the same."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.command_line import PROGRAM, call, environment
from tests.drawn_data import draw_concept_data, write_untrained

pytestmark = pytest.mark.slow

INGEST = shlex.split(
    "ingest --model resnet18 --weights data/untrained.pth.tar --classes data/classes.txt"
    " --data data --quantile 0.05 --image-size 64 --batch-size 4 --workers 1"
)
KILLS = 6
ON_ONE_MACHINE = environment(GLOO_SOCKET_IFNAME="lo")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, weights, and the run that one undisturbed process makes of them."""
    folder = tmp_path_factory.mktemp("desk")
    write_untrained(draw_concept_data(folder / "data", 50, size=64))
    assert call(*INGEST, "--out", "alone.cg", folder=folder).status == 0
    names = (folder / "data" / "classes.txt").read_text(encoding="utf-8").splitlines()
    (folder / "other.txt").write_text("\n".join(reversed(names)), encoding="utf-8")
    return folder


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run; of its manifest what does not tell the time."""
    files = {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    manifest = json.loads(files.pop("manifest.json"))
    for name in ("uid", "name", "created", "timings"):
        del manifest[name]
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def torchrun(processes: int, *words: str) -> list[str]:
    launcher = f"-m torch.distributed.run --standalone --nproc-per-node {processes}"
    return [sys.executable, *launcher.split(), "-m", "conceptgraph.cli", *INGEST, *words]


def test_killed_at_any_moment_and_resumed_it_writes_the_same_run(desk: Path) -> None:
    rng = random.Random(0)
    words = [*PROGRAM, *INGEST, "--out", "killed.cg", "--resume", "--checkpoint-minutes", "0"]
    partial = desk / "killed.cg.partial"
    state = partial / "scratch" / "process 0" / "forward_pass.state"
    kills = 0
    while not (desk / "killed.cg").exists():
        with subprocess.Popen(words, cwd=desk, env=environment()) as process:
            while kills < KILLS and not state.exists() and process.poll() is None:
                time.sleep(0.01)
            if kills < KILLS:
                time.sleep(rng.uniform(0, 6))
                process.kill()
                kills += 1
            else:
                assert process.wait(120) == 0
    assert content(desk / "killed.cg") == content(desk / "alone.cg")
    assert not partial.exists()


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_an_ingest(desk: Path, processes: int) -> None:
    name = f"shared{processes}.cg"
    done = subprocess.run(
        torchrun(processes, "--out", name, "--json"),
        cwd=desk,
        env=ON_ONE_MACHINE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 50
    assert content(desk / name) == content(desk / "alone.cg")


def test_a_killed_worker_ends_the_ingest_and_resume_continues_it(desk: Path) -> None:
    words = torchrun(2, "--out", "worker.cg", "--resume", "--checkpoint-minutes", "0")
    partial = desk / "worker.cg.partial"
    with subprocess.Popen(
        words, cwd=desk, env=ON_ONE_MACHINE, stderr=subprocess.PIPE, text=True
    ) as process:
        while len(list(partial.glob("scratch/*/forward_pass.state"))) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(worker(1), signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert sum("--resume" in line and "--checkpoint" not in line for line in err.splitlines()) == 1
    assert subprocess.run(words, cwd=desk, env=ON_ONE_MACHINE, check=False).returncode == 0
    assert content(desk / "worker.cg") == content(desk / "alone.cg")


def worker(rank: int) -> int:
    """The process that torchrun has started as that rank."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # one that has ended, or is not ours
            variables = (process / "environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in variables and b"WORLD_SIZE=2" in variables:
                return int(process.name)
    pytest.fail(f"no process of rank {rank}")


def stopped(desk: Path, name: str, *more: str, hint: str = "--resume") -> None:
    """Leave an ingest half done."""
    words = [*PROGRAM, *INGEST, "--out", name, "--checkpoint-minutes", "0", *more]
    with subprocess.Popen(
        words, cwd=desk, env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        state = desk / f"{name}.partial" / "scratch" / "process 0" / "forward_pass.state"
        while not state.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == f"{name}.partial has what was done; {hint} resumes it"


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["--quantile", "0.1"], "quantile"),
        (["--iou", "lite"], "iou"),
        (["--model", "resnet34", "--weights", "random"], "network"),
        (["--classes", "other.txt"], "list of classes"),
    ],
)
def test_what_it_was_started_with_must_be_the_same(
    desk: Path, words: list[str], differs: str
) -> None:
    if not (desk / "stopped.cg.partial").exists():
        stopped(desk, "stopped.cg")
    done = call(*INGEST, "--out", "stopped.cg", "--resume", *words, folder=desk)
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert f"started with a different {differs}" in done.err
    assert (desk / "stopped.cg.partial").exists()


def test_without_resume_an_unfinished_run_is_left_alone(desk: Path) -> None:
    if not (desk / "stopped.cg.partial").exists():
        stopped(desk, "stopped.cg")
    done = call(*INGEST, "--out", "stopped.cg", folder=desk)
    assert done.status == 1
    assert "--resume" in done.err


def test_a_complete_run_is_not_made_again(desk: Path) -> None:
    before = (desk / "alone.cg" / "manifest.json").stat().st_mtime_ns
    assert call(*INGEST, "--out", "alone.cg", "--resume", folder=desk).status == 0
    assert (desk / "alone.cg" / "manifest.json").stat().st_mtime_ns == before
    done = call(*INGEST, "--out", "alone.cg", "--resume", "--quantile", "0.2", folder=desk)
    assert (done.status, "started with a different quantile" in done.err) == (1, True)


def test_an_unfinished_run_beside_a_complete_one(desk: Path) -> None:
    shutil.copytree(desk / "alone.cg", desk / "both.cg")
    stopped(desk, "both.cg", "--overwrite", "--blocks", "block4", hint="--overwrite --resume")
    refused = call(*INGEST, "--out", "both.cg", "--resume", folder=desk)
    assert (refused.status, "--overwrite" in refused.err) == (1, True)
    words = ("--out", "both.cg", "--resume", "--overwrite")
    differs = call(*INGEST, *words, folder=desk)
    assert (differs.status, "started with a different blocks" in differs.err) == (1, True)
    assert call(*INGEST, *words, "--blocks", "block4", folder=desk).status == 0
    assert not (desk / "both.cg" / "iou_block1.npy").exists()


def test_killed_when_only_the_name_was_missing(desk: Path) -> None:
    shutil.copytree(desk / "alone.cg", desk / "named.cg.partial")
    (desk / "named.cg.partial" / "scratch").mkdir()
    refused = call(*INGEST, "--out", "named.cg", "--resume", "--quantile", "0.2", folder=desk)
    assert (refused.status, "started with a different quantile" in refused.err) == (1, True)
    assert call(*INGEST, "--out", "named.cg", "--resume", folder=desk).status == 0
    assert content(desk / "named.cg") == content(desk / "alone.cg")
    assert json.loads((desk / "named.cg" / "manifest.json").read_text())["uid"] == "alone"


def test_what_was_not_started_is_deleted(desk: Path) -> None:
    stopped(desk, "torn.cg", "--blocks", "block4")
    (desk / "torn.cg.partial" / "scratch" / "started.json").unlink()
    (desk / "torn.cg.partial" / "iou_block9.npy").write_bytes(b"")
    assert call(*INGEST, "--out", "torn.cg", "--resume", folder=desk).status == 0
    assert content(desk / "torn.cg") == content(desk / "alone.cg")


def test_data_that_changed_since_is_refused(desk: Path) -> None:
    stopped(desk, "changed.cg")
    os.utime(next((desk / "data" / "images").rglob("*.jpg")), (1, 1))
    done = call(*INGEST, "--out", "changed.cg", "--resume", folder=desk)
    assert done.status == 1
    assert "state of an image or mask file" in done.err
