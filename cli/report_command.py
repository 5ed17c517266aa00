"""`conceptgraph report`: a whole run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    output: Annotated[Path, typer.Option("--out", "-o", help="The page to write, an HTML file.")],
    run_path: Annotated[Path | None, typer.Option("--run", help="A run, NAME.cg.")] = None,
    versus: Annotated[
        Path | None, typer.Option(help="Another run, beside it: what changed meaning.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="The unit of the last block shown with its classes.")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="The class shown with its units.")
    ] = None,
) -> None:
    """The whole run as one offline page, with the paper's figures and all units.

    Examples:
    [bold]conceptgraph report --run joined.cg -o report.html[/bold]
    [bold]conceptgraph report --versus broden.cg --class juggling -o report.html[/bold]
    """
    from ..graph.run import open_run
    from .report_page import Choices, write_report
    from .terminal import open_chosen_run, say

    run = open_chosen_run(run_path)
    other = None if versus is None else open_run(versus)
    write_report(run, Choices(other, unit, class_name), output)
    say(f"page: {output}")
