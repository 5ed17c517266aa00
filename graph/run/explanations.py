"""Explanations that are saved in a run: one JSON file for each, `explanations/KEY.json`.

KEY stands for the image's content and the question, so the same question about the same image is
one explanation, however often it is asked. The run's other files never change for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypedDict

from msgspec import Meta

from ...errors import RunError
from ...files import atomic_files
from .files import disk_errors, inside, read_json
from .schema import Count, Digest, Name, Number, Share, Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .reader import Run

FOLDER = "explanations"
SCHEMA = 1
_KEY = re.compile("[0-9a-f]{1,64}")
_WHAT, _REMEDY = "not an explanation of this version", "Delete it, and explain again"


class SavedPath(TypedDict):
    """A path of a saved explanation."""

    rank: Count
    contribution: Number
    measured: Number
    units: Annotated[list[Name], Meta(min_length=1)]


SavedAnswer = TypedDict(
    "SavedAnswer",
    {
        "class": Name,
        "versus": Name | None,
        "method": Name,
        "logit": Number,
        "probability": Share,
        "coverage": Number,
        "paths": list[SavedPath],
        "accounting": dict[str, Number],
    },
)
"""What the graph takes from an explanation's JSON, which has more."""


class SavedContent(TypedDict):
    """The content of a file."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    image: Digest
    path: Text
    answer: SavedAnswer


class SavedExplanation(NamedTuple):
    """An explanation as it was saved.

    Attributes:
        key: stem of the file.
        image: sha256 of the image file's content.
        path: the image file, as it was given.
        answer: the explanation's JSON.
    """

    key: str
    image: str
    path: str
    answer: SavedAnswer


def save_explanation(
    run: Run,
    image: Path,
    question: Mapping[str, object],
    answer: Mapping[str, object],
    picture: bytes | None = None,
) -> Path:
    """Save an explanation; it replaces an earlier one of the same image and question.

    Args:
        run: the run that was asked.
        image: the image file, or the folder of a clip's frames.
        question: all settings that the answer depends on.
        answer: the explanation's JSON.
        picture: the class activation map as PNG, to lie beside it under the same stem.

    Returns:
        The JSON file.

    Raises:
        RunError: the image cannot be read, or the run not written to.
    """
    with disk_errors(image, "cannot be read"):
        digest = image_digest(image)
    asked = json.dumps([digest, dict(question)], sort_keys=True)
    key = hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
    file = run.file(f"{FOLDER}/{key}.json")
    saved = {"schema": SCHEMA, "image": digest, "path": str(image), "answer": dict(answer)}
    text = json.dumps(saved, ensure_ascii=False, allow_nan=False)
    with disk_errors(file, "cannot be written"):
        file.parent.mkdir(exist_ok=True)
        contents = {file: text.encode(errors="replace")}
        if picture is not None:
            contents[file.with_suffix(".png")] = picture
        with atomic_files(*contents) as partials:
            for partial, content in zip(partials, contents.values(), strict=True):
                partial.write_bytes(content)
    return file


def image_digest(image: Path) -> str:
    """Return the sha256 of a file's content, or of all files' in a folder of frames."""
    digest = hashlib.sha256()
    files = sorted(it for it in image.iterdir() if it.is_file()) if image.is_dir() else [image]
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def saved_explanations(run: Run) -> list[SavedExplanation]:
    """Read all explanations of a run, by key; RunError for a file that is not one."""
    folder = run.path / FOLDER
    if inside(run.path, FOLDER) is None or (folder.exists() and not folder.is_dir()):
        raise RunError("not a folder of the run", file=folder)
    return [_read(run, name) for name in sorted(file.name for file in folder.glob("*.json"))]


def _read(run: Run, name: str) -> SavedExplanation:
    file = run.file(f"{FOLDER}/{name}")
    content = read_json(file, SavedContent, _WHAT, _REMEDY)
    answer = content["answer"]
    ranks = [path["rank"] for path in answer["paths"]]
    names = {answer["class"], answer["versus"] or answer["class"]} - run.known("class")
    names |= {unit for path in answer["paths"] for unit in path["units"]} - run.known("unit")
    if names or len(set(ranks)) < len(ranks) or not _KEY.fullmatch(file.stem):
        found = f"no {min(names)!r} in the run" if names else None
        raise RunError(_WHAT, file=file, found=found, remedy=_REMEDY)
    return SavedExplanation(file.stem, content["image"], content["path"], answer)
