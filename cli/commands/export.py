"""`conceptgraph export`: the graph, or one view of it, as a file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import Labels, LabelsOption, PathBlocksOption, RunOption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...graph.stores.memory import MemoryStore

app = typer.Typer(no_args_is_help=True, help="Export the graph, or one view of it, as a file.")

OutputOption = Annotated[Path, typer.Option("-o", "--output", help="The file to write.")]


@app.callback()
def export() -> None:
    """Export the graph, or one view of it, as a file."""


@app.command()
def html(
    class_name: Annotated[str, typer.Option("--class", help="The class that the paths lead to.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")],
    top: Annotated[int, typer.Option(min=1, help="Paths to show.")] = 30,
    blocks: PathBlocksOption = None,
    labels: LabelsOption = Labels.MASKS,
    run_path: RunOption = None,
) -> None:
    """Export the strongest paths to a class as one interactive page that works offline.

    Example:
    [bold]conceptgraph export html --class juggling -o paths.html[/bold]
    """
    from ...pages.write import write_page
    from ...queries.paths import class_paths
    from ..opening import open_chosen_run
    from ..options import block_names
    from ..terminal import print_line

    run = open_chosen_run(run_path, labels=labels)
    paths = class_paths(run, class_name, blocks=block_names(blocks), top=top)
    write_page(run, paths, output)
    print_line(f"page: {output}")


@app.command()
def graphml(
    output: OutputOption, labels: LabelsOption = Labels.MASKS, run_path: RunOption = None
) -> None:
    """Export the graph as GraphML, for Gephi, yEd, Cytoscape and networkx.

    Example:
    [bold]conceptgraph export graphml -o net.graphml[/bold]
    """
    from ...graph.exports.graph_files import write_graphml

    _export(run_path, labels, {output: write_graphml})


@app.command()
def gexf(
    output: OutputOption, labels: LabelsOption = Labels.MASKS, run_path: RunOption = None
) -> None:
    """Export the graph as GEXF, for Gephi.

    Example:
    [bold]conceptgraph export gexf -o net.gexf[/bold]
    """
    from ...graph.exports.graph_files import write_gexf

    _export(run_path, labels, {output: write_gexf})


@app.command()
def json(
    output: OutputOption, labels: LabelsOption = Labels.MASKS, run_path: RunOption = None
) -> None:
    """Export the graph as node-link JSON, for networkx and d3.

    Example:
    [bold]conceptgraph export json -o net.json[/bold]
    """
    from ...graph.exports.graph_files import write_json

    _export(run_path, labels, {output: write_json})


@app.command()
def csv(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder for nodes.csv and relationships.csv.")
    ],
    labels: LabelsOption = Labels.MASKS,
    run_path: RunOption = None,
) -> None:
    """Export the graph as two CSV tables, of nodes and of relationships.

    Example:
    [bold]conceptgraph export csv -o tables[/bold]
    """
    from ...graph.exports.graph_files import write_nodes, write_relationships

    tables = {
        output / "nodes.csv": write_nodes,
        output / "relationships.csv": write_relationships,
    }
    _export(run_path, labels, tables, output)


@app.command(name="neo4j-csv")
def neo4j_csv(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A new folder for the files and their script.")
    ],
    dense: Annotated[
        bool,
        typer.Option("--dense", help="Every contribution, not only the strongest per target."),
    ] = False,
    labels: LabelsOption = Labels.MASKS,
    run_path: RunOption = None,
) -> None:
    """Export files for `neo4j-admin database import full`, with a script that imports them.

    This is the fastest way into a new database: millions of relationships in seconds.

    Example:
    [bold]conceptgraph export neo4j-csv --dense -o files && files/import.sh[/bold]
    """
    from ...files import output_folder
    from ...graph.exports.neo4j_admin import write_import
    from ...graph.records import records
    from ..opening import open_chosen_run
    from ..terminal import ProgressBars, print_line

    graph = records(open_chosen_run(run_path, labels=labels), dense=dense)
    with ProgressBars().step("write", len(graph)) as advance, output_folder(output) as folder:
        write_import(graph, folder, progress=advance)
    print_line(f"graph: {output}; import it with {output / 'import.sh'}")


def _export(
    run_path: Path | None,
    labels: Labels,
    files: Mapping[Path, Callable[[MemoryStore, Path], None]],
    folder: Path | None = None,
) -> None:
    """Write the graph of a run, pruned as its settings say, to one or more files.

    Args:
        run_path: the value of --run.
        labels: the value of --labels.
        files: what writes each of them.
        folder: to make for them, if need be.
    """
    from ...files import made_folder, output_files
    from ...graph.stores.memory import open_store
    from ..opening import open_chosen_run
    from ..terminal import print_line

    store = open_store(open_chosen_run(run_path, labels=labels))
    making = nullcontext() if folder is None else made_folder(folder)
    with making, output_files(*files) as partials:
        for write, partial in zip(files.values(), partials, strict=True):
            write(store, partial)
    for path in files:
        print_line(f"graph: {path}")
