"""`conceptgraph compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import AllLabelsOption, JsonOption


def compare(
    paths: Annotated[list[Path], typer.Argument(help="Two or more runs, NAME.cg.", metavar="RUN…")],
    blocks: Annotated[
        str | None, typer.Option(help="Only these blocks, block3,block4; all if omitted.")
    ] = None,
    all_labels: AllLabelsOption = False,
    top: Annotated[int, typer.Option(min=1, help="Changed units to show of each pair.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: their named units and concepts, and units whose label changed.

    Runs of one network, for example with two sets of concepts, are compared unit by unit. Others,
    for example two checkpoints, are compared by the concepts that they detect. The first run is
    compared with each of the others.

    Examples:
    [bold]conceptgraph compare broden.cg joined.cg --blocks block4[/bold]
    [bold]conceptgraph compare epoch1.cg epoch9.cg --all-labels[/bold]
    """
    from ...graph.run.reader import open_run
    from ...queries.compare import compare as compare_runs
    from ..options import block_names
    from ..tables.comparison import print_comparison
    from ..terminal import print_json

    runs = [open_run(path) for path in paths]
    comparison = compare_runs(runs, blocks=block_names(blocks), all_labels=all_labels)
    if as_json:
        print_json(comparison.to_json())
    else:
        print_comparison(comparison, top)
