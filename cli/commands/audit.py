"""`conceptgraph audit`: many labelled images, their confusions, and the concepts that push them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    JsonOption,
    NetworkModelOption,
    PathBlocksOption,
    RunOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)


def audit(
    images: Annotated[Path, typer.Option(help="The folder of the images.")],
    labels: Annotated[Path, typer.Option(help="A CSV file with the columns image and label.")],
    blocks: PathBlocksOption = None,
    tries: Annotated[
        int, typer.Option("--try", min=0, help="How many suspects to ablate on all images.")
    ] = 5,
    html: Annotated[Path | None, typer.Option(help="Also write a page.")] = None,
    weights: WeightsOption = None,
    run_path: RunOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find what the network confuses, which concepts push it there, and what ablating them changes.

    Concepts are those of the first of the blocks. An audit that was stopped resumes when it is
    started again.

    Example: [bold]conceptgraph audit --images photos --labels labels.csv --html audit.html[/bold]
    """
    from ...explain.audit import audit as run_audit
    from ...explain.audit import check_labels
    from ...explain.audit_labels import read_labels
    from ...explain.network import open_network
    from ...explain.no_answer import audit_note
    from ..opening import open_chosen_run
    from ..options import block_names
    from ..tables.audit import print_audit
    from ..terminal import ProgressBars, print_json, print_line

    rows = read_labels(labels)
    run = open_chosen_run(run_path)
    check_labels(run, images, rows)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    result = run_audit(
        network, images, rows, blocks=block_names(blocks), tries=tries, progress=ProgressBars()
    )
    why_options = [
        *(("--blocks", blocks) if blocks else ()),
        *(("--weights", weights) if weights else ()),
        *(("--model", model) if model else ()),
        *(("--trust-pickle",) if trust_pickle else ()),
    ]
    if html is not None:
        from ...pages.write import write_page

        write_page(run, result, html, why_options=why_options)
    no_answer = audit_note(run, result)
    if as_json:
        print_json({**result.to_json(), "no_answer": no_answer})
        return
    print_audit(run, result, no_answer, why_options)
    if html is not None:
        print_line(f"page: {html}")
