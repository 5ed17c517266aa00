"""`conceptgraph formulas`: unions, intersections and differences of concepts that units detect."""

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


def formulas(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the run's concept data are now.",
            show_default="where they were at the ingest",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, … or auto.")] = "auto",
    weights: WeightsOption = None,
    model: NetworkModelOption = None,
    run_path: RunOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find formulas of concepts for units: "water OR river", "bed AND NOT bedroom".

    A unit has one if it overlaps with the formula better than with any part of it, on images that
    had no part in the choice. The network runs once more over the run's concept data. Formulas are
    kept in the run; `show` has them on the cards of units.

    Example: [bold]conceptgraph formulas --run net.cg[/bold]
    """
    from ...explain.formulas import find_formulas, run_data, run_thresholds
    from ...explain.network import open_network
    from ...graph.run.formulas import write_formulas
    from ..opening import open_chosen_run
    from ..tables.formulas import formulas_json, print_formulas
    from ..terminal import ProgressBars, print_json

    run = open_chosen_run(run_path)
    run_thresholds(run)  # or what is wrong with the run, before the network is loaded
    concept_data = run_data(run, data, trust_run=trust_run)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    labels = find_formulas(network, concept_data, device=device, progress=ProgressBars())
    write_formulas(run, labels)
    if as_json:
        print_json(formulas_json(run, labels))
    else:
        print_formulas(run, labels)
