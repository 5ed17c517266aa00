"""Finished audits that are kept in a run: one JSON file for each, `audits/KEY.json`.

KEY stands for the images as they were, their labels and the options: the same audit again is one
file. Rows of images, from which an audit resumes, lie beside it.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, TypedDict

from msgspec import Meta

from ...errors import RunError
from ...files import atomic_file
from .files import disk_errors, inside, read_json
from .schema import Count, Name, Number, Share, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .reader import Run

FOLDER = "audits"
SCHEMA = 1


class SavedRaise(TypedDict):
    """What a concept adds to the predicted class's logit, and takes from the true one's."""

    concept: Name
    raises: Number
    lowers: Number


class SavedConfusion(TypedDict):
    """Images of one class taken for another."""

    truth: Name
    predicted: Name
    images: list[Name]
    concepts: list[SavedRaise]


class SavedSuspect(TypedDict):
    """A concept that pushes mistakes more often than right answers."""

    concept: Name
    mistakes: Count
    rights: Count
    excess: Number
    low: Number
    high: Number
    fixes: Count | None
    breaks: Count | None


SavedReliance = TypedDict(
    "SavedReliance",
    {
        "class": Name,
        "concept": Name,
        "images": Count,
        "strongest": Count,
        "painted": Count,
        "changes": Count,
        "evidence": Number,
        "excess": Number,
        "low": Number,
        "high": Number,
        "also": list[Name],
        "wrong_strongest": Count | None,
        "fixes": Count | None,
    },
)
"""How much the answers of a class rely on a concept."""


class SavedGroupConcept(TypedDict):
    """A concept that names a group."""

    concept: Name
    share: Share
    elsewhere: Share


SavedGroup = TypedDict(
    "SavedGroup",
    {
        "class": Name,
        "of": Count,
        "images": list[Name],
        "separation": Number,
        "concepts": list[SavedGroupConcept],
        "units": list[Name],
        "wrong": Count | None,
    },
)
"""Images of a class whose answer has the same reason."""


class SavedUnreadable(TypedDict):
    """An image that could not be read."""

    file: Name
    reason: Text


class SavedAudit(TypedDict):
    """What the explorer takes from an audit's JSON."""

    block: Name
    images: Count
    right: Count | None
    unreadable: list[SavedUnreadable]
    answers: dict[Name, Count]
    confusions: list[SavedConfusion]
    suspects: list[SavedSuspect]
    no_suspects: Text | None
    reliance: list[SavedReliance]
    groups: list[SavedGroup]


class KeptAudit(TypedDict):
    """The content of a file: the audit, the folder of its images, and when it was finished."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    folder: Name
    created: Name
    audit: SavedAudit


def save_audit(run: Run, key: str, folder: str, audit: Mapping[str, object]) -> None:
    """Keep a finished audit; it replaces an earlier one of the same images and options.

    Args:
        run: that was audited.
        key: of images and options.
        folder: of the images.
        audit: its JSON.

    Raises:
        RunError: the run cannot be written to.
    """
    file = run.file(f"{FOLDER}/{key}.json")
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = {"schema": SCHEMA, "folder": folder, "created": created, "audit": dict(audit)}
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    with disk_errors(file, "cannot be written"):
        file.parent.mkdir(exist_ok=True)
        with atomic_file(file) as partial:
            partial.write_bytes(text.encode(errors="replace"))


def kept_audits(run: Run) -> dict[str, KeptAudit]:
    """Read the finished audits of a run by key, the newest first; RunError for a damaged file."""
    folder = run.path / FOLDER
    if inside(run.path, FOLDER) is None:
        raise RunError("not a folder of the run", file=folder)
    audits = {
        file.stem: read_json(
            run.file(f"{FOLDER}/{file.name}"), KeptAudit, "not an audit of this version",
            "Delete it, and audit again",
        )
        for file in sorted(folder.glob("*.json"))
    }  # fmt: skip
    newest = sorted(audits, key=lambda key: (audits[key]["created"], key), reverse=True)
    return {key: audits[key] for key in newest}
