"""A graph of ResNet-50's size on a real Neo4j: loading, questions, and interrupted loads.

    python -m benchmarks.neo4j            # 256/512/1024/2048 units, 1,000 classes, 1,200 concepts

The server is that of the tests (its jars are from Maven Central), on this machine with 2 GB of
heap. Loads are timed in processes of their own, from the first statement on a fresh server. The
time of a question is the median of five over one connection, after two that are not counted.
Interrupted is the load of a graph of ResNet-18's size: the client is killed, or the server is
killed and restarted, at random moments. After the next load the database must equal that of an
uninterrupted load. Interruptions that come after the end of the load are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.memory import peak_of_this_process
from conceptgraph.graph.records import records
from conceptgraph.graph.run.reader import open_run
from conceptgraph.graph.stores.neo4j_store import Neo4jStore
from conceptgraph.queries.catalogue import QUESTIONS, build, entry
from conceptgraph.queries.parameters import (
    BlockName,
    ClassUid,
    ConceptUid,
    ExplanationUid,
    ImageUid,
    TargetUid,
    UnitUid,
)
from conceptgraph.queries.question import picture_text
from tests.made_runs import random_run
from tests.neo4j_contents import database_content, expected_content
from tests.neo4j_server import NEO4J_5, NEO4J_2026, Neo4jServer, Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.queries.question import CypherQuestion

FLAGS = ("-Xmx2g", "-XX:TieredStopAtLevel=4")
EDGES_PER_TARGET = 22  # and sign: some 200,000 contributions
RESNET50 = {"block1": 256, "block2": 512, "block3": 1024, "block4": 2048}
RESNET18 = {"block1": 64, "block2": 128, "block3": 256, "block4": 512}
CATEGORIES = ("object", "part", "texture", "material", "color", "scene")
CHOICES: dict[object, list[str]] = {
    ClassUid: ["class/class 7", "class/class 9"],
    ConceptUid: ["texture/concept 2"],
    UnitUid: ["block4/7"],
    TargetUid: ["class/class 7"],
    BlockName: ["block4"],
    ImageUid: ["none"],
    ExplanationUid: ["none"],
}
"""Values of the parameters without a default, by their types."""


def make_run(folder: Path, widths: dict[str, int], classes: int, concepts: int) -> Run:
    """Write a run of random numbers."""
    return random_run(
        folder,
        widths,
        classes=[f"class {i}" for i in range(classes)],
        concepts=[f"{CATEGORIES[i % 6]}/concept {i}" for i in range(concepts)],
    )


def run_client(path: Path, edges_per_target: int | None) -> None:
    """Load a run in this process; print edges, seconds and peak memory as JSON."""
    graph = records(
        open_run(path), edges_per_target=edges_per_target, dense=edges_per_target is None
    )
    with Neo4jStore.connect(
        os.environ["NEO4J_URI"], "neo4j", os.environ["NEO4J_PASSWORD"]
    ) as store:
        print("connected", flush=True)
        start = time.perf_counter()
        store.load(graph)
        seconds = time.perf_counter() - start
    figures = {
        "edges": len(graph.edges),
        "seconds": seconds,
        "peak_gb": peak_of_this_process(),
    }
    print(json.dumps(figures), flush=True)


def start_client(
    server: Neo4jServer, path: Path, edges_per_target: int | None
) -> subprocess.Popen[str]:
    """Start a process that loads a run; return when its load starts."""
    options = ["--client", str(path), "--edges-per-target", str(edges_per_target or 0)]
    access = {"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.neo4j", *options],
        stdout=subprocess.PIPE,
        env={**os.environ, **access},
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "connected\n"
    return process


def time_load(server: Neo4jServer, path: Path, edges_per_target: int | None) -> dict[str, float]:
    """Time a load in a process of its own."""
    process = start_client(server, path, edges_per_target)
    assert process.stdout
    figures: dict[str, float] = json.loads(process.stdout.read())
    figures["edges_per_s"] = figures["edges"] / figures["seconds"]
    return figures


def questions(run: str) -> Iterator[CypherQuestion]:
    """Yield every question with example parameters."""
    for name, question in QUESTIONS.items():
        types, choices = question.parameter_types(), {k: iter(v) for k, v in CHOICES.items()}
        required = [p.name for p in entry(name).parameters if p.default is None]
        values = {parameter: next(choices[types[parameter]]) for parameter in required}
        yield build(name, run, values)


def time_questions(store: Neo4jStore, run: str) -> dict[str, float]:
    """Time each question, and each question's graph; milliseconds."""
    figures = {}
    for question in questions(run):
        text, parameters = question.cypher()
        texts = {question.name: text}
        if graph_text := picture_text(question.name):
            texts[f"{question.name}-graph"] = graph_text.cypher
        for name, cypher in texts.items():
            seconds = [_time(lambda: store.cypher(cypher, parameters)) for _ in range(7)][2:]  # noqa: B023
            figures[name] = 1000 * statistics.median(seconds)
    return figures


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interrupt_loads(server: Neo4jServer, run: Run, kills: int, restarts: int) -> dict[str, float]:
    """Count how often the database is complete after an interrupted load and the next one."""
    rng = random.Random(0)
    graph = records(run)
    expected = expected_content(graph)
    with Neo4jStore.connect(server.uri, server.user, server.password) as store:
        store.load(graph)
        store.unload(run.name)
        seconds = _time(lambda: store.load(graph))  # the server is warm now
        figures = {"edges": float(len(graph.edges)), "seconds": seconds, "kills": 0.0, "equal": 0.0}
        figures |= {"restarts": 0.0, "equal after restarts": 0.0}
        while figures["kills"] < kills:
            store.unload(run.name)
            process = start_client(server, run.path, 32)
            time.sleep(rng.uniform(0, seconds))
            in_time = process.poll() is None
            process.kill()
            process.wait()
            store.load(graph)
            figures["kills"] += in_time
            figures["equal"] += in_time and database_content(server) == expected
    while figures["restarts"] < restarts:
        server.clear()
        with Neo4jStore.connect(server.uri, server.user, server.password) as store:
            thread = threading.Thread(target=store.load, args=(graph,))
            thread.start()
            time.sleep(rng.uniform(0, seconds))
            in_time = thread.is_alive()
            server.restart()
            thread.join()
            store.load(graph)
        figures["restarts"] += in_time
        figures["equal after restarts"] += in_time and database_content(server) == expected
    return figures


def measure(folder: Path, server: Neo4jServer) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure loads and questions; yield each part and its figures."""
    run = make_run(folder / "resnet50.cg", RESNET50, 1000, 1200)
    yield "load, pruned", time_load(server, run.path, EDGES_PER_TARGET)
    with Neo4jStore.connect(server.uri, server.user, server.password) as store:
        yield "questions, ms", time_questions(store, run.name)
        yield "unload, pruned", {"seconds": _time(lambda: store.unload(run.name))}
        yield "load, dense", time_load(server, run.path, None)
        yield "unload, dense", {"seconds": _time(lambda: store.unload(run.name))}


def measure_interruptions(
    folder: Path, server: Neo4jServer, kills: int, restarts: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Interrupt loads on a server of its own, which has nothing else to recover."""
    run = make_run(folder / "resnet18.cg", RESNET18, 100, 300)
    yield "interrupted loads", interrupt_loads(server, run, kills, restarts)


def main() -> None:
    """Measure all parts and print them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", choices=("5", "2026"), default="5", help="Neo4j's version")
    parser.add_argument("--kills", type=int, default=20, help="loads whose client is killed")
    parser.add_argument("--restarts", type=int, default=5, help="loads whose server is killed")
    parser.add_argument(
        "--only-interruptions", action="store_true", help="leave the large graph out"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--client", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--edges-per-target", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        run_client(arguments.client, arguments.edges_per_target or None)
        return
    release = NEO4J_5 if arguments.server == "5" else NEO4J_2026
    figures = {}
    for part, values in _parts(release, arguments):
        figures[part] = values
        if not arguments.json:
            lines = (f"{name:32}{value:12,.2f}" for name, value in values.items())
            print(part, *lines, sep="\n    ")
    if arguments.json:
        print(json.dumps(figures))


def _parts(
    release: Release, arguments: argparse.Namespace
) -> Iterator[tuple[str, dict[str, float]]]:
    with tempfile.TemporaryDirectory() as name:
        if not arguments.only_interruptions:
            server = Neo4jServer(release, flags=FLAGS)
            yield from measure(Path(name), server)
            server.stop()
        server = Neo4jServer(release, flags=FLAGS)
        yield from measure_interruptions(Path(name), server, arguments.kills, arguments.restarts)
        server.stop()


if __name__ == "__main__":
    main()
