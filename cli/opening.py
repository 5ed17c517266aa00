"""The run or the graph store that a command asks."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import StoreError
from .options import Labels
from .terminal import ProgressBars, print_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..graph.run.reader import Run
    from ..graph.stores.memory import MemoryStore
    from ..graph.stores.neo4j_store import Neo4jStore


def open_chosen_run(
    path: Path | None, *, labels: Labels = Labels.MASKS, all_labels: bool = False
) -> Run:
    """Open the run of --run, else of $CONCEPTGRAPH_RUN, else the newest one here.

    A run that was not given by --run is named on stderr.

    Args:
        path: the value of --run.
        labels: what names units.
        all_labels: let labels name units also where they do not hold as names.
    """
    from ..graph.run.reader import find_run, open_run

    chosen = find_run(path)
    if path is None:
        print_status(f"run: {chosen}")
    return labelled_run(open_run(chosen), labels, all_labels=all_labels)


def labelled_run(run: Run, labels: Labels, *, all_labels: bool = False) -> Run:
    """Return a run whose units are named as asked for.

    Raises:
        RunError: by words, and the run has none.
    """
    from ..graph.run.all_labels import AllLabels
    from ..graph.run.word_labels import word_run

    chosen = word_run(run, unsure=all_labels) if labels == Labels.WORDS else run
    return AllLabels(chosen) if all_labels else chosen


def open_demo_run(*, labels: Labels = Labels.MASKS, all_labels: bool = False) -> Run:
    """Open the demo's run; say on stderr that it is used, and that it is ingested first."""
    from ..demo.cached import demo_run, demo_run_path

    path = demo_run_path()
    print_status(f"run: the demo's, {path}")
    if not path.is_dir():
        print_status("the demo's network is dissected first (once)")
    return labelled_run(demo_run(ProgressBars()), labels, all_labels=all_labels)


def connect(
    uri: str | None, database: str | None, retry_seconds: float | None = None
) -> Neo4jStore:
    """Connect to a Neo4j server.

    Args:
        uri: of the server.
        database: the user's home database if None.
        retry_seconds: how long a transaction is retried; as long as a load waits if None.

    Raises:
        StoreError: no server was named, or it cannot be used.
    """
    if not uri:
        raise StoreError(
            "no Neo4j server is named", remedy="Give --neo4j bolt://… or set $NEO4J_URI"
        )
    from ..graph.stores.neo4j_store import RETRY_SECONDS, Neo4jStore

    user, password = os.environ.get("NEO4J_USERNAME"), os.environ.get("NEO4J_PASSWORD")
    retry = RETRY_SECONDS if retry_seconds is None else retry_seconds
    return Neo4jStore.connect(uri, user, password, database, retry_seconds=retry)


@contextmanager
def chosen_store(
    run: Path | None,
    uri: str | None,
    database: str | None,
    beside: Sequence[Path] = (),
    labels: Labels = Labels.MASKS,
) -> Iterator[tuple[MemoryStore | Neo4jStore, str]]:
    """Yield the store to ask, and the run's uid in it.

    With a server, `run`, else $CONCEPTGRAPH_RUN, names a run that is in it (camvid, or camvid.cg),
    and may be omitted when there is only one. Without a server it is a run directory, whose graph
    is built in memory, with those of the runs `beside` it. All are labelled as asked for; a
    server must have been loaded with the run so.
    """
    from ..graph.uids import word_run_uid

    if not uri:
        from ..graph.run.reader import open_run
        from ..graph.stores.memory import open_store

        opened = open_chosen_run(run, labels=labels)
        others = [labelled_run(open_run(path), labels) for path in beside]
        yield open_store(opened, *others), opened.name
        return
    if beside:
        problem = "a server's runs are all asked; load this one first"
        raise typer.BadParameter(problem, param_hint="--beside")
    named = run or os.environ.get("CONCEPTGRAPH_RUN")
    with connect(uri, database) as store:
        name = run_name(named) if named else _only_run(store)
        yield store, word_run_uid(name) if labels == Labels.WORDS else name


def run_name(given: Path | str) -> str:
    """Return the name in a database of a run given by that name or by its directory."""
    return Path(given).name.removesuffix(".cg")


def warn_of_incomplete_runs(store: MemoryStore | Neo4jStore) -> None:
    """Name on stderr the runs that are only partly loaded, which free Cypher can see."""
    for run in store.runs():
        if run.status != "complete":
            print_status(f"{run.uid} is incomplete (status: {run.status}); you see a part of it")


def say_what_is_kept(store: MemoryStore | Neo4jStore, run: str) -> None:
    """Say on stderr that what is missing in an answer may have been left out of the graph."""
    (loaded,) = (row for row in store.runs() if row.uid == run)
    if loaded.share_left_out:
        print_status(
            f"The graph keeps the {loaded.edges_per_target} strongest contributions per target and "
            f"sign, and leaves out {loaded.share_left_out:.0%} of the positive weight. What is "
            "missing from these rows, or 0, may be one that was not kept."
        )


def say_what_is_cut(rows: int) -> None:
    """Say on stderr that there are more rows than were asked for."""
    print_status(f"There are more rows than these {rows}: ask for more with --rows")


def _only_run(store: Neo4jStore) -> str:
    runs = [run.uid for run in store.runs()]
    if len(runs) == 1:
        return runs[0]
    raise StoreError(
        "which run is meant",
        found=", ".join(runs) or "none in the store",
        remedy="Name one with --run" if runs else "Load one with `conceptgraph load`",
    )
