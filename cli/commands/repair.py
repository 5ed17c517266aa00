"""`conceptgraph repair`: a network with a concept taken away as a reason for a class."""

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


def repair(
    class_name: Annotated[
        str, typer.Option("--class", help="The class that images are wrongly taken for.")
    ],
    concept: Annotated[
        str, typer.Option("--ablate", help="The concept that is the reason for it.")
    ],
    images: Annotated[Path, typer.Option(help="The folder of labelled images.")],
    labels: Annotated[
        Path,
        typer.Option(
            help="A CSV file with the columns image and label, and perhaps concept: yes or no, "
            "whether the concept is in the image (the presence probe says so if omitted)."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    force: Annotated[
        bool, typer.Option("--force", help="Write it even if it breaks more than it fixes.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Of the split into images to choose on, and images to report on.")
    ] = 0,
    weights: WeightsOption = None,
    run_path: RunOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a network in which a concept is ablated where it is, and what that does.

    Half of the images decide what is ablated; the other half is reported on, beside the network as
    it is, ablation everywhere, and a last layer retrained on balanced groups. The folder holds
    plain PyTorch: [bold]from network import load; model = load()[/bold]. Refused, with exit status
    1, if it breaks as many right answers as it fixes wrong ones.

    Examples:
    [bold]conceptgraph repair --class juggling --ablate "polka dotted" --images labelled
    --labels labels.csv --out repaired[/bold]
    [bold]conceptgraph repair --class painting --ablate color/purple --images labelled
    --labels labels.csv --out repaired --force --json[/bold]
    """
    from ...explain.audit_labels import read_labels_and_presence
    from ...explain.network import open_network
    from ...explain.repair import RepairRefusedError, check_repair
    from ...explain.repair import repair as run_repair
    from ...files import check_new_folder
    from ..opening import open_chosen_run
    from ..tables.repair import print_repair
    from ..terminal import ProgressBars, print_json

    rows, presence = read_labels_and_presence(labels)
    check_new_folder(out)
    run = open_chosen_run(run_path)
    check_repair(run, images, rows, concept, class_name)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    refusal = None
    try:
        result = run_repair(
            network,
            images,
            rows,
            concept,
            class_name,
            out,
            presence=presence,
            seed=seed,
            force=force,
            progress=ProgressBars(),
        )
    except RepairRefusedError as error:
        result, refusal = error.repair, error
    if as_json:
        print_json({**result.to_json(), "out": None if refusal else str(out)})
    else:
        print_repair(result, None if refusal else out)
    if refusal:
        raise refusal
