"""How long a user waits: `why` of a class and of an image, path search, the graph, start-up.

    python -m benchmarks.questions --model resnet18 --weights W --classes C --data D

First the data are ingested (not timed). Cold: the median of three processes. Warm: the median of
nine calls in one process, after two that are not counted.
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

from conceptgraph import Settings, class_paths, ingest, open_run, open_store
from conceptgraph.explain.explain import explain
from conceptgraph.explain.network import open_network
from conceptgraph.ingest.concept_data.opening import open_concept_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from conceptgraph.graph.run.reader import Run


def cold(folder: Path, *arguments: str) -> float:
    """Time a command that is run in a folder; seconds."""
    command = [sys.executable, "-m", "conceptgraph.cli", *arguments]
    return median_time(
        lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder),
        times=3,
        warm_up=0,
    )


def median_time(work: Callable[[], object], times: int = 9, warm_up: int = 2) -> float:
    """Time some work repeatedly and return the median; seconds."""
    seconds = []
    for _ in range(warm_up + times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warm_up:])


def figures_of(run: Run, image: Path) -> dict[str, float]:
    """Measure all waits; seconds."""
    name = str(run.classes["name"].iloc[0])
    options = ("--run", str(run.path), "--class", name)
    folder = run.path.parent
    network = open_network(run)
    blocks = tuple(run.blocks)
    return {
        "start-up (--help)": cold(folder, "--help"),
        "why of a class, cold": cold(folder, "why", *options),
        "why of an image, cold": cold(folder, "why", *options, "--image", str(image.resolve())),
        "why of an image, warm": median_time(lambda: explain(network, image, name)),
        "paths through all blocks, warm": median_time(
            lambda: class_paths(run, name, blocks=blocks)
        ),
        "graph in memory": median_time(lambda: open_store(open_run(run.path)), times=3, warm_up=1),
    }


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser of options that name a network and its data.

    Args:
        doc: the docstring of the module that is run; its first line is the description.
    """
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", required=True, help="checkpoint of the model")
    parser.add_argument("--classes", type=Path, required=True, help="file of class names")
    parser.add_argument("--data", type=Path, required=True, help="concept data, Broden layout")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main() -> None:
    """Ingest the data, measure the waits and print them."""
    arguments = make_parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = ingest(
            arguments.model,
            arguments.data,
            Path(folder) / "a.cg",
            Settings(quantile=0.05),
            weights=arguments.weights,
            classes=arguments.classes,
            device="cpu",
        )
        image = open_concept_data(arguments.data).images[0].path
        figures = {f"{name}: seconds": value for name, value in figures_of(run, image).items()}
    print(json.dumps(figures) if arguments.json else figures)


if __name__ == "__main__":
    main()
