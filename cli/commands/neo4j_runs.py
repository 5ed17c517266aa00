"""`conceptgraph load`, `runs` and `unload`: runs in a Neo4j database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..options import RunOption
from ..opening import DatabaseOption, Neo4jOption, connect, run_name

if TYPE_CHECKING:
    from ...graph.run.reader import Run

SECONDS_PER_EDGE = 1 / 25_000  # measured on two cores; a hint, not a promise


def load(
    run_path: RunOption = None,
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    dense: Annotated[
        bool,
        typer.Option("--dense", help="Load every contribution, not only the strongest per target."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --dense.")] = False,
) -> None:
    """Put a run into Neo4j; one that was cut off goes on, one that is in already stays as it is.

    Example: [bold]conceptgraph load --run net.cg --neo4j bolt://localhost:7687[/bold]
    """
    from ..terminal import open_chosen_run

    load_run(open_chosen_run(run_path), uri, database, dense=dense, sure=yes)


def load_run(
    run: Run, uri: str | None, database: str | None, *, dense: bool = False, sure: bool = True
) -> None:
    """Load a run, with progress, and say what is in and what was left out."""
    from ...graph.records import records
    from ...graph.stores.memory import kept_edges
    from ..terminal import Bars, remark

    found = records(run, edges_per_target=None if dense else kept_edges(run))
    with connect(uri, database) as store:
        if dense:
            edges = len(found.edges)
            remark(f"{edges:,} edges, about {edges * SECONDS_PER_EDGE:.0f} s to load")
            if not sure:
                typer.confirm("Load them all?", abort=True, err=True)
        with Bars().step("load", len(found)) as advance:
            store.load(found, advance)
        (loaded,) = (each for each in store.runs() if each.uid == run.name)
    parts = [f"{len(found.nodes):,} nodes", f"{len(found.edges):,} relationships"]
    if found.explained:
        parts.append(f"saved explanations: {len(found.explained)}")
    remark(f"{run.name}: {', '.join(parts)} in Neo4j")
    if loaded.share_left_out:
        remark(
            f"The strongest {loaded.edges_per_target} contributions per target and sign are in; "
            f"left out is {loaded.share_left_out:.0%} of the positive weight (--dense loads all)."
        )


def runs(
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """The runs that are in a Neo4j database.

    Example: [bold]conceptgraph runs --neo4j bolt://localhost:7687[/bold]
    """
    from ..terminal import print_json, print_table

    with connect(uri, database) as store:
        found = store.runs()
    if as_json:
        print_json([each._asdict() for each in found])
        return
    print_table(
        "runs",
        ("run", "status", "model", "created", "edges per target", "weight left out"),
        [
            (
                each.uid,
                each.status,
                each.model or "",
                each.created or "",
                each.edges_per_target,
                f"{each.share_left_out:.0%}",
            )
            for each in found
        ],
        right="ef",
    )


def unload(
    run: Annotated[str, typer.Argument(help="The run's name, as `conceptgraph runs` shows it.")],
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
) -> None:
    """Take a run out of a Neo4j database; the run directory stays.

    Example: [bold]conceptgraph unload net --neo4j bolt://localhost:7687[/bold]
    """
    from ..terminal import say

    name = run_name(run)
    with connect(uri, database) as store:
        store.unload(name)
    say(f"{name} is out of Neo4j")
