"""`conceptgraph data`: concept data made from annotations, checked, and merged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...settings import Settings
from ..options import WorkersOption

if TYPE_CHECKING:
    from ...ingest.sources.annotations.read import Format

app = typer.Typer(
    no_args_is_help=True, help="Concept data: made from annotations, checked, merged."
)
DEFAULT = Settings()

OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a data set, once the new one is complete.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@app.callback()
def data() -> None:
    """Concept data: made from annotations, checked, merged."""


@app.command()
def build(
    annotations: Annotated[
        Path,
        typer.Argument(
            help="COCO .json, .csv of boxes, or a folder: VOC .xml, LabelMe .json, masks .png."
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="The data set to write, a new folder.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images. Without it: where the annotations are."),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(help="Category of all concepts. Without it: what the annotations say."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="coco, voc, csv, labelme or masks. Without it: looked for."),
    ] = None,
    quorum: Annotated[
        str,
        typer.Option(
            help="Workers of an image who must agree: majority, a number (2) or a share (60%)."
        ),
    ] = "majority",
    agree_iou: Annotated[
        float, typer.Option(help="Regions of two workers agree from this IoU on.")
    ] = 0.5,
    verified_only: Annotated[
        bool,
        typer.Option(
            "--verified-only",
            help="Keep only regions a verifier said yes to. Without it: all but those with a no.",
        ),
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(help="Squash images to this side. Without it: their files are copied."),
    ] = None,
    mask_size: Annotated[int, typer.Option(help="Side of the masks.")] = 112,
    empty_images: Annotated[
        bool,
        typer.Option("--empty-images", help="Also take images in which no region is kept."),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Make concept data from boxes, polygons or masks, of one annotator or several.

    Several annotators' regions are kept where enough of them agree; what is dropped, and why, is in
    dropped.csv beside the data, how far they agreed in agreement.csv.

    Example:
    [bold]conceptgraph data build regions.json --images photos \
      --category action --out actions[/bold]
    """
    from ...ingest.sources.annotations.build import BuildSettings
    from ...ingest.sources.annotations.build import build as run_build
    from ...ingest.sources.annotations.consensus import Rules, read_quorum
    from ..tables.concept_data import build_json, print_build
    from ..terminal import Bars, print_json

    folder = images or (annotations if annotations.is_dir() else annotations.parent)
    report = run_build(
        annotations,
        folder,
        output,
        BuildSettings(
            category=category,
            form=_format(form),
            rules=Rules(read_quorum(quorum), agree_iou, verified_only),
            size=size,
            mask_size=mask_size,
            empty_images=empty_images,
        ),
        overwrite=overwrite,
        progress=Bars(),
    )
    if as_json:
        print_json(build_json(report))
    else:
        print_build(report)


def _format(name: str | None) -> Format | None:
    from ...ingest.sources.annotations.read import FORMATS

    found = next((form for form in FORMATS if form == name), None)
    if name is not None and found is None:
        known = ", ".join(FORMATS)
        raise typer.BadParameter(f"{name!r} is none of {known}", param_hint="--format")
    return found


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Concept data in the Broden layout.")],
    quantile: Annotated[
        float, typer.Option(help="Of the ingest: the share of activations above a threshold.")
    ] = DEFAULT.quantile,
    min_iou: Annotated[
        float, typer.Option(help="Of the ingest: from which a unit is interpretable.")
    ] = DEFAULT.min_iou,
    workers: WorkersOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, each concept and defect.")
    ] = False,
) -> None:
    """Read every table, image and mask of a data set, and say what is in it and what is wrong.

    Exit status 1 if anything is wrong; each defect is named with its file and row.

    Example:
    [bold]conceptgraph data check actions[/bold]
    """
    from ...ingest.concept_data.checking.check import check as run_check
    from ..tables.concept_data import check_json, print_check
    from ..terminal import Bars, print_json

    report = run_check(folder, quantile=quantile, min_iou=min_iou, workers=workers, progress=Bars())
    if as_json:
        print_json(check_json(report))
    else:
        print_check(report)
    if report.defects:
        raise typer.Exit(1)


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Data sets, two or more.")],
    output: Annotated[Path, typer.Option("--out", help="The data set to write, a new folder.")],
    mask_size: Annotated[
        int | None,
        typer.Option(help="Resample all masks to this side. Without it: as fine as the finest."),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Join data sets: concepts by name and category, images by their content.

    Example:
    [bold]conceptgraph data merge broden1_224 actions --out joined[/bold]
    """
    from ...ingest.concept_data.writing.merge import merge as run_merge
    from ..tables.concept_data import merge_json, print_merge
    from ..terminal import Bars, print_json

    report = run_merge(folders, output, mask_size=mask_size, overwrite=overwrite, progress=Bars())
    if as_json:
        print_json(merge_json(report))
    else:
        print_merge(report)
