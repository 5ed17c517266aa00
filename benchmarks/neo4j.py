"""A ResNet-50-sized graph on a real Neo4j: loading, asking, and being cut off.

    python -m benchmarks.neo4j            # 256/512/1024/2048 units, 1,000 classes, 1,200 concepts

The server is the tests' own (its jars from Maven Central), 2 GB of heap, on this machine. Loads are
timed in a process of their own, from the first statement on a server just started. Questions are
asked over one connection; of five answers the middle one counts, after two that warm up. For being
cut off, a ResNet-18-sized graph is loaded: the client is killed at random moments, the server
killed and started again; after the next load the database must equal that of an undisturbed one.
Only those count that came before the load was done.
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
KEPT = 22  # per target and sign: some 200,000 contributions
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
    """A run of random numbers."""
    return random_run(
        folder,
        widths,
        classes=[f"class {i}" for i in range(classes)],
        concepts=[f"{CATEGORIES[i % 6]}/concept {i}" for i in range(concepts)],
    )


def client(path: Path, kept: int | None) -> None:
    """In a process of its own: load a run, and say how long that took and what it needed."""
    found = records(open_run(path), edges_per_target=kept, dense=kept is None)
    with Neo4jStore.connect(
        os.environ["NEO4J_URI"], "neo4j", os.environ["NEO4J_PASSWORD"]
    ) as store:
        print("begun", flush=True)
        begun = time.perf_counter()
        store.load(found)
        seconds = time.perf_counter() - begun
    figures = {
        "edges": len(found.edges),
        "seconds": seconds,
        "peak_gb": peak_of_this_process(),
    }
    print(json.dumps(figures), flush=True)


def start_client(server: Neo4jServer, path: Path, kept: int | None) -> subprocess.Popen[str]:
    """Start `client` and wait until it has begun to load."""
    words = ["--client", str(path), "--kept", str(kept or 0)]
    access = {"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.neo4j", *words],
        stdout=subprocess.PIPE,
        env={**os.environ, **access},
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    return process


def load(server: Neo4jServer, path: Path, kept: int | None) -> dict[str, float]:
    """A whole load, in a process of its own."""
    process = start_client(server, path, kept)
    assert process.stdout
    figures: dict[str, float] = json.loads(process.stdout.read())
    figures["edges_per_s"] = figures["edges"] / figures["seconds"]
    return figures


def questions(run: str) -> Iterator[CypherQuestion]:
    """Yield every question, with its defaults."""
    for name, question in QUESTIONS.items():
        types, choices = question.parameter_types(), {k: iter(v) for k, v in CHOICES.items()}
        needed = [p.name for p in entry(name).parameters if p.default is None]
        yield build(name, run, {parameter: next(choices[types[parameter]]) for parameter in needed})


def warm(store: Neo4jStore, run: str) -> dict[str, float]:
    """Milliseconds for each question and each picture."""
    found = {}
    for question in questions(run):
        text, parameters = question.cypher()
        texts = {question.name: text}
        if twin := picture_text(question.name):
            texts[f"{question.name}-graph"] = twin.cypher
        for name, cypher in texts.items():
            seconds = [_time(lambda: store.cypher(cypher, parameters)) for _ in range(7)][2:]  # noqa: B023
            found[name] = 1000 * statistics.median(seconds)
    return found


def _time(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def disturbed(server: Neo4jServer, run: Run, kills: int, restarts: int) -> dict[str, float]:
    """How often the database was whole after a load that was cut off, and the next."""
    rng = random.Random(0)
    found = records(run)
    wanted = expected_content(found)
    with Neo4jStore.connect(server.uri, server.user, server.password) as store:
        store.load(found)
        store.unload(run.name)
        usual = _time(lambda: store.load(found))  # by now the server is warm
        figures = {"edges": float(len(found.edges)), "seconds": usual, "kills": 0.0, "equal": 0.0}
        figures |= {"restarts": 0.0, "equal after restarts": 0.0}
        while figures["kills"] < kills:
            store.unload(run.name)
            process = start_client(server, run.path, 32)
            time.sleep(rng.uniform(0, usual))
            in_time = process.poll() is None
            process.kill()
            process.wait()
            store.load(found)
            figures["kills"] += in_time
            figures["equal"] += in_time and database_content(server) == wanted
    while figures["restarts"] < restarts:
        server.clear()
        with Neo4jStore.connect(server.uri, server.user, server.password) as store:
            thread = threading.Thread(target=store.load, args=(found,))
            thread.start()
            time.sleep(rng.uniform(0, usual))
            in_time = thread.is_alive()
            server.restart()
            thread.join()
            store.load(found)
        figures["restarts"] += in_time
        figures["equal after restarts"] += in_time and database_content(server) == wanted
    return figures


def measure(folder: Path, server: Neo4jServer) -> Iterator[tuple[str, dict[str, float]]]:
    """Loading and asking, part by part."""
    run = make_run(folder / "resnet50.cg", RESNET50, 1000, 1200)
    yield "load, pruned", load(server, run.path, KEPT)
    with Neo4jStore.connect(server.uri, server.user, server.password) as store:
        yield "questions, ms", warm(store, run.name)
        yield "unload, pruned", {"seconds": _time(lambda: store.unload(run.name))}
        yield "load, dense", load(server, run.path, None)
        yield "unload, dense", {"seconds": _time(lambda: store.unload(run.name))}


def cut_off(
    folder: Path, server: Neo4jServer, kills: int, restarts: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Being cut off; on a server of its own, which need not recover what was done before."""
    small = make_run(folder / "resnet18.cg", RESNET18, 100, 300)
    yield "cut off", disturbed(server, small, kills, restarts)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", choices=("5", "2026"), default="5")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--only-cuts", action="store_true", help="leave the large graph out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        client(arguments.client, arguments.kept or None)
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
        if not arguments.only_cuts:
            server = Neo4jServer(release, flags=FLAGS)
            yield from measure(Path(name), server)
            server.stop()
        server = Neo4jServer(release, flags=FLAGS)
        yield from cut_off(Path(name), server, arguments.kills, arguments.restarts)
        server.stop()


if __name__ == "__main__":
    main()
