"""`conceptgraph ingest`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...settings import IouVariant, Precision, Preprocess, Settings
from ..options import TrustPickleOption, WorkersOption
from ..opening import DatabaseOption, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = Settings()


def ingest(
    output: Annotated[Path, typer.Option("--out", help="The run to write, NAME.cg.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A torchvision ResNet by name (resnet50 …), a published one (moments-resnet50, "
            "places365-resnet18, places365-resnet50), or module:factory.",
            show_default="with no --data either: the demo's network and data",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Concept data in the Broden layout (index.csv, images/ …).")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint (.pth, .pth.tar, .safetensors), torchvision's name, or 'random'. "
            "Without it: torchvision's default weights, or the factory's own."
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Class names, one a line, in the order of the logits.")
    ] = None,
    blocks: Annotated[str, typer.Option(help="Blocks to dissect.")] = ",".join(DEFAULT.blocks),
    quantile: Annotated[
        float, typer.Option(help="Share of a unit's activations above its threshold.")
    ] = DEFAULT.quantile,
    iou: Annotated[
        IouVariant,
        typer.Option(
            help="Where activations count against a concept: in images labelled with its category "
            "(paper), NetDissect-Lite's variant (lite), or everywhere (unrestricted)."
        ),
    ] = DEFAULT.iou,
    min_iou: Annotated[
        float, typer.Option(help="A unit is interpretable above this IoU.")
    ] = DEFAULT.min_iou,
    preprocess: Annotated[
        Preprocess, typer.Option(help="The model's normalisation, or NetDissect's for parity.")
    ] = DEFAULT.preprocess,
    precision: Annotated[
        Precision, typer.Option(help="Of the forward pass; auto is float32.")
    ] = DEFAULT.precision,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Squash images to this side. Without it: the size in the index, when all images "
            "share one up to 512; else 224."
        ),
    ] = None,
    threshold_split: Annotated[
        str | None, typer.Option(help="Fit thresholds on images of this split only.")
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
        int, typer.Option(help="Of the order of the images, and of random weights.")
    ] = DEFAULT.seed,
    top_k: Annotated[
        int, typer.Option(help="Edges kept per target and sign when the run becomes a graph.")
    ] = DEFAULT.top_k,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run, once the new is complete.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an ingest that was stopped or killed.")
    ] = False,
    minutes: Annotated[
        float,
        typer.Option(
            "--checkpoint-minutes", min=0, help="How often it is kept what --resume goes on from."
        ),
    ] = 5,
    trust_pickle: TrustPickleOption = False,
    neo4j: Annotated[
        str | None, typer.Option("--neo4j", help="Also load the run into this Neo4j, bolt://….")
    ] = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    r"""Dissect a network: which units detect which concepts, and how units drive units and classes.

    Example:
    [bold]conceptgraph ingest --model resnet18 --weights net.pth.tar \
      --classes names.txt --data broden1_224 --out net.cg[/bold]

    On several GPUs, or several machines that share a folder:
    [bold]torchrun --nproc-per-node 4 -m conceptgraph.cli ingest --model …[/bold]
    """
    from ..terminal import Bars, block_names, print_json

    if (model is None) != (data is None):
        missing = "--model" if model is None else "--data"
        raise typer.BadParameter(
            "give both --model and --data, or neither for the demo's", param_hint=missing
        )
    settings = Settings(
        blocks=block_names(blocks) or (),
        quantile=quantile,
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
    from ...ingest.inputs import Source
    from ...ingest.pipeline import ingest as run_ingest
    from ..tables.run_summary import print_summary, summary_json

    if neo4j is not None:
        connect(neo4j, database).close()  # better now than after the long work
    if model is None or data is None:
        from .demo import demo_source

        source = demo_source()
    else:
        source = Source(model, weights, classes, data, trust_pickle=trust_pickle)
    with _kept_told_of(output):
        run = run_ingest(
            source,
            output,
            settings,
            device=device,
            workers=workers,
            overwrite=overwrite,
            resume=resume,
            minutes=minutes,
            progress=Bars(),
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
def _kept_told_of(output: Path) -> Iterator[None]:
    """When an ingest is stopped: say where it can go on."""
    from ...ingest.engine.process_group import RankLostError, environment_process_group
    from ..terminal import remark

    leads = environment_process_group().is_main
    try:
        yield
    except RankLostError as error:
        if leads:
            raise
        raise typer.Exit(1) from error  # one line is enough
    except (KeyboardInterrupt, SystemExit):
        partial = output.with_name(f"{output.name}.partial")
        if leads and partial.exists():
            words = "--overwrite --resume" if output.exists() else "--resume"
            remark(f"{partial} keeps what was done; {words} goes on with it")
        raise
