"""`conceptgraph report`: a whole run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    Labels,
    LabelsOption,
    NetworkModelOption,
    RunOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)


def report(
    output: Annotated[Path, typer.Option("--out", "-o", help="The page to write, an HTML file.")],
    run_path: RunOption = None,
    versus: Annotated[
        Path | None, typer.Option(help="Another run to compare with: which labels changed.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="The unit of the last block to show with its classes; the one with the largest "
            "IoU if omitted."
        ),
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="The class to show with its units; the first if omitted."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="The image for the class activation map; one of the run's if omitted."),
    ] = None,
    labels: LabelsOption = Labels.MASKS,
    weights: WeightsOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
) -> None:
    """Write the whole run as one page that works offline, with the paper's figures and all units.

    Only the class activation map needs the network and an image. If they are gone, the page says
    so.

    Examples:
    [bold]conceptgraph report --run joined.cg -o report.html[/bold]
    [bold]conceptgraph report --versus broden.cg --class juggling -o report.html[/bold]
    """
    from ...graph.run.reader import open_run
    from ...pages.report_page import Report
    from ...pages.write import write_page
    from ..opening import labelled_run, open_chosen_run
    from ..terminal import print_line

    run = open_chosen_run(run_path, labels=labels)
    other = None if versus is None else labelled_run(open_run(versus), labels)
    choices = Report(
        other, unit, class_name, image, weights, model, trust_run=trust_run,
        trust_pickle=trust_pickle,
    )  # fmt: skip
    write_page(run, choices, output)
    print_line(f"page: {output}")
