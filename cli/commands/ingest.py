"""`conceptgraph ingest`: dissect a network into a run."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...settings import IouVariant, Precision, Settings
from ..options import (
    DatabaseOption,
    QuantileOption,
    TrustPickleOption,
    WorkersOption,
    block_names,
    modules_of,
    read_quantile,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = Settings()


def ingest(
    output: Annotated[Path, typer.Option("--out", help="The run to write, NAME.cg.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A torchvision ResNet by name (resnet50 …), a published one (moments-resnet50, "
            "places365-resnet18, places365-resnet50), one of clips (r3d_18 …), or module:factory.",
            show_default="without --data either: the demo's network and data",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Concept data in the Broden layout (index.csv, images/ …).")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint (.pth, .pth.tar, .safetensors), torchvision's name, or 'random'; "
            "torchvision's default weights, or the factory's own, if omitted."
        ),
    ] = None,
    weights_key: Annotated[
        str | None,
        typer.Option(
            help="The part of the checkpoint to take, if several fit the network: its prefix, such "
            "as state_dict_ema."
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Class names, one a line, in the order of the logits.")
    ] = None,
    blocks: Annotated[
        str | None,
        typer.Option(
            help="Blocks to dissect, block3,block4; or modules that are the blocks, where they are "
            "not found: stem=backbone.layer1,last=backbone.layer4 (block1, block2 then).",
            show_default="all",
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(help="The layer that gives the logits.", show_default="the one that is found"),
    ] = None,
    multi_label: Annotated[
        bool | None,
        typer.Option(
            "--multi-label/--one-label",
            help="Each class is a decision of its own (sigmoid), rather than one among all.",
            show_default="as the network states it, else one",
        ),
    ] = None,
    quantile: QuantileOption = str(DEFAULT.quantile),
    iou: Annotated[
        IouVariant,
        typer.Option(
            help="The images whose activations count for a concept's IoU: those labelled with its "
            "category (paper), NetDissect-Lite's variant (lite), or all (unrestricted)."
        ),
    ] = DEFAULT.iou,
    min_iou: Annotated[
        float, typer.Option(help="A unit is interpretable above this IoU.")
    ] = DEFAULT.min_iou,
    preprocess: Annotated[
        str,
        typer.Option(
            help="What becomes of photographs: as the model's configuration states it (model); "
            "the whole image resized (resize); the shorter side resized to 256 and the center "
            "cropped to 224 (imagenet); as NetDissect does, for parity (netdissect); or a JSON "
            "file that says it."
        ),
    ] = DEFAULT.preprocess,
    precision: Annotated[
        Precision, typer.Option(help="Precision of the forward pass; auto is float32.")
    ] = DEFAULT.precision,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Side of the network's input, pixels.",
            show_default="what its configuration states, else 224; 32 for a CIFAR-style stem",
        ),
    ] = None,
    threshold_split: Annotated[
        str | None, typer.Option(help="Compute thresholds on images of this split only.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images per forward pass.", show_default="32; on a GPU up to 256, for many images"
        ),
    ] = None,
    workers: WorkersOption = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the order of the images, and of random weights.")
    ] = DEFAULT.seed,
    top_k: Annotated[
        int, typer.Option(help="Contributions per target and sign in the graph of the run.")
    ] = DEFAULT.top_k,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing run once the new one is complete."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume an ingest that was stopped or killed.")
    ] = False,
    minutes: Annotated[
        float,
        typer.Option(
            "--checkpoint-minutes",
            min=0,
            help="Minutes from one checkpoint for --resume to the next.",
        ),
    ] = 5,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at an image or mask that cannot be read, not leave it out."
        ),
    ] = False,
    trust_pickle: TrustPickleOption = False,
    neo4j: Annotated[
        str | None, typer.Option("--neo4j", help="Also load the run into this Neo4j, bolt://….")
    ] = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    r"""Dissect a network: the concepts that its units detect, and what units contribute to others.

    Example:
    [bold]conceptgraph ingest --model resnet18 --weights net.pth.tar \
      --classes names.txt --data broden1_224 --out net.cg[/bold]

    On several GPUs, or several machines that share a folder:
    [bold]torchrun --nproc-per-node 4 -m conceptgraph.cli ingest --model …[/bold]
    """
    from ..terminal import ProgressBars, print_json

    if (model is None) != (data is None):
        missing = "--model" if model is None else "--data"
        raise typer.BadParameter(
            "give both --model and --data, or neither for the demo's", param_hint=missing
        )
    named, modules = modules_of(block_names(blocks) or ())
    settings = Settings(
        blocks=named,
        modules=tuple(modules.values()),
        head=head,
        multi_label=multi_label,
        quantile=read_quantile(quantile),
        iou=iou,
        min_iou=min_iou,
        preprocess=preprocess,
        precision=precision,
        image_size=image_size,
        batch_size=batch_size,
        threshold_split=threshold_split,
        seed=seed,
        top_k=top_k,
    )
    from ...ingest.engine.process_group import environment_process_group
    from ...ingest.pipeline import ingest as run_ingest
    from ..tables.run_summary import print_summary, summary_json

    if neo4j is not None:
        from ..opening import connect

        connect(neo4j, database).close()  # a wrong address is reported before the long work
    if modules:
        from ..terminal import print_status

        shown = (f"block{n}: {name} ({part})" for n, (name, part) in enumerate(modules.items(), 1))
        print_status("; ".join(shown))
    if model is None or data is None:
        from ...demo.cached import demo_network
        from ..terminal import print_status

        print_status("no --model and no --data: the demo's network and its drawn pictures")
        model, data, weights, classes = demo_network(ProgressBars())
    with _interruption_reported(output, minutes):
        run = run_ingest(
            model,
            data,
            output,
            settings,
            weights=weights,
            weights_key=weights_key,
            classes=classes,
            trust_pickle=trust_pickle,
            device=device,
            workers=workers,
            overwrite=overwrite,
            resume=resume,
            minutes=minutes,
            strict=strict,
            progress=ProgressBars(),
        )
    if not environment_process_group().is_main:
        return
    if neo4j is not None:
        from .neo4j_runs import load_run

        load_run(run, neo4j, database)
    if as_json:
        print_json(summary_json(run))
    else:
        print_summary(run)


@contextmanager
def _interruption_reported(output: Path, minutes: float) -> Iterator[None]:
    """Say on stderr how an ingest that is stopped can be resumed."""
    from ...ingest.engine.process_group import RankLostError, environment_process_group
    from ..terminal import print_status

    is_main = environment_process_group().is_main
    try:
        yield
    except RankLostError as error:
        if is_main:
            raise
        raise typer.Exit(1) from error  # the main rank reports it
    except (KeyboardInterrupt, SystemExit):
        partial = output.with_name(f"{output.name}.partial")
        if is_main and partial.exists():
            options = "--overwrite --resume" if output.exists() else "--resume"
            print_status(f"{partial} has what was done; {options} resumes it")
        elif is_main:
            print_status(
                "stopped; nothing was kept: the first checkpoint comes after "
                f"{minutes:g} minutes (--checkpoint-minutes)"
                + (f"; {output} is as it was" if output.exists() else "")
            )
        raise
