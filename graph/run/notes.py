"""Names and notes that people give to units: `NAME.notes.json`, beside the run `NAME.cg`.

Beside it, so that a run that is ingested again keeps them. They belong to a network, known by its
digest: a run of another network under the same name shows none of them, and loses none.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, TypedDict

from msgspec import Meta

from ...errors import QueryError, RunError
from ...files import atomic_file
from .files import disk_errors, file_of_run, read_json
from .schema import LARGEST_JSON, Name

if TYPE_CHECKING:
    from pathlib import Path

    from .reader import Run

SCHEMA = 1
LONGEST_OWN_NAME, LONGEST_NOTE = 120, 4000
"""Characters."""


class UnitNote(TypedDict):
    """What somebody calls a unit, and says about it; either may be empty. `changed` is in UTC."""

    name: Annotated[str, Meta(max_length=LONGEST_OWN_NAME)]
    note: Annotated[str, Meta(max_length=LONGEST_NOTE)]
    changed: Annotated[str, Meta(max_length=40)]


class SavedNotes(TypedDict):
    """The content of the file: by digest of the network and uid of the unit."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    networks: dict[Name, dict[Name, UnitNote]]


def notes_file(run: Run) -> Path:
    """Return the file of a run's notes, whether it exists or not."""
    return file_of_run(run.path.absolute().parent, f"{run.path.absolute().stem}.notes.json")


def read_notes(run: Run) -> dict[str, UnitNote]:
    """Return the notes of a run's units, by uid.

    Raises:
        RunError: the file is damaged.
    """
    return dict(_read(notes_file(run))["networks"].get(run.manifest["model"]["digest"], {}))


def write_note(run: Run, unit: str, name: str, note: str) -> None:
    """Keep what somebody calls a unit and says about it; nothing is kept of two empty texts.

    Raises:
        QueryError: no such unit, or a text is too long.
        RunError: the file is damaged, or cannot be written.
    """
    run.unit(unit)
    name, note = " ".join(name.split()), note.strip()
    for text, longest in ((name, LONGEST_OWN_NAME), (note, LONGEST_NOTE)):
        if len(text) > longest:
            raise QueryError("too long", found=f"{len(text)} characters", expected=longest)
    file = notes_file(run)
    saved = _read(file)
    of_network = saved["networks"].setdefault(run.manifest["model"]["digest"], {})
    of_network.pop(unit, None)
    if name or note:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        of_network[unit] = {"name": name, "note": note, "changed": now}
    content = json.dumps(saved, ensure_ascii=False, indent=1).encode(errors="replace")
    if len(content) > LARGEST_JSON:
        raise RunError("more notes than a file can have", file=file)
    with disk_errors(file, "cannot be written"), atomic_file(file) as partial:
        partial.write_bytes(content)


def _read(file: Path) -> SavedNotes:
    if not file.exists():
        return {"schema": SCHEMA, "networks": {}}
    return read_json(file, SavedNotes, "not the notes of units", "Repair or remove it")
