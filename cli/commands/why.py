"""`conceptgraph why`: the paths to a class, with or without an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import (
    AllLabelsOption,
    JsonOption,
    PathBlocksOption,
    RunOption,
    TrustPickleOption,
    WeightsOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...explain.ablation import Ablation
    from ...explain.explanation import Explanation
    from ...explain.network import RunNetwork
    from ...graph.run.reader import Run


def why(
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class", help="The class to explain; with --image, the predicted class if omitted."
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Explain what the network predicts for this image.")
    ] = None,
    versus: Annotated[
        str | None, typer.Option(help="With --image: explain the difference to this class.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Paths to show.")] = 10,
    blocks: PathBlocksOption = None,
    method: Annotated[
        Literal["exact", "one-unit"],
        typer.Option(
            help="With --image: exact accounting, or one-unit contributions × activation."
        ),
    ] = "exact",
    beam: Annotated[
        int, typer.Option(min=1, help="With --image: path suffixes to extend at each block.")
    ] = 64,
    all_labels: AllLabelsOption = False,
    weights: WeightsOption = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            help="With --image: ablate the units that detect this concept, and run the network. "
            "Repeatable."
        ),
    ] = None,
    ablate_unit: Annotated[
        list[str] | None,
        typer.Option(help="With --image: ablate this unit, block3/17. Repeatable."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Blocks at which --ablate and --flip ablate units; all if omitted."),
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere", help="Ablate units on their whole maps, not only where present."
        ),
    ] = False,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip", help="With --image: find few concepts whose ablation changes the decision."
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write an interactive page.")] = None,
    cam: Annotated[
        Path | None,
        typer.Option(
            help="With --image: the class activation map to write, PNG.",
            show_default="IMAGE.cam.png",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Save the explanation in the run; `load` takes it to Neo4j.")
    ] = True,
    run_path: RunOption = None,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Explain a class by its strongest concept paths; with --image, explain the logit of one image.

    Examples:
    [bold]conceptgraph why --class juggling[/bold]
    [bold]conceptgraph why --class juggling --all-labels[/bold]
    [bold]conceptgraph why --image x.jpg --html why.html[/bold]
    [bold]conceptgraph why --image x.jpg --class juggling --versus typing[/bold]
    [bold]conceptgraph why --image x.jpg --ablate "polka dotted" --flip[/bold]
    """
    if class_name is None and image is None:
        raise typer.BadParameter("give --class, --image, or both", param_hint="--class")
    if image is None:
        for option, value in (
            ("--versus", versus), ("--cam", cam), ("--weights", weights), ("--at", at),
            ("--ablate", ablate), ("--ablate-unit", ablate_unit), ("--flip", flip),
            ("--everywhere", everywhere),
        ):  # fmt: skip
            if value:
                raise typer.BadParameter("it needs --image", param_hint=option)
    from ..opening import open_chosen_run, open_demo_run
    from ..options import block_names
    from ..terminal import print_json, print_line

    run = open_chosen_run(run_path, otherwise=open_demo_run, all_labels=all_labels)
    if image is None:
        _explain_class(run, class_name or "", block_names(blocks), top, html, as_json=as_json)
        return
    from ...explain.explain import explain
    from ...explain.network import open_network

    network = open_network(run, weights=weights, trust_pickle=trust_pickle)
    explanation = explain(
        network,
        image,
        class_name,
        versus=versus,
        blocks=block_names(blocks),
        top=top,
        method=method,
        beam=beam,
    )
    ablations = _run_ablations(
        network, explanation, ablate or (), ablate_unit or (),
        at=block_names(at), everywhere=everywhere, flip=flip,
    )  # fmt: skip
    if cam is None and not as_json:
        cam = Path(f"{image.stem}.cam.png")
    _write_files(run, explanation, ablations, cam, html)
    if keep:
        extra = {"all_labels": True} if all_labels else {}
        _save(run, explanation, {"top": top, "beam": beam, **extra})
    if as_json:
        what_if = [ablation.to_json() for ablation in ablations]
        print_json({**explanation.to_json(), "what_if": what_if})
        return
    from ..tables.explanation import print_explanation

    print_explanation(explanation, ablations)
    print_line(f"class activation map: {cam}")
    if html is not None:
        print_line(f"page: {html}")


def _explain_class(
    run: Run,
    class_name: str,
    blocks: tuple[str, ...] | None,
    top: int,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    from ...queries.paths import class_paths
    from ..tables.explanation import print_class_paths
    from ..terminal import print_json, print_line

    paths = class_paths(run, class_name, blocks=blocks, top=top)
    if html is not None:
        from ...pages.write import write_page

        write_page(run, paths, html)
    if as_json:
        print_json(paths.to_json())
        return
    print_class_paths(paths)
    if html is not None:
        print_line(f"page: {html}")


def _run_ablations(
    network: RunNetwork,
    explanation: Explanation,
    concepts: Sequence[str],
    units: Sequence[str],
    *,
    at: tuple[str, ...] | None,
    everywhere: bool,
    flip: bool,
) -> list[Ablation]:
    """Run the ablations that were asked for; say on stderr if --flip finds none."""
    from ...explain.ablation import ablate, minimal_ablation_set
    from ..terminal import print_status

    ablations = []
    if concepts or units:
        ablations.append(
            ablate(
                network,
                explanation.image,
                concepts=concepts,
                units=units,
                at=at,
                everywhere=everywhere,
                blocks=explanation.blocks,
            )
        )
    if flip:
        minimal = minimal_ablation_set(network, explanation, at=at, everywhere=everywhere)
        if minimal is None:
            print_status("No ablation of a few concepts was found that changes the decision.")
        else:
            ablations.append(minimal)
    return ablations


def _write_files(
    run: Run,
    explanation: Explanation,
    ablations: Sequence[Ablation],
    cam: Path | None,
    html: Path | None,
) -> None:
    from ...pages.pictures import save_cam
    from ...pages.write import write_page

    if cam is not None:
        save_cam(Path(explanation.image), explanation.cam, cam)
    if html is not None:
        write_page(run, explanation, html, ablations=ablations)


def _save(run: Run, explanation: Explanation, settings: dict[str, object]) -> None:
    """Save an explanation in the run's folder; if it cannot be written to, say so on stderr."""
    from ...errors import ConceptGraphError
    from ...graph.run.explanations import save_explanation
    from ...pages.pictures import save_cam
    from ..terminal import print_status

    image, answer = Path(explanation.image), explanation.to_json()
    question = {name: answer[name] for name in ("class", "versus", "method", "blocks")}
    try:
        file = save_explanation(run, image, {**settings, **question}, answer)
        save_cam(image, explanation.cam, file.with_suffix(".png"))
    except ConceptGraphError as error:
        print_status(f"not saved: {error}")
