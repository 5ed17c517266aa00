"""`conceptgraph export`: the graph, or one view of it, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import RunOption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...graph.stores.memory import MemoryStore

app = typer.Typer(no_args_is_help=True, help="The graph, or one view of it, as a file.")


@app.callback()
def export() -> None:
    """The graph, or one view of it, as a file."""


@app.command()
def html(
    class_name: Annotated[str, typer.Option("--class", help="The class the paths lead to.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")],
    top: Annotated[int, typer.Option(min=1, help="Paths to show.")] = 30,
    blocks: Annotated[
        str | None, typer.Option(help="Neighbouring blocks the paths run through.")
    ] = None,
    run_path: RunOption = None,
) -> None:
    """The strongest paths to a class as one interactive page that needs no network.

    Example:
    [bold]conceptgraph export html --class juggling -o paths.html[/bold]
    """
    from ...pages.path_content import class_page
    from ...pages.pictures import write_page
    from ...queries.paths import class_paths
    from ..terminal import block_names, open_chosen_run, say

    run = open_chosen_run(run_path)
    found = class_paths(run, class_name, blocks=block_names(blocks), top=top)
    write_page(class_page(run, found), output)
    say(f"page: {output}")


Output = Annotated[Path, typer.Option("-o", "--output", help="The file to write.")]


@app.command()
def graphml(output: Output, run_path: RunOption = None) -> None:
    """The graph as GraphML, for Gephi, yEd, Cytoscape, networkx.

    Example:
    [bold]conceptgraph export graphml -o net.graphml[/bold]
    """
    from ...graph.exports.graph_files import write_graphml

    _export(run_path, {output: write_graphml})


@app.command()
def gexf(output: Output, run_path: RunOption = None) -> None:
    """The graph as GEXF, for Gephi.

    Example:
    [bold]conceptgraph export gexf -o net.gexf[/bold]
    """
    from ...graph.exports.graph_files import write_gexf

    _export(run_path, {output: write_gexf})


@app.command()
def json(output: Output, run_path: RunOption = None) -> None:
    """The graph as node-link JSON, for networkx and d3.

    Example:
    [bold]conceptgraph export json -o net.json[/bold]
    """
    from ...graph.exports.graph_files import write_json

    _export(run_path, {output: write_json})


@app.command()
def csv(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder for nodes.csv and relationships.csv.")
    ],
    run_path: RunOption = None,
) -> None:
    """The graph as two CSV tables, of nodes and of relationships.

    Example:
    [bold]conceptgraph export csv -o tables[/bold]
    """
    from ...graph.exports.graph_files import write_nodes, write_relationships

    output.mkdir(exist_ok=True)
    tables = {
        output / "nodes.csv": write_nodes,
        output / "relationships.csv": write_relationships,
    }
    _export(run_path, tables)


@app.command(name="neo4j-csv")
def neo4j_csv(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A new folder for the files and their script.")
    ],
    dense: Annotated[
        bool,
        typer.Option("--dense", help="Every contribution, not only the strongest per target."),
    ] = False,
    run_path: RunOption = None,
) -> None:
    """Files for `neo4j-admin database import full`, with the script that imports them.

    The quickest way into a new database: millions of relationships in seconds.

    Example:
    [bold]conceptgraph export neo4j-csv --dense -o files && files/import.sh[/bold]
    """
    from ...files import output_folder
    from ...graph.exports.neo4j_admin import write_import
    from ...graph.records import records
    from ...graph.stores.memory import kept_edges
    from ..terminal import Bars, open_chosen_run, say

    run = open_chosen_run(run_path)
    found = records(run, edges_per_target=None if dense else kept_edges(run))
    with Bars().step("write", len(found)) as advance, output_folder(output) as folder:
        write_import(found, folder, progress=advance)
    say(f"graph: {output}; import it with {output / 'import.sh'}")


def _export(
    run_path: Path | None, files: Mapping[Path, Callable[[MemoryStore, Path], None]]
) -> None:
    """Write the graph of a run, pruned as its settings say, in one form or more."""
    from ...files import output_file
    from ...graph.stores.memory import open_store
    from ..terminal import open_chosen_run, say

    store = open_store(open_chosen_run(run_path))
    for path, write in files.items():
        with output_file(path) as partial:
            write(store, partial)
        say(f"graph: {path}")
