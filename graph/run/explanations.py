"""Explanations that are saved in a run: one JSON file for each, `explanations/KEY.json`.

KEY stands for the image's content and the question, so the same question about the same image is
one explanation, however often it is asked. The run's other files never change for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ...errors import RunError
from ...files import atomic_file
from .files import disk_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .reader import Run

FOLDER = "explanations"
SCHEMA = 1


class SavedPath(TypedDict):
    """A path of a saved explanation."""

    rank: int
    contribution: float
    measured: float
    units: list[str]


SavedAnswer = TypedDict(
    "SavedAnswer",
    {
        "class": str,
        "versus": "str | None",
        "method": str,
        "logit": float,
        "probability": float,
        "coverage": float,
        "paths": "list[SavedPath]",
        "accounting": "dict[str, float]",
    },
)
"""What the graph takes from an explanation's JSON, which has more."""


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
    run: Run, image: Path, question: Mapping[str, object], answer: Mapping[str, object]
) -> Path:
    """Save an explanation; it replaces an earlier one of the same image and question.

    Args:
        run: the run that was asked.
        image: the image file.
        question: all settings that the answer depends on.
        answer: the explanation's JSON.

    Returns:
        The JSON file; what else belongs to it may lie beside it, under the same stem.

    Raises:
        RunError: the image cannot be read, or the run not written to.
    """
    with disk_errors(image, "cannot be read"):
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
    asked = json.dumps([digest, dict(question)], sort_keys=True)
    key = hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
    file = run.file(f"{FOLDER}/{key}.json")
    content = {"schema": SCHEMA, "image": digest, "path": str(image), "answer": dict(answer)}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    with disk_errors(file, "cannot be written"):
        file.parent.mkdir(exist_ok=True)
        with atomic_file(file) as partial:
            partial.write_text(text, encoding="utf-8")
    return file


def saved_explanations(run: Run) -> list[SavedExplanation]:
    """Read all explanations of a run, by key; RunError for a file that is not one."""
    files = sorted((run.path / FOLDER).glob("*.json"))
    return [_read(run.file(f"{FOLDER}/{file.name}")) for file in files]


def _read(file: Path) -> SavedExplanation:
    with disk_errors(file, "cannot be read"):
        text = file.read_text(encoding="utf-8")
    try:
        content = json.loads(text)
        answer = content["answer"]
        fits = content["schema"] == SCHEMA and SavedAnswer.__required_keys__ <= answer.keys()
        fits &= all(
            SavedPath.__required_keys__ <= path.keys() and path["units"] for path in answer["paths"]
        )
        explanation = SavedExplanation(file.stem, content["image"], content["path"], answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file) from error
    if not fits:
        raise _damaged(file)
    return explanation


def _damaged(file: Path) -> RunError:
    return RunError(
        "not an explanation of this version", file=file, remedy="Delete it, and explain again"
    )
