"""Pages, search and many requests at once of the explorer, on a run of a ResNet-50's size.

    python -m benchmarks.explorer [--run NAME.cg] [--seconds 60]

Without a run one of random numbers is made: 3,840 units in four blocks, 1,000 classes, 1,200
concepts, evidence and flows of every class, five thumbnails a unit. The server is a process of its
own, asked over loopback. For each page: the median of nine requests, wall time of the client, and
CPU time of the server, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil  # type: ignore[import-untyped]
from PIL import Image

from conceptgraph import open_run
from conceptgraph.graph.run.class_evidence import write_class_evidence
from conceptgraph.graph.run.files import write_table
from conceptgraph.graph.run.schema import TABLES
from conceptgraph.graph.uids import split_concept
from tests.explorer_server import exploring
from tests.made_runs import random_run

if TYPE_CHECKING:
    from conceptgraph.graph.run.reader import Run
    from tests.explorer_server import ExplorerServer

WIDTHS = {"block1": 256, "block2": 512, "block3": 1024, "block4": 2048}
CLASSES = tuple(f"class {number:03d}" for number in range(1000))
SIZES = {"color": 11, "object": 552, "part": 200, "material": 32, "scene": 358, "texture": 47}
CONCEPTS = tuple(
    f"{name}/{name} {number}" for name, size in SIZES.items() for number in range(size)
)
SEEN, FLOWING = 60, 12
"""Concepts with evidence for a class in each block; those of two blocks that flows join."""
TIMES, AT_ONCE = 9, 20


def large_run(out: Path) -> Run:
    """Make the run."""
    run = random_run(out, WIDTHS, classes=CLASSES, concepts=CONCEPTS)
    (out / "thumbnails").mkdir(exist_ok=True)
    for number in range(64):
        pixels = np.random.default_rng(number).integers(0, 255, (112, 112, 3), np.uint8)
        Image.fromarray(pixels).save(out / f"thumbnails/{number}.jpg")
    uids = run.units["uid"].tolist()
    rows = [
        (uid, rank, f"image {(number * 5 + rank) % 20_000:05d}.jpg", 5.0 - rank,
         f"thumbnails/{(number + rank) % 64}.jpg")
        for number, uid in enumerate(uids)
        for rank in range(5)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(TABLES["top_images"]))
    write_table(out / "top_images.parquet", table, TABLES["top_images"])
    _add_evidence(run)
    return open_run(out)


def _add_evidence(run: Run) -> None:
    rng = np.random.default_rng(0)
    places = [split_concept(uid) for uid in CONCEPTS]
    evidence, flows = [], []
    for name in CLASSES:
        for block in WIDTHS:
            for place in rng.choice(len(places), SEEN, replace=False):
                mean = rng.normal()
                facts = (mean, 0.5, mean - 0.1, mean + 0.1, 20, 0.5, rng.random() / 2)
                evidence.append((name, block, *places[place], *facts))
        ends = rng.choice(len(places), (2, FLOWING), replace=False)
        flows += [
            (name, "block3", *places[a], "block4", *places[b], rng.normal(), 20, 0)
            for a in ends[0]
            for b in ends[1]
        ]
    names = ("class", "block", "category", "name", "mean", "spread", "low", "high", "images",
             "share", "coverage")  # fmt: skip
    flow_names = ("class", "source_block", "source_category", "source_name", "target_block",
                  "target_category", "target_name", "mean", "images", "rank")  # fmt: skip
    write_class_evidence(
        run,
        pd.DataFrame(evidence, columns=list(names)),
        pd.DataFrame(flows, columns=list(flow_names)),
        None,
        dict.fromkeys(CLASSES, 20),
    )


def pages_of(run: Run) -> dict[str, str]:
    """Return addresses of pages by their names."""
    unit, concept = str(run.units["uid"].iloc[-1]), str(run.concepts["uid"].iloc[50])
    name = str(run.classes["name"].iloc[0])
    other = str(run.classes["name"].iloc[1])
    image = str(run.top_images["image"].iloc[0])
    return {
        "first page": "/?run={}",
        "classes": "/classes?run={}",
        "class": f"/class?run={{}}&uid=class/{name}",
        "class beside another": f"/class?run={{}}&uid=class/{name}&versus={other}",
        "concepts": "/concepts?run={}",
        "concept": f"/concept?run={{}}&uid={concept}",
        "units": "/units?run={}",
        "units, filtered": "/units?run={}&block=block4&show=named&q=object&order=label",
        "unit": f"/unit?run={{}}&uid={unit}",
        "image": f"/image?run={{}}&uid={image}",
        "evidence": "/evidence?run={}",
        "evidence of a class": f"/evidence?run={{}}&class={name}",
        "question": f"/question?run={{}}&name=class-paths&class={name}",
        "thumbnail": f"/picture?run={{}}&unit={unit}&rank=0",
        "search: a unit": "/search.json?run={}&q=block4/1",
        "search: two words": "/search.json?run={}&q=object+55",
        "search: all": "/search.json?run={}&q=a",
        "search: like it": "/search.json?run={}&q=texure+12x",
    }


def time_pages(server: ExplorerServer, run: Run) -> dict[str, tuple[float, float]]:
    """Return wall and CPU milliseconds of each page."""
    process = psutil.Process(server.program.pid)
    times = {}
    for name, path in pages_of(run).items():
        address = path.format(run.path.stem).replace(" ", "+")
        assert server.get(address).status == 200, address
        before, wall = _cpu(process), []
        for _ in range(TIMES):
            start = time.perf_counter()
            server.get(address)
            wall.append(time.perf_counter() - start)
        cpu = (_cpu(process) - before) / TIMES
        times[name] = 1000 * statistics.median(wall), 1000 * cpu
    return times


def ask_at_once(server: ExplorerServer, run: Run, seconds: float) -> dict[str, float]:
    """Ask for all pages from many threads; return answers, errors, and memory."""
    process = psutil.Process(server.program.pid)
    addresses = [path.format(run.path.stem).replace(" ", "+") for path in pages_of(run).values()]
    end, waits, errors = time.perf_counter() + seconds, [], []

    def ask(number: int) -> None:
        while time.perf_counter() < end:
            number += 1
            start = time.perf_counter()
            status = server.get(addresses[number % len(addresses)]).status
            waits.append(time.perf_counter() - start)
            if status != 200:
                errors.append(status)

    before = process.memory_info().rss
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "answers": len(waits),
        "errors": len(errors),
        "slowest, s": max(waits),
        "memory before, GB": before / 1e9,
        "memory after, GB": process.memory_info().rss / 1e9,
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Serve the run, measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, help="a run; one is made if omitted")
    parser.add_argument("--seconds", type=float, default=60.0, help="of many requests at once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(arguments.run) if arguments.run else large_run(Path(folder) / "large.cg")
        with exploring(run.path.parent, "--run", run.path.absolute(), cold=True) as server:
            start = time.perf_counter()
            server.get("/")
            opening = time.perf_counter() - start
            figures = {
                "opening, s": opening,
                "pages, ms (wall, CPU)": time_pages(server, run),
                f"{AT_ONCE} at once": ask_at_once(server, run, arguments.seconds),
            }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
