"""How long a user waits: `why` of a class and of an image, path search, the graph, start-up.

    python -m benchmarks.questions --model resnet18 --weights W --classes C --data D

A run is made first (not timed). Cold: a process of its own, the middle of three. Warm: in one
process, the middle of nine, after two.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from conceptgraph import Settings, Source, class_paths, ingest, open_run, open_store
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import open_network
from conceptgraph.ingest.concept_data.opening import open_concept_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from conceptgraph import Run


def cold(folder: Path, *words: str) -> float:
    """Seconds of a command, run in that folder."""
    command = [sys.executable, "-m", "conceptgraph.cli", *words]
    return middle(
        lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder),
        times=3,
        warm_up=0,
    )


def middle(work: Callable[[], object], times: int = 9, warm_up: int = 2) -> float:
    """The middle of several times, in seconds."""
    taken = []
    for _ in range(warm_up + times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[warm_up:])


def figures_of(run: Run, image: Path) -> dict[str, float]:
    """All waits, in seconds."""
    name = str(run.classes["name"].iloc[0])
    at = ("--run", str(run.path), "--class", name)
    folder = run.path.parent
    subject = open_network(run)
    every = tuple(run.blocks)
    return {
        "start-up (--help)": cold(folder, "--help"),
        "why of a class, cold": cold(folder, "why", *at),
        "why of an image, cold": cold(folder, "why", *at, "--image", str(image.resolve())),
        "why of an image, warm": middle(lambda: explain(subject, image, name)),
        "paths through all blocks, warm": middle(lambda: class_paths(run, name, blocks=every)),
        "graph in memory": middle(lambda: open_store(open_run(run.path)), times=3, warm_up=1),
    }


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Arguments that name a network and its data; `doc` is the caller's."""
    found = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    found.add_argument("--model", default="resnet18")
    found.add_argument("--weights", required=True)
    found.add_argument("--classes", type=Path, required=True)
    found.add_argument("--data", type=Path, required=True)
    found.add_argument("--json", action="store_true")
    return found


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__).parse_args()
    source = Source(arguments.model, arguments.weights, arguments.classes, arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        run = ingest(source, Path(folder) / "a.cg", Settings(quantile=0.05), device="cpu")
        image = open_concept_data(arguments.data).images[0].path
        figures = {f"{name}: seconds": value for name, value in figures_of(run, image).items()}
    print(json.dumps(figures) if arguments.json else figures)


if __name__ == "__main__":
    main()
