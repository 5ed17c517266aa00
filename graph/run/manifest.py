"""`manifest.json` of a run: what it says, how it is written and read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, cast

from ...errors import ConceptGraphError, RunError
from ...settings import Settings
from ..uids import block_number
from .files import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMA = 1
"""Version of the run directory's layout; a run states the one it was written in."""


class BlockShape(TypedDict):
    """A block's output: units, and the height and width of their activation maps."""

    units: int
    height: int
    width: int


class InputShape(TypedDict):
    """The network's input: images of this size, normalised from RGB in [0, 1].

    `resize`: pixels to which the shorter side of a photograph is resized before a center crop; None
    for whole photographs, resized without regard to their aspect ratio. Concept images always are.
    `source` says in words where all this is stated.
    """

    height: int
    width: int
    mean: list[float]
    std: list[float]
    resize: int | None
    interpolation: str
    source: str


class ModelSource(TypedDict):
    """The network that was dissected.

    `name` is a published architecture's or `module:factory`; `weights` a file's path, the name of
    published weights, or None; `weights_key` the part of the file that was asked for, if any;
    `weights_notes` says what was left out of it; `linearised` are the functions that are linearised
    at each image; `classes` is the file with the classes, if one was given.
    """

    name: str
    weights: str | None
    weights_key: str | None
    weights_notes: list[str]
    linearised: list[str]
    classes: str | None
    digest: str


class DataSource(TypedDict):
    """The concept data: folder, digest, and how many images and concepts there are.

    `dropped` are the images that could not be read, and are in none of the numbers.
    """

    folder: str
    digest: str
    images: int
    dropped: list[str]
    concepts: int
    categories: list[str]


class MissingConcepts(TypedDict):
    """Names where a random half of the concepts is left out of the data.

    `given` are the units that have a name then, on average; `wrong` is the share of these names
    that the other concepts contradict, None where no name is given.
    """

    given: float
    wrong: float | None


class RunFacts(TypedDict):
    """What an ingest states about a run.

    `timings` are seconds by step. `quantile` is the one used; `quantile_reason` says why it was
    chosen; of one that was asked for, which one `auto` would choose, if another.
    """

    created: str
    settings: dict[str, object]
    settings_digest: str
    model: ModelSource
    data: DataSource
    input: InputShape
    versions: dict[str, str]
    timings: dict[str, float]
    device: str
    blocks: dict[str, BlockShape]
    min_iou: float
    quantile: float
    quantile_reason: str
    names: MissingConcepts


class Manifest(RunFacts):
    """`manifest.json`: the facts of a run, its uid and name, and the version of the layout."""

    schema: int
    uid: str
    name: str


_TYPES: dict[str, type | tuple[type, ...]] = {
    "uid": str,
    "name": str,
    "created": str,
    "settings": dict,
    "settings_digest": str,
    "model": dict,
    "model.name": str,
    "model.weights": (str, type(None)),
    "model.weights_key": (str, type(None)),
    "model.weights_notes": list,
    "model.classes": (str, type(None)),
    "model.digest": str,
    "data": dict,
    "data.folder": str,
    "data.digest": str,
    "data.images": int,
    "data.concepts": int,
    "data.categories": list,
    "input": dict,
    "input.height": int,
    "input.width": int,
    "input.mean": list,
    "input.std": list,
    "input.resize": (int, type(None)),
    "input.interpolation": str,
    "input.source": str,
    "versions": dict,
    "timings": dict,
    "device": str,
    "blocks": dict,
    "min_iou": (int, float),
    "quantile": float,
    "quantile_reason": str,
    "names": dict,
    "names.given": (int, float),
    "names.wrong": (int, float, type(None)),
}
"""What `read_manifest` checks; it also checks each of `blocks`."""


def write_manifest(file: Path, facts: RunFacts, name: str) -> None:
    """Write the manifest of a run of this name, with this version of the layout."""
    manifest: Manifest = {"schema": SCHEMA, "uid": name, "name": name, **facts}
    text = json.dumps(manifest, indent=2, allow_nan=False)
    with disk_errors(file, "cannot be written"):
        file.write_text(text + "\n", encoding="utf-8")


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        RunError: it is missing, incomplete, from a newer version of the layout, or no manifest.
    """
    if not file.exists():
        raise _no_manifest(file.parent)
    try:
        with disk_errors(file, "cannot be read"):
            manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError("not JSON", file=file, found=error) from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int) or schema < 1:
        raise RunError("not a run's manifest", file=file, found=f"schema {schema}", expected=SCHEMA)
    if schema > SCHEMA:
        raise RunError(
            f"written by a newer conceptgraph (schema {schema}); this one reads up to {SCHEMA}",
            file=file,
            remedy="Upgrade conceptgraph",
        )
    if missing := list(_missing(manifest)):
        found = f"no valid {', '.join(missing)}"
        raise RunError("incomplete manifest", file=file, found=found, remedy="Ingest again")
    try:
        Settings.from_dict(manifest["settings"])
    except (ConceptGraphError, TypeError) as error:
        remedy = "Ingest again"
        raise RunError("settings not valid", file=file, found=error, remedy=remedy) from error
    return cast("Manifest", manifest)


def _no_manifest(run: Path) -> RunError:
    if run.is_dir():
        return RunError("no manifest.json: not a run, or one that was never finished", file=run)
    earlier = run.with_name(f"{run.name}.earlier")
    remedy = "Make one with `conceptgraph ingest`"
    if earlier.exists():
        remedy = f"Its replacement was interrupted: rename {earlier.name} to {run.name}"
    return RunError("no such run", file=run, remedy=remedy)


def _missing(manifest: Mapping[str, object]) -> Iterator[str]:
    """Yield what is missing or of another type: "min_iou", "model.digest", "blocks.block4"."""
    for name, kind in _TYPES.items():
        part, _, key = name.rpartition(".")
        values = manifest.get(part) if part else manifest
        if isinstance(values, dict) and not isinstance(values.get(key, ...), kind):
            yield name
    blocks = manifest.get("blocks")
    if blocks == {}:
        yield "blocks"
    for name, shape in blocks.items() if isinstance(blocks, dict) else ():
        if not _is_block(name, shape):
            yield f"blocks.{name}"


def _is_block(name: str, shape: object) -> bool:
    try:
        block_number(name)
    except ValueError:
        return False
    keys = ("units", "height", "width")
    return isinstance(shape, dict) and all(isinstance(shape.get(key), int) for key in keys)
