"""`conceptgraph export`: the graph, or one view of it, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    run_path: Annotated[Path | None, typer.Option("--run", help="A run, NAME.cg.")] = None,
) -> None:
    """The strongest paths to a class as one interactive page that needs no network.

    Example:
    [bold]conceptgraph export html --class juggling -o paths.html[/bold]
    """
    from ..queries.paths import class_paths
    from .page_content import class_page
    from .pictures import write_page
    from .terminal import block_names, open_chosen_run, say

    run = open_chosen_run(run_path)
    found = class_paths(run, class_name, blocks=block_names(blocks), top=top)
    write_page(class_page(run, found), output)
    say(f"page: {output}")
