"""`conceptgraph report`: a whole run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import RunOption, TrustPickleOption, WeightsOption


def report(
    output: Annotated[Path, typer.Option("--out", "-o", help="The page to write, an HTML file.")],
    run_path: RunOption = None,
    versus: Annotated[
        Path | None, typer.Option(help="Another run, beside it: what changed meaning.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="The unit of the last block shown with its classes.")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="The class shown with its units.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="An image to show the class's activation map on. Without it: one of the run's."
        ),
    ] = None,
    weights: WeightsOption = None,
    trust_pickle: TrustPickleOption = False,
) -> None:
    """The whole run as one offline page, with the paper's figures and all units.

    Only the activation map needs the network and an image: where they are gone, the page says so.

    Examples:
    [bold]conceptgraph report --run joined.cg -o report.html[/bold]
    [bold]conceptgraph report --versus broden.cg --class juggling -o report.html[/bold]
    """
    from ...graph.run.reader import open_run
    from ...pages.report_cam import Sight
    from ...pages.report_page import Choices, write_report
    from ..terminal import open_chosen_run, say

    run = open_chosen_run(run_path)
    other = None if versus is None else open_run(versus)
    sight = Sight(image, weights, trust_pickle)
    write_report(run, Choices(other, unit, class_name, sight), output)
    say(f"page: {output}")
