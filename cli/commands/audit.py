"""`conceptgraph audit`: many images, what their answers rely on, and what causes the mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...settings import AUDIT_THINGS, AUDIT_TRIES
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
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file with the columns image and label; all images of the folder if omitted."
        ),
    ] = None,
    blocks: PathBlocksOption = None,
    tries: Annotated[
        int, typer.Option("--try", min=0, help="How many suspects to ablate on all images.")
    ] = AUDIT_TRIES,
    things: Annotated[
        int,
        typer.Option(min=0, help="How many things of each image to paint over, each by itself."),
    ] = AUDIT_THINGS,
    html: Annotated[Path | None, typer.Option(help="Also write a page.")] = None,
    weights: WeightsOption = None,
    run_path: RunOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find what the answers to many images rely on; with labels, what causes the mistakes.

    Things that carry an answer are painted over, and images whose answer has the same reason are
    grouped. Concepts are those of the first of the blocks. An audit that was stopped resumes when
    it is started again.

    Example: [bold]conceptgraph audit --images photos --labels labels.csv --html audit.html[/bold]
    """
    from ...explain.audit import audit as run_audit
    from ...explain.audit import check_labels, image_files
    from ...explain.audit_labels import read_labels
    from ...explain.name_sources import run_sources_note
    from ...explain.network import open_network
    from ...explain.no_answer import audit_note
    from ..opening import open_chosen_run
    from ..options import block_names
    from ..tables.audit import print_audit
    from ..terminal import ProgressBars, print_json, print_line, print_note

    rows = None if labels is None else read_labels(labels)
    run = open_chosen_run(run_path)
    if rows is None:
        image_files(run, images)
    else:
        check_labels(run, images, rows)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    result = run_audit(
        network,
        images,
        rows,
        blocks=block_names(blocks),
        tries=tries,
        things=things,
        progress=ProgressBars(),
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
        notes = {"no_answer": no_answer, "names_by": run_sources_note(run) or None}
        print_json({**result.to_json(), **notes})
        return
    print_audit(run, result, no_answer, why_options)
    if names_by := run_sources_note(run):
        print_note(names_by)
    if html is not None:
        print_line(f"page: {html}")
