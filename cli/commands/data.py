"""`conceptgraph data`: make concept data, verify, check and merge them; embed photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...ingest.sources.annotations.formats import format_names
from ...ingest.sources.embeddings import FEWEST_IMAGES, PROMPT
from ...settings import Settings
from ..options import QuantileOption, WorkersOption, read_quantile
from .verify import verify

app = typer.Typer(
    no_args_is_help=True, help="Make, verify, check and merge concept data; embed photographs."
)
DEFAULT = Settings()

OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an existing data set once the new one is complete."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@app.callback()
def data() -> None:
    """Make, verify, check and merge concept data; embed photographs and words."""


@app.command()
def build(
    annotations: Annotated[
        Path,
        typer.Argument(
            help="COCO, Label Studio, VIA .json, CVAT .xml, .csv of boxes; or a folder: VOC .xml, "
            "LabelMe .json, YOLO .txt, masks .png (DAVIS too), YouTube-VOS."
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="The data set to write, a new folder.")],
    images: Annotated[
        Path | None,
        typer.Option(help="The folder of the images; that of the annotations if omitted."),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            help="Make clips: the folder of the annotated videos, files or folders of frames."
        ),
    ] = None,
    frames: Annotated[
        int, typer.Option(help="Frames of a clip, evenly spaced over its video.")
    ] = 16,
    first_frame: Annotated[
        int, typer.Option(help="Number of a video file's first frame in the annotations.")
    ] = 0,
    motion: Annotated[
        bool,
        typer.Option(
            "--motion",
            help="Of clips, also label how things move in the picture (left, right, up, down, "
            "still); the camera's own motion is not removed.",
        ),
    ] = False,
    category: Annotated[
        str | None,
        typer.Option(help="Category of all concepts; that of the annotations if omitted."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(format_names())}; detected if omitted."),
    ] = None,
    quorum: Annotated[
        str,
        typer.Option(
            help="How many workers of an image must agree: majority, a number (2), a share (60%)."
        ),
    ] = "majority",
    agree_iou: Annotated[
        float, typer.Option(help="Regions of two workers agree if their IoU is at least this.")
    ] = 0.5,
    verified_only: Annotated[
        bool,
        typer.Option(
            "--verified-only",
            help="Keep only regions that a verifier accepted; all but rejected ones if omitted.",
        ),
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side to resize images to, ignoring their aspect ratio; copied if omitted."
        ),
    ] = None,
    mask_size: Annotated[int, typer.Option(help="Side of the masks.")] = 112,
    empty_images: Annotated[
        bool,
        typer.Option("--empty-images", help="Also write images without a kept region."),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Make concept data from boxes, polygons or masks, of one annotator or several.

    If an image has several annotators, regions are kept where enough of them agree. dropped.csv
    lists the other regions with reasons, agreement.csv how far annotators agreed.

    Video files take the extra conceptgraph\[video].

    Examples:
    [bold]conceptgraph data build regions.json --images photos \
      --category action --out actions[/bold]

    [bold]conceptgraph data build boxes.csv --videos clips --frames 16 \
      --category action --out clipset[/bold]
    """
    from ...ingest.sources.annotations.build import BuildSettings
    from ...ingest.sources.annotations.build import build as run_build
    from ...ingest.sources.annotations.clips import ClipSettings
    from ...ingest.sources.annotations.consensus import AgreementRules, read_quorum
    from ..tables.concept_data import build_json, print_build
    from ..terminal import ProgressBars, print_json

    if videos and images:
        raise typer.BadParameter("either --images or --videos", param_hint="--videos")
    if motion and not videos:
        raise typer.BadParameter("things move in --videos", param_hint="--motion")
    here = annotations if annotations.is_dir() else annotations.parent
    report = run_build(
        annotations,
        videos or images or here,
        output,
        BuildSettings(
            category=category,
            format_name=_check_format(form),
            rules=AgreementRules(read_quorum(quorum), agree_iou, verified_only),
            size=size,
            mask_size=mask_size,
            empty_images=empty_images,
            clips=ClipSettings(frames, first_frame, motion) if videos else None,
        ),
        overwrite=overwrite,
        progress=ProgressBars(),
    )
    if as_json:
        print_json(build_json(report))
    else:
        print_build(report)


def _check_format(name: str | None) -> str | None:
    """Return the name of a format, if it is one."""
    if name is not None and name not in format_names():
        names = ", ".join(format_names())
        raise typer.BadParameter(f"{name!r} is none of {names}", param_hint="--format")
    return name


@app.command()
def tags(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="TAGS",
            help="A folder with a folder of photographs per concept (striped/, none/; or "
            "striped/yes/, striped/no/), a table (image,label[,category][,answer], several labels "
            "separated by ;, or image and a column for each tag), or COCO captions.",
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="The data set to write, a new folder.")],
    images: Annotated[
        Path | None,
        typer.Option(help="The folder of the images that a file names; the file's if omitted."),
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Category of all concepts; as the tags say, or `tag`.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="Words to look for in captions, one a line.")
    ] = None,
    names: Annotated[
        Path | None, typer.Option(help="Names of ImageNet's folders: `n01440764 tench` a line.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side to resize images to, ignoring their aspect ratio; copied if omitted."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Make concept data from tags: which concepts are in an image, without where.

    A concept that has a `no` counts only in images with a yes or no; any other is taken not to be
    in the other images. dropped.csv lists what is not used, with reasons.

    Answers are yes (y, true, 1, present, positive), no (n, false, 0, -1, absent, negative) or
    unknown (unsure, maybe, skip, ?, na; in a column of a tag also nothing).

    Example:
    [bold]conceptgraph data tags photos --out tags[/bold]
    """
    from ...ingest.concept_data.csv_tables import read_text
    from ...ingest.sources.tags.build import write_tags
    from ...ingest.sources.tags.folders import read_synsets
    from ..tables.concept_data import print_tags, tags_json
    from ..terminal import ProgressBars, print_json

    listed = [] if words is None else [line.strip() for line in read_text(words).splitlines()]
    report = write_tags(
        source,
        output,
        images=images,
        category=category,
        words=list(dict.fromkeys(filter(None, listed))),
        names=None if names is None else read_synsets(names),
        size=size,
        overwrite=overwrite,
        progress=ProgressBars(),
    )
    if as_json:
        print_json(tags_json(report))
    else:
        print_tags(report)


@app.command()
def annotate(
    photographs: Annotated[Path, typer.Argument(help="A folder of photographs.")],
    output: Annotated[Path, typer.Option("--out", help="The data set to write, a new folder.")],
    colors: Annotated[
        bool, typer.Option("--colors", help="Label the eleven basic color terms.")
    ] = False,
    segmenter: Annotated[
        str | None,
        typer.Option(
            metavar="hf:NAME|torchvision:NAME",
            help="Label the classes of a network for semantic segmentation: Hugging Face's (a "
            "folder, or a name of its hub) or torchvision's.",
        ),
    ] = None,
    segmenter_weights: Annotated[
        Path | None,
        typer.Option(help="State dict for torchvision's network; torchvision's own if omitted."),
    ] = None,
    segmenter_classes: Annotated[
        Path | None, typer.Option(help="Class names of these weights, one a line, in order.")
    ] = None,
    words: Annotated[Path | None, typer.Option(help="Words to label, one a line.")] = None,
    word_model: Annotated[
        str | None,
        typer.Option(
            metavar="hf:NAME", help="The CLIPSeg that finds the words: a folder, or a name."
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Label words where patches are near to them: a folder of `data embed --patches`."
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Concept data with masks of some of these photographs: measure the agreement, and "
            "choose the thresholds of words on half of them."
        ),
    ] = None,
    category: Annotated[
        str, typer.Option(help="Category of the segmenter's classes, and of words.")
    ] = "object",
    word_category: Annotated[
        str | None, typer.Option(help="Category of words.", show_default="that of --category")
    ] = None,
    mask_size: Annotated[int, typer.Option(help="Side of the masks.")] = 112,
    min_probability: Annotated[
        float, typer.Option(help="Leave pixels unlabelled whose class is less probable.")
    ] = 0.0,
    word_threshold: Annotated[
        float,
        typer.Option(help="A pixel has a word from this probability, or score, on."),
    ] = 0.5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Photographs at a time.")] = 8,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue a call that was interrupted; it starts anew if omitted."
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Make concept data from photographs alone: models label them.

    The source of every concept is kept, and said wherever its name explains a decision.
    machine_labels.csv lists all labels with their mean probability.

    Example:
    [bold]conceptgraph data annotate photos --out concepts --colors \
      --segmenter hf:nvidia/segformer-b0-finetuned-ade-512-512[/bold]
    """
    from ...ingest.sources.machine.build import write_machine_labels
    from ...ingest.sources.machine.opening import NamedModels, open_labellers
    from ...ingest.sources.machine.report import MachineSettings
    from ...pages.contact_page import write_contact_sheet
    from ..tables.machine_labels import machine_json, print_machine
    from ..terminal import ProgressBars, print_json

    named = NamedModels(
        colors=colors,
        segmenter=segmenter,
        segmenter_weights=segmenter_weights,
        segmenter_classes=segmenter_classes,
        words=words,
        word_model=word_model,
        category=category,
        word_category=word_category,
        embeddings=embeddings,
        device=device,
        batch_size=batch_size,
    )
    report = write_machine_labels(
        photographs,
        output,
        open_labellers(named, photographs),
        MachineSettings(mask_size, batch_size, min_probability, word_threshold),
        truth=truth,
        resume=resume,
        overwrite=overwrite,
        progress=ProgressBars(),
    )
    contact = write_contact_sheet(report.folder)
    if as_json:
        print_json(machine_json(report, contact))
    else:
        print_machine(report, contact)


@app.command("embed")
def embed_photographs(
    photographs: Annotated[
        Path,
        typer.Argument(
            help=f"A folder of photographs; {FEWEST_IMAGES} or more, for `conceptgraph label`."
        ),
    ],
    words: Annotated[Path, typer.Option(help="Words to embed, one a line.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="open_clip:NAME",
            help="A network of open_clip, with its first weights; open_clip:NAME:WEIGHTS and "
            "open_clip:NAME:FILE name others.",
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="The folder to write, a new one.")],
    prompt: Annotated[
        str, typer.Option(help="What is embedded for a word, {} in its place.")
    ] = PROMPT,
    patches: Annotated[
        bool,
        typer.Option(
            "--patches",
            help="Also embed the patches of each photograph, for `data annotate --embeddings`; "
            "photographs are resized then, ignoring their aspect ratio, not cropped.",
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Photographs at a time.")] = 32,
    as_json: JsonOption = False,
) -> None:
    r"""Embed photographs and words in one space, for `label --embeddings`.

    It takes the extra conceptgraph\[clip].

    Example:
    [bold]conceptgraph data embed photos --words words.txt --model open_clip:RN50 \
      --out words.emb[/bold]
    """
    from ...ingest.engine.device import choose_device
    from ...ingest.sources.embeddings.clip import ClipModel
    from ...ingest.sources.embeddings.embed import embed
    from ...ingest.sources.words import read_words
    from ..tables.words import embed_json, print_embed
    from ..terminal import ProgressBars, print_json

    report = embed(
        photographs,
        read_words(words),
        ClipModel(model, choose_device(device), whole=patches),
        output,
        prompt=prompt,
        patches=patches,
        batch_size=batch_size,
        progress=ProgressBars(),
    )
    if as_json:
        print_json(embed_json(report))
    else:
        print_embed(report, photographs)


app.command()(verify)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Concept data in the Broden layout.")],
    quantile: QuantileOption = str(DEFAULT.quantile),
    min_iou: Annotated[
        float, typer.Option(help="Of the ingest: a unit is interpretable above this IoU.")
    ] = DEFAULT.min_iou,
    workers: WorkersOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with every concept and defect.")
    ] = False,
) -> None:
    """Read every table, image and mask of a data set; report its content and its defects.

    Each defect is named with its file and row. The exit status is 1 if there are any.

    Example:
    [bold]conceptgraph data check actions[/bold]
    """
    from ...ingest.concept_data.checking.check import check as run_check
    from ..tables.concept_data import check_json, print_check
    from ..terminal import ProgressBars, print_json

    report = run_check(
        folder,
        quantile=read_quantile(quantile),
        min_iou=min_iou,
        workers=workers,
        progress=ProgressBars(),
    )
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
        typer.Option(help="Side of all masks; that of the finest ones if omitted."),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Merge data sets: concepts by name and category, images by their content.

    Example:
    [bold]conceptgraph data merge broden1_224 actions --out joined[/bold]
    """
    from ...ingest.sources.merge import merge as run_merge
    from ..tables.concept_data import merge_json, print_merge
    from ..terminal import ProgressBars, print_json

    report = run_merge(
        folders, output, mask_size=mask_size, overwrite=overwrite, progress=ProgressBars()
    )
    if as_json:
        print_json(merge_json(report))
    else:
        print_merge(report)
