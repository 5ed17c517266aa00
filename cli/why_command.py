"""`conceptgraph why`: the paths to a class, with or without an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..graph.errors import QueryError

if TYPE_CHECKING:
    from ..graph.run import Run


def why(
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="The class to explain; for an image, else its top."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Explain this image's logit.")] = None,
    versus: Annotated[
        str | None, typer.Option(help="With an image: explain the difference to this class.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Paths to show.")] = 10,
    blocks: Annotated[
        str | None, typer.Option(help="Neighbouring blocks the paths run through.")
    ] = None,
    method: Annotated[
        Literal["exact", "one-unit"],
        typer.Option(help="With an image: exact accounting, or the paper's edges × activation."),
    ] = "exact",
    weights: Annotated[
        str | None, typer.Option(help="Where the weights are now, if they moved since the ingest.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write an interactive page.")] = None,
    cam: Annotated[
        Path | None,
        typer.Option(
            help="Where the class activation map goes, PNG.", show_default="IMAGE.cam.png"
        ),
    ] = None,
    run_path: Annotated[Path | None, typer.Option("--run", help="A run, NAME.cg.")] = None,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Let the checkpoint run code.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Why a class: its strongest concept paths; with --image, why this image got this logit.

    Example: [bold]conceptgraph why --class juggling --image x.jpg --html why.html[/bold]
    """
    from .terminal import open_chosen_run, print_json

    run = open_chosen_run(run_path)
    chosen = tuple(block.strip() for block in blocks.split(",")) if blocks else None
    if image is None:
        if class_name is None:
            raise typer.BadParameter("give --class, --image, or both", param_hint="--class")
        _why_class(run, class_name, chosen, top, html, as_json=as_json)
        return
    from ..queries.explain import explain, open_subject

    if chosen not in (None, run.blocks[-2:]):
        raise QueryError(
            "the paths of an image run through the network's last two blocks",
            found=blocks,
            expected=",".join(run.blocks[-2:]),
        )
    subject = open_subject(run, weights=weights, trust_pickle=trust_pickle)
    found = explain(subject, image, class_name, versus=versus, top=top, method=method)
    if cam is None and not as_json:
        cam = Path(f"{image.stem}.cam.png")
    if cam is not None:
        from .pictures import save_cam

        save_cam(image, found.cam, cam)
    if html is not None:
        from .page_content import explanation_page
        from .pictures import write_page

        write_page(explanation_page(run, found), html)
    if as_json:
        print_json(found.to_json())
    else:
        from .answers import print_explanation

        print_explanation(found, cam, html)


def _why_class(
    run: Run,
    class_name: str,
    blocks: tuple[str, ...] | None,
    top: int,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    from ..queries.paths import class_paths
    from .answers import print_class_paths
    from .terminal import out, print_json

    found = class_paths(run, class_name, blocks=blocks, top=top)
    if html is not None:
        from .page_content import class_page
        from .pictures import write_page

        write_page(class_page(run, found), html)
    if as_json:
        print_json(found.to_json())
        return
    print_class_paths(found)
    if html is not None:
        out.print(f"page: {html}")
