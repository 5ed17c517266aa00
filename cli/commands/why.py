"""`conceptgraph why`: the paths to a class, with or without an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import (
    AllLabelsOption,
    JsonOption,
    Labels,
    LabelsOption,
    NetworkModelOption,
    PathBlocksOption,
    RunOption,
    TrustPickleOption,
    TrustRunOption,
    WeightsOption,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...explain.ablation import Ablation
    from ...explain.explanation import Explanation
    from ...explain.network import RunNetwork
    from ...explain.unusual import UnusualRegion
    from ...graph.run.reader import Run

PATHS = 10
"""Unit paths to compute, unless --top says how many."""


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
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Paths to show: 10, but with --image no unit paths unless this is given.",
            show_default=False,
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,WIDTH,HEIGHT",
            help="With --image: how much this part matters, in pixels of the image.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="With --image: likewise the part where this picture is not black."),
    ] = None,
    masks: Annotated[
        bool,
        typer.Option(
            "--masks",
            help="With --image, one of the concept data's: take regions from its annotation masks, "
            "not from presence probes.",
        ),
    ] = False,
    blocks: PathBlocksOption = None,
    method: Annotated[
        Literal["exact", "one-unit"],
        typer.Option(
            help="With --image: exact accounting, or one-unit contributions × activation."
        ),
    ] = "exact",
    one_unit: Annotated[
        bool,
        typer.Option(
            "--one-unit",
            help="The paper's paths: without --image, instead of the concepts that carry the class "
            "over images; with it, --method one-unit.",
        ),
    ] = False,
    true_class: Annotated[
        str | None,
        typer.Option(
            "--true",
            metavar="CLASS",
            help="With --image: what it is; tells what is unusual about it for this class, too.",
            show_default="the class of --versus",
        ),
    ] = None,
    beam: Annotated[
        int, typer.Option(min=1, help="With --image: path suffixes to extend at each block.")
    ] = 64,
    labels: LabelsOption = Labels.MASKS,
    all_labels: AllLabelsOption = False,
    weights: WeightsOption = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            help="With --image: ablate the units that detect this concept, or, if none does, those "
            "that carry its presence probe, and run the network. Repeatable."
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
            "--flip",
            help="With --image: find few concepts whose ablation changes the decision; with "
            "--versus, which of the two classes is ahead.",
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write an interactive page.")] = None,
    cam: Annotated[
        Path | None,
        typer.Option(help="With --image: also write the class activation map, PNG."),
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Save the explanation in the run; `load` takes it to Neo4j.")
    ] = True,
    run_path: RunOption = None,
    model: NetworkModelOption = None,
    trust_run: TrustRunOption = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Ask the demo's network, which is dissected once.")
    ] = False,
    trust_pickle: TrustPickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Explain a class by the concepts that carry it over images; with --image, explain one image.

    Examples:
    [bold]conceptgraph why --class juggling[/bold]
    [bold]conceptgraph why --class juggling --one-unit --all-labels[/bold]
    [bold]conceptgraph why --image x.jpg --html why.html[/bold]
    [bold]conceptgraph why --image x.jpg --region 40,60,80,90[/bold]
    [bold]conceptgraph why --image x.jpg --class juggling --versus typing[/bold]
    [bold]conceptgraph why --image x.jpg --ablate "polka dotted" --flip[/bold]
    [bold]conceptgraph why --demo --class juggling[/bold]
    """
    if class_name is None and image is None:
        raise typer.BadParameter("give --class, --image, or both", param_hint="--class")
    if image is None:
        _refuse(
            ("--versus", versus), ("--cam", cam), ("--weights", weights), ("--at", at),
            ("--ablate", ablate), ("--ablate-unit", ablate_unit), ("--flip", flip),
            ("--everywhere", everywhere), ("--model", model), ("--trust-run", trust_run),
            ("--region", region), ("--mask", mask), ("--true", true_class),
            ("--masks", masks),
        )  # fmt: skip
    from ..options import block_names
    from ..terminal import print_json, print_line

    run = _chosen_run(run_path, labels, demo=demo, all_labels=all_labels)
    if image is None:
        units = one_unit or all_labels or blocks is not None
        chosen = block_names(blocks)
        _explain_class(run, class_name or "", chosen, top, html, units=units, as_json=as_json)
        return
    from ...explain.question import check_question
    from ...explain.user_region import chosen_region

    check_question(run, image, class_name, versus, true_class)
    part = chosen_region(run, image, region, mask)
    _check_ablation(run, ablate or (), ablate_unit or (), block_names(at))
    from ...explain.explain import explain
    from ...explain.network import open_network
    from ...explain.what_if import run_ablations

    network = open_network(
        run, weights=weights, model=model, trust_run=trust_run, trust_pickle=trust_pickle
    )
    explanation = explain(
        network,
        image,
        class_name,
        versus=versus,
        blocks=block_names(blocks),
        top=top or PATHS,
        method="one-unit" if one_unit else method,
        beam=beam,
        region=part,
        masks=masks,
    )
    ablations, no_flip = run_ablations(
        network, explanation, ablate or (), ablate_unit or (),
        at=block_names(at), everywhere=everywhere, flip=flip,
    )  # fmt: skip
    unusual = _unusual(network, explanation, true_class)
    _write_files(run, explanation, ablations, no_flip, unusual or (), cam, html)
    from ...explain.name_sources import name_sources_note
    from ...explain.no_answer import explanation_note

    no_answer = None  # the unit paths that it is about are shown only if asked for
    if as_json or top is not None:
        no_answer = explanation_note(run, explanation)
    names_by = name_sources_note(run, explanation)
    if as_json:
        what_if = [ablation.to_json() for ablation in ablations]
        differs = None if unusual is None else [region.to_json() for region in unusual]
        notes = {"unusual": differs, "no_answer": no_answer, "no_flip": no_flip}
        notes["names_by"] = names_by or None
        print_json({**explanation.to_json(), "what_if": what_if, **notes})
    else:
        from ..tables.explanation import print_explanation

        print_explanation(
            explanation,
            ablations,
            no_answer,
            no_flip,
            paths=top is not None,
            unusual=unusual or (),
            names_by=names_by,
        )
        if unusual is None and true_class is not None:
            print_line(
                "What is unusual about it: run `conceptgraph evidence` once, then ask again."
            )
        if cam is not None:
            print_line(f"class activation map: {cam}")
        if html is not None:
            print_line(f"page: {html}")
    if keep:  # after the answer: what is kept has the unit paths, whose search takes longest
        flags = {"all_labels": all_labels, "masks": masks, "words": labels == Labels.WORDS}
        _save(run, explanation, {"top": top or PATHS, "beam": beam}, flags)


def _refuse(*options: tuple[str, object]) -> None:
    """Refuse options, by name and value, that need --image."""
    for option, value in options:
        if value:
            raise typer.BadParameter("it needs --image", param_hint=option)


def _chosen_run(run_path: Path | None, labels: Labels, *, demo: bool, all_labels: bool) -> Run:
    """Open the run that is asked: the demo's only if that is said."""
    from ..opening import open_chosen_run, open_demo_run

    if not demo:
        return open_chosen_run(run_path, labels=labels, all_labels=all_labels)
    if run_path is not None:
        raise typer.BadParameter("give --run or --demo, not both", param_hint="--demo")
    return open_demo_run(labels=labels, all_labels=all_labels)


def _check_ablation(
    run: Run, concepts: Sequence[str], units: Sequence[str], at: tuple[str, ...] | None
) -> None:
    """Refuse names of concepts and units that do not exist, before the network is loaded."""
    from ...explain.ablation import requested_masks

    if concepts or units:
        requested_masks(run, concepts, units, at=at)


def _explain_class(
    run: Run,
    class_name: str,
    blocks: tuple[str, ...] | None,
    top: int | None,
    html: Path | None,
    *,
    units: bool,
    as_json: bool,
) -> None:
    """Print the concepts that carry a class over images, or its unit paths if `units`."""
    from ...explain.name_sources import run_sources_note
    from ...graph.run.class_evidence import read_class_evidence
    from ...queries.class_evidence import NO_EVIDENCE, class_concepts, distinct_concepts
    from ...queries.paths import class_paths
    from ...queries.unnamed import class_paths_note
    from ..tables.evidence import print_class_evidence
    from ..tables.explanation import print_class_paths
    from ..terminal import print_json, print_line, print_note

    paths = class_paths(run, class_name, blocks=blocks, top=top or PATHS)
    saved = read_class_evidence(run)
    no_answer, names_by = class_paths_note(run, paths), run_sources_note(run)
    if html is not None:
        from ...pages.write import write_page

        write_page(run, paths, html)
    if as_json:
        concepts = class_concepts(saved, paths.class_name).to_json() if saved else NO_EVIDENCE
        distinct = distinct_concepts(saved, paths.class_name) if saved else ()
        apart = {"distinct": [concept._asdict() for concept in distinct]}
        notes = {"no_answer": no_answer, "names_by": names_by or None}
        print_json({**paths.to_json(), **apart, **concepts, **notes})
        return
    if saved and saved.images.get(paths.class_name) and not units:
        print_class_evidence(run, saved, [paths.class_name], None, top)
        print_note("Paths of single units, the paper's: --one-unit")
    else:
        print_class_paths(paths, no_answer)
    if names_by:
        print_note(names_by)
    if saved and not saved.images.get(paths.class_name):
        print_note(
            f"The network takes none of the {sum(saved.images.values()):,} images of the run's "
            f"evidence for {paths.class_name}, so no concepts are shown that carry it."
        )
    if not saved:
        print_note("Which concepts carry it over images: `conceptgraph evidence`, once, then again")
    if html is not None:
        print_line(f"page: {html}")


def _unusual(
    network: RunNetwork, explanation: Explanation, true_class: str | None
) -> tuple[UnusualRegion, ...] | None:
    """Compare the image with the images of the class explained, and of its true class if known."""
    from ...explain.unusual import unusual_regions

    names = explanation.class_name, true_class or explanation.versus
    return unusual_regions(network, explanation, [name for name in names if name])


def _write_files(
    run: Run,
    explanation: Explanation,
    ablations: Sequence[Ablation],
    no_flip: str | None,
    unusual: Sequence[UnusualRegion],
    cam: Path | None,
    html: Path | None,
) -> None:
    """Write the page and the class activation map that were asked for: both, or none."""
    from ...files import output_files
    from ...pages.pictures import cam_png, photograph_of
    from ...pages.write import write_page

    with output_files(*(path for path in (cam, html) if path is not None)) as partials:
        if html is not None:
            write_page(
                run,
                explanation,
                partials[-1],
                ablations=ablations,
                no_flip=no_flip,
                unusual=unusual,
            )
        if cam is not None:
            picture = cam_png(photograph_of(explanation), explanation.seen, explanation.cam)
            partials[0].write_bytes(picture)


def _save(
    run: Run, explanation: Explanation, settings: dict[str, int], flags: Mapping[str, bool]
) -> None:
    """Save an explanation in the run's folder; if it cannot be written to, say so on stderr.

    Settings and those flags that are set tell it from others of the same image.
    """
    from ...errors import ConceptGraphError
    from ...pages.write import keep_explanation
    from ..terminal import print_status

    try:
        given = {name: True for name, is_given in flags.items() if is_given}
        keep_explanation(run, explanation, {**settings, **given})
    except ConceptGraphError as error:
        print_status(f"not saved: {error}")
