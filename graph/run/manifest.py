"""`manifest.json` of a run: what it says, how it is written and read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from msgspec import Meta

from ...errors import ConceptGraphError, RunError
from ...settings import Settings
from .files import decode_json, disk_errors, file_of_run, open_to_read
from .schema import (
    LARGEST_JSON,
    MOST_IMAGES,
    MOST_UNITS,
    BlockName,
    Count,
    Name,
    OwnName,
    Share,
    Side,
    Size,
    Text,
)

if TYPE_CHECKING:
    from pathlib import Path

Interpolation = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
"""Pillow's filters, in the order of their numbers; they average where an image is made smaller."""
Channels = Annotated[list[float], Meta(min_length=1, max_length=3)]
Files = Annotated[list[Name], Meta(max_length=MOST_IMAGES)]
Units = Annotated[int, Meta(ge=1, le=MOST_UNITS)]
SCHEMA = 1
"""Version of the run directory's layout; a run states the one it was written in."""


class _BlockShape(TypedDict):
    units: Units
    height: Side
    width: Side


class BlockShape(_BlockShape, total=False):
    """A block's output: units, and the height and width of their activation maps.

    `times` is how many time slots the maps of clips have; those of images have none.
    """

    times: Side


class _InputShape(TypedDict):
    height: Side
    width: Side
    mean: Channels
    std: Annotated[list[Annotated[float, Meta(gt=0)]], Meta(min_length=1, max_length=3)]
    resize: Side | None
    interpolation: Interpolation
    source: Text


class InputShape(_InputShape, total=False):
    """The network's input: images of this size, normalised from RGB in [0, 1].

    `resize`: pixels to which the shorter side of a photograph is resized before a center crop; None
    for whole photographs, resized without regard to their aspect ratio. Concept images always are.
    `source` says in words where all this is stated. `frames` are those of a clip; images have none.
    """

    frames: Side


class ModelSource(TypedDict):
    """The network that was dissected.

    `name` is a published architecture's or `module:factory`; `weights` a file's path, the name of
    published weights, or None; `weights_key` the part of the file that was asked for, if any;
    `weights_notes` says what was left out of it; `linearised` are the functions that are linearised
    at each image; `classes` is the file with the classes, if one was given.
    """

    name: Name
    weights: Name | None
    weights_key: Name | None
    weights_notes: list[Text]
    linearised: list[Name]
    classes: Name | None
    digest: Name


class DataSource(TypedDict):
    """The concept data: folder, digest, and how many images and concepts there are.

    `dropped` are the images that could not be read, and are in none of the numbers.
    """

    folder: Name
    digest: Name
    images: Annotated[int, Meta(ge=1, le=MOST_IMAGES)]
    dropped: Files
    concepts: Annotated[int, Meta(ge=1, le=MOST_UNITS)]
    categories: list[OwnName]


class MissingConcepts(TypedDict):
    """Names where a random half of the concepts is left out of the data.

    `given` are the units that have a name then, on average; `wrong` is the share of these names
    that the other concepts contradict, None where no name is given.
    """

    given: Size
    wrong: Share | None


class RunFacts(TypedDict):
    """What an ingest states about a run.

    `timings` are seconds by step. `quantile` is the one used; `quantile_reason` says why it was
    chosen; of one that was asked for, which one `auto` would choose, if another.
    """

    created: Name
    settings: dict[str, object]
    settings_digest: Name
    model: ModelSource
    data: DataSource
    input: InputShape
    versions: dict[str, Text]
    timings: dict[str, Size]
    device: Name
    blocks: Annotated[dict[BlockName, BlockShape], Meta(min_length=1, max_length=64)]
    min_iou: Annotated[float, Meta(ge=0, lt=1)]
    quantile: Annotated[float, Meta(gt=0, lt=1)]
    quantile_reason: Text
    names: MissingConcepts


class Manifest(RunFacts):
    """`manifest.json`: the facts of a run, its uid and name, and the version of the layout."""

    schema: Count
    uid: OwnName
    name: OwnName


class _Version(TypedDict):
    schema: Annotated[int, Meta(ge=1)]


def write_manifest(file: Path, facts: RunFacts, name: str) -> None:
    """Write the manifest of a run of this name, with this version of the layout."""
    manifest: Manifest = {"schema": SCHEMA, "uid": name, "name": name, **facts}
    text = json.dumps(manifest, indent=2, allow_nan=False)
    with disk_errors(file, "cannot be written"):
        file.write_text(text + "\n", encoding="utf-8")


def read_manifest(run: Path) -> Manifest:
    """Read and check the manifest of a run.

    Raises:
        RunError: it is missing, incomplete, from a newer version of the layout, or no manifest.
    """
    file = file_of_run(run, "manifest.json")
    if not file.exists():
        raise _no_manifest(run)
    with open_to_read(file, LARGEST_JSON) as stream:
        content = stream.read()
    remedy = "Ingest again"
    schema = decode_json(content, _Version, file, "not a run's manifest", remedy)["schema"]
    if schema > SCHEMA:
        raise RunError(
            f"written by a newer conceptgraph (schema {schema}); this one reads up to {SCHEMA}",
            file=file,
            remedy="Upgrade conceptgraph",
        )
    manifest = decode_json(content, Manifest, file, "not a whole manifest", remedy)
    if sum(block["units"] for block in manifest["blocks"].values()) > MOST_UNITS:
        raise RunError("more units than a run can have", file=file, expected=f"{MOST_UNITS:,}")
    try:
        Settings.from_dict(manifest["settings"])
    except (ConceptGraphError, ValueError) as error:
        raise RunError("settings not valid", file=file, found=error, remedy=remedy) from error
    return manifest


def _no_manifest(run: Path) -> RunError:
    if run.is_dir():
        return RunError("no manifest.json: not a run, or one that was never finished", file=run)
    earlier = run.with_name(f"{run.name}.earlier")
    remedy = "Make one with `conceptgraph ingest`"
    if earlier.exists():
        remedy = f"Its replacement was interrupted: rename {earlier.name} to {run.name}"
    return RunError("no such run", file=run, remedy=remedy)
