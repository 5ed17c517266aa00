"""Which graph a command asks: a Neo4j server, or a run's own, in memory."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..graph.stores.memory import MemoryStore
    from ..graph.stores.neo4j_store import Neo4jStore

Neo4jOption = Annotated[
    str | None,
    typer.Option(
        "--neo4j",
        envvar="NEO4J_URI",
        help="A Neo4j server, bolt://… or neo4j+s://…; user and password are read from "
        "$NEO4J_USERNAME and $NEO4J_PASSWORD only.",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", envvar="NEO4J_DATABASE", help="Its database; else your home one."),
]


def connect(uri: str | None, database: str | None) -> Neo4jStore:
    """The store behind a server.

    Raises:
        StoreError: no server was named, or it cannot be used.
    """
    if not uri:
        raise StoreError(
            "no Neo4j server is named", remedy="Give --neo4j bolt://… or set $NEO4J_URI"
        )
    from ..graph.stores.neo4j_store import Neo4jStore

    user, password = os.environ.get("NEO4J_USERNAME"), os.environ.get("NEO4J_PASSWORD")
    return Neo4jStore.connect(uri, user, password, database)


@contextmanager
def chosen_store(
    run: Path | None, uri: str | None, database: str | None, beside: Sequence[Path] = ()
) -> Iterator[tuple[MemoryStore | Neo4jStore, str]]:
    """The store to ask and the run's uid in it.

    With a server, `run`, else $CONCEPTGRAPH_RUN, names a run that is in it (camvid, or camvid.cg),
    and may be left out when there is only one. Without, it is a run directory, whose graph is made
    in memory, with those of the runs `beside` it.
    """
    if not uri:
        from ..graph.run.reader import open_run
        from ..graph.stores.memory import open_store
        from .terminal import open_chosen_run

        opened = open_chosen_run(run)
        yield open_store(opened, *map(open_run, beside)), opened.name
        return
    if beside:
        problem = "a server's runs are all asked; load this one first"
        raise typer.BadParameter(problem, param_hint="--beside")
    named = run or os.environ.get("CONCEPTGRAPH_RUN")
    with connect(uri, database) as store:
        yield store, run_name(named) if named else _only_run(store)


def run_name(given: Path | str) -> str:
    """The name in a database of a run that is given as it is there, or by its directory."""
    return Path(given).name.removesuffix(".cg")


def warn_of_half_loaded(store: MemoryStore | Neo4jStore) -> None:
    """Say on stderr which runs are not whole; free Cypher sees what there is of them."""
    from .terminal import remark

    for each in store.runs():
        if each.status != "complete":
            remark(f"{each.uid} is not whole (status: {each.status}); you see a part of it")


def _only_run(store: Neo4jStore) -> str:
    runs = [each.uid for each in store.runs()]
    if len(runs) == 1:
        return runs[0]
    raise StoreError(
        "which run is meant",
        found=", ".join(runs) or "none in the store",
        remedy="Name one with --run" if runs else "Load one with `conceptgraph load`",
    )
