"""`conceptgraph evidence`: which concepts carry each class, over many images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import (
    JsonOption,
    NetworkModelOption,
    RunOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)

if TYPE_CHECKING:
    from ...graph.run.reader import Run


def evidence(
    images: Annotated[
        Path | None,
        typer.Option(
            help="A folder of images, with its subfolders.", show_default="the concept data's own"
        ),
    ] = None,
    versus: Annotated[
        str | None,
        typer.Option(
            help="Compare each class's logit with this class's.", show_default="the mean of all"
        ),
    ] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="Show this class only.")] = None,
    block: Annotated[
        str | None, typer.Option(help="Show this block.", show_default="the last but one")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Concepts and paths to show of each class, and in each block and category of "
            "--json.",
            show_default="8 of one class, 3 of several; all with --json",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh", help="Resume an interrupted one, or compute all images again."
        ),
    ] = True,
    weights: WeightsOption = None,
    run_path: RunOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find which concepts carry each class, and through which concepts, over many images.

    It is kept in the run, in place of earlier evidence, for `why --class`, for what is unusual
    about an image, and for the graph. What was stopped resumes when it is started again; images
    that did not change are not computed twice.

    Examples:
    [bold]conceptgraph evidence[/bold]
    [bold]conceptgraph evidence --images photos --class driving[/bold]
    """
    from ...explain.class_evidence import check_request, class_evidence
    from ...explain.name_sources import run_sources_note
    from ...explain.network import open_network
    from ..opening import open_chosen_run
    from ..tables.evidence import print_class_evidence, print_unreadable
    from ..terminal import ProgressBars, print_json, print_note

    run = open_chosen_run(run_path)
    check_request(run, images, versus=versus, trust_run=trust_run)
    chosen = _chosen_class(run, class_name)
    _check_block(run, block)
    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    result = class_evidence(
        network, images, versus=versus, resume=resume, trust_run=trust_run, progress=ProgressBars()
    )
    if as_json:
        names_by = {"names_by": run_sources_note(run) or None}
        print_json({**result.only(chosen, block, top).to_json(), **names_by})
        return
    classes = list(result.images) if chosen is None else [chosen]
    print_class_evidence(run, result.saved, classes, block, top)
    if note := run_sources_note(run):
        print_note(note)
    print_unreadable(result.unreadable)


def _chosen_class(run: Run, class_name: str | None) -> str | None:
    """Return the name of a class given by its name or uid."""
    from ...queries.labels import class_index

    if class_name is None:
        return None
    return str(run.classes["name"].iloc[class_index(run, class_name)])


def _check_block(run: Run, block: str | None) -> None:
    from ...errors import QueryError

    if block is not None and block not in run.blocks:
        what = f"run {run.name} has no {block!r}"
        raise QueryError(what, expected=", ".join(run.blocks))
