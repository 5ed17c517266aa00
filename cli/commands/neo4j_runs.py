"""`conceptgraph load`, `runs` and `unload`: runs in a Neo4j database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..options import DatabaseOption, Labels, LabelsOption, Neo4jOption, RunOption

if TYPE_CHECKING:
    from ...graph.run.reader import Run

SECONDS_PER_EDGE = 1 / 25_000  # measured on two cores, for an estimate


def load(
    run_path: RunOption = None,
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    dense: Annotated[
        bool,
        typer.Option("--dense", help="Load every contribution, not only the strongest per target."),
    ] = False,
    labels: LabelsOption = Labels.MASKS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --dense.")] = False,
) -> None:
    """Load a run into Neo4j. Loading that was cut off resumes; a loaded run stays as it is.

    Example: [bold]conceptgraph load --run net.cg --neo4j bolt://localhost:7687[/bold]
    """
    from ..opening import open_chosen_run

    run = open_chosen_run(run_path, labels=labels)
    load_run(run, uri, database, dense=dense, confirm=not yes)


def load_run(
    run: Run, uri: str | None, database: str | None, *, dense: bool = False, confirm: bool = False
) -> None:
    """Load a run with progress bars; say on stderr what is loaded and what is left out."""
    from ...graph.records import records
    from ..opening import connect
    from ..terminal import ProgressBars, print_status

    graph = records(run, dense=dense)
    with connect(uri, database) as store:
        if dense:
            edges = len(graph.edges)
            print_status(f"{edges:,} edges, about {edges * SECONDS_PER_EDGE:.0f} s to load")
            if confirm:
                typer.confirm("Load them all?", abort=True, err=True)
        with ProgressBars().step("load", len(graph)) as advance:
            store.load(graph, advance)
        (loaded,) = (row for row in store.runs() if row.uid == run.name)
    parts = [f"{len(graph.nodes):,} nodes", f"{len(graph.edges):,} relationships"]
    if graph.explanations:
        parts.append(f"saved explanations: {len(graph.explanations)}")
    print_status(f"{run.name}: {', '.join(parts)} in Neo4j")
    if loaded.share_left_out:
        print_status(
            f"The strongest {loaded.edges_per_target} contributions per target and sign are "
            f"loaded; {loaded.share_left_out:.0%} of the positive weight is left out (--dense "
            "loads all)."
        )


def runs(
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the runs in a Neo4j database.

    Example: [bold]conceptgraph runs --neo4j bolt://localhost:7687[/bold]
    """
    from ..opening import connect
    from ..terminal import print_json, print_table

    with connect(uri, database) as store:
        loaded = store.runs()
    if as_json:
        print_json([run._asdict() for run in loaded])
        return
    print_table(
        "runs",
        ("run", "status", "model", "created", "edges per target", "weight left out"),
        [
            (
                run.uid,
                run.status,
                run.model or "",
                run.created or "",
                run.edges_per_target,
                f"{run.share_left_out:.0%}",
            )
            for run in loaded
        ],
        right="ef",
    )


def unload(
    run: Annotated[str, typer.Argument(help="The run's name, as `conceptgraph runs` shows it.")],
    uri: Neo4jOption = None,
    database: DatabaseOption = None,
) -> None:
    """Remove a run from a Neo4j database; the run directory stays.

    Example: [bold]conceptgraph unload net --neo4j bolt://localhost:7687[/bold]
    """
    from ..opening import connect, run_name
    from ..terminal import print_line

    name = run_name(run)
    with connect(uri, database) as store:
        store.unload(name)
    print_line(f"{name} is removed from Neo4j")
