"""`conceptgraph check`: how far a run can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    JsonOption,
    NetworkModelOption,
    RunOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)


def check(
    images: Annotated[
        Path | None,
        typer.Option(
            help="A folder of images to explain, with its subfolders.",
            show_default="the concept data's own",
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many of them, drawn at random.")] = 16,
    dissected: Annotated[
        int,
        typer.Option(
            min=0,
            help="Images of the concept data to dissect with random weights; 0 leaves that out.",
        ),
    ] = 200,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 unless all lines hold.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of what is drawn at random.")] = 0,
    weights: WeightsOption = None,
    run_path: RunOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check how far a run can be believed: seven lines, each with what is usual and what to do.

    The lines are kept in the run; `report` shows them. A check without all lines does not replace
    one with all.

    Examples:
    [bold]conceptgraph check --run net.cg[/bold]
    [bold]conceptgraph check --images photos --strict[/bold]
    """
    from ...explain.check import check_run
    from ...explain.network import open_network
    from ...graph.run.check import write_check
    from ..opening import open_chosen_run
    from ..tables.check import print_check
    from ..terminal import ProgressBars, print_json, print_status

    run = open_chosen_run(run_path)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    checked = check_run(
        network,
        images,
        sample=sample,
        dissected=dissected,
        seed=seed,
        trust_run=trust_run,
        progress=ProgressBars(),
    )
    if not write_check(run, checked):
        print_status("not kept: the run has a check in which all lines were measured")
    if as_json:
        print_json(checked.to_json())
    else:
        print_check(run, checked)
    if strict and (checked.failed or checked.unmeasured):
        raise typer.Exit(1)
