"""`conceptgraph why`: the paths to a class, with or without an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import JsonOption, RunOption, SignificantOption, TrustPickleOption, WeightsOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...explain.ablation import Ablation
    from ...explain.explanation import Explanation
    from ...explain.network import RunNetwork
    from ...graph.run.reader import Run
    from ...queries.paths import ClassPaths


def why(
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="The class to explain; with --image, else what it predicts."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Explain what the network says of this image.")
    ] = None,
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
    beam: Annotated[
        int, typer.Option(min=1, help="With an image: endings of paths to follow at each block.")
    ] = 64,
    significant: SignificantOption = False,
    weights: WeightsOption = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="What if this concept were not there? Ablates its units. Repeatable."),
    ] = None,
    without_unit: Annotated[
        list[str] | None, typer.Option(help="The same of one unit, block3/17. Repeatable.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Blocks at which --without and --flip silence units.")
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere", help="AblationMask units on their whole maps, not where the concept is."
        ),
    ] = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="Find the fewest concepts whose loss changes it.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write an interactive page.")] = None,
    cam: Annotated[
        Path | None,
        typer.Option(
            help="Where the class activation map goes, PNG.", show_default="IMAGE.cam.png"
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Keep the explanation in the run; `load` takes it to Neo4j.")
    ] = True,
    run_path: RunOption = None,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Why a class: its strongest concept paths; with --image, why this image got this logit.

    Examples:
    [bold]conceptgraph why --class juggling[/bold]
    [bold]conceptgraph why --class juggling --significant[/bold]
    [bold]conceptgraph why --image x.jpg --html why.html[/bold]
    [bold]conceptgraph why --image x.jpg --class juggling --versus typing[/bold]
    [bold]conceptgraph why --image x.jpg --without "polka dotted" --flip[/bold]
    """
    if class_name is None and image is None:
        raise typer.BadParameter("give --class, --image, or both", param_hint="--class")
    if image is None:
        for option, value in (
            ("--versus", versus), ("--cam", cam), ("--weights", weights), ("--at", at),
            ("--without", without), ("--without-unit", without_unit), ("--flip", flip),
            ("--everywhere", everywhere),
        ):  # fmt: skip
            if value:
                raise typer.BadParameter("it needs --image", param_hint=option)
    from .demo import demo_run
    from ..terminal import block_names, open_chosen_run, print_json

    run = open_chosen_run(run_path, otherwise=demo_run, significant=significant)
    chosen = block_names(blocks)
    if image is None:
        from ...queries.paths import class_paths

        paths = class_paths(run, class_name or "", blocks=chosen, top=top)
        _write_and_print_paths(run, paths, html, as_json=as_json)
        return
    from ...explain.explain import explain
    from ...explain.network import open_network

    subject = open_network(run, weights=weights, trust_pickle=trust_pickle)
    found = explain(
        subject,
        image,
        class_name,
        versus=versus,
        blocks=chosen,
        top=top,
        method=method,
        beam=beam,
    )
    tried = _what_if(
        subject, found, without, without_unit, block_names(at), flip=flip, everywhere=everywhere
    )
    if cam is None and not as_json:
        cam = Path(f"{image.stem}.cam.png")
    _write_pictures(run, found, tried, cam, html)
    if keep:
        strict = {"significant": True} if significant else {}
        _keep(run, found, {"top": top, "beam": beam, **strict})
    if as_json:
        print_json({**found.to_json(), "what_if": [each.to_json() for each in tried]})
    else:
        from ..tables.explanation import print_explanation

        print_explanation(found, tried, cam, html)


def _keep(run: Run, found: Explanation, settings: dict[str, object]) -> None:
    """Keep it in the run's folder; a run that cannot be written to is not worth a failure."""
    from ...errors import ConceptGraphError
    from ...graph.run.explanations import save_explanation
    from ...pages.pictures import save_cam
    from ..terminal import remark

    answer = found.to_json()
    asked = {**settings, **{name: answer[name] for name in ("class", "versus", "method", "blocks")}}
    try:
        file = save_explanation(run, Path(found.image), asked, answer)
        save_cam(Path(found.image), found.cam, file.with_suffix(".png"))
    except ConceptGraphError as error:
        remark(f"not kept: {error}")


def _what_if(
    subject: RunNetwork,
    found: Explanation,
    concepts: list[str] | None,
    units: list[str] | None,
    at: tuple[str, ...] | None,
    *,
    flip: bool,
    everywhere: bool,
) -> list[Ablation]:
    """What was asked for: units silenced, and the least that changes the decision."""
    from ...explain.ablation import minimal_ablation_set, what_if

    tried = []
    if concepts or units:
        tried.append(
            what_if(
                subject,
                found.image,
                concepts=concepts or (),
                units=units or (),
                at=at,
                everywhere=everywhere,
                blocks=found.blocks,
            )
        )
    if flip:
        from ..terminal import remark

        least = minimal_ablation_set(subject, found, at=at, everywhere=everywhere)
        if least is None:
            remark("No few concepts were found whose loss changes the decision.")
        else:
            tried.append(least)
    return tried


def _write_pictures(
    run: Run,
    found: Explanation,
    tried: Sequence[Ablation],
    cam: Path | None,
    html: Path | None,
) -> None:
    from ...pages.path_content import explanation_page
    from ...pages.pictures import save_cam, write_page

    if cam is not None:
        save_cam(Path(found.image), found.cam, cam)
    if html is not None:
        write_page(explanation_page(run, found, tried), html)


def _write_and_print_paths(
    run: Run, found: ClassPaths, html: Path | None, *, as_json: bool
) -> None:
    from ..tables.explanation import print_class_paths
    from ..terminal import print_json, say

    if html is not None:
        from ...pages.path_content import class_page
        from ...pages.pictures import write_page

        write_page(class_page(run, found), html)
    if as_json:
        print_json(found.to_json())
        return
    print_class_paths(found)
    if html is not None:
        say(f"page: {html}")
