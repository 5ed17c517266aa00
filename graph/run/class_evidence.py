"""The evidence of classes that is kept in a run: `evidence.parquet` and `flows.parquet`.

An ingest does not make them: they are written by `conceptgraph evidence`, and a run without them is
whole all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ...errors import RunError
from ...files import atomic_files
from ..uids import concept_uids
from .files import disk_errors, read_json, write_table
from .schema import Count, Name  # noqa: TC001 (msgspec reads them)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from .reader import Run

EVIDENCE = {
    "class": "class",
    "block": "block",
    "category": "own name",
    "name": "name?",
    "mean": "number",
    "spread": "size",
    "low": "number",
    "high": "number",
    "images": "count",
    "share": "share",
    "coverage": "share",
}
FLOWS = {
    "class": "class",
    "source_block": "block",
    "source_category": "own name",
    "source_name": "name?",
    "target_block": "block",
    "target_category": "own name",
    "target_name": "name?",
    "mean": "number",
    "images": "count",
    "rank": "count",
}
_PLACE = ("block", "category", "name")
_REMEDY = "Compute it again with `conceptgraph evidence`"


class SavedFacts(TypedDict):
    """The content of `evidence.json`."""

    versus: Name | None
    images: dict[Name, Count]


class SavedEvidence(NamedTuple):
    """The evidence of classes that a run keeps.

    Attributes:
        evidence: columns `EVIDENCE`; a name of None is "elsewhere".
        flows: columns `FLOWS`.
        versus: the class that logits are compared with; None means the mean of all classes.
        images: how many images, by class they were taken for.
    """

    evidence: pd.DataFrame
    flows: pd.DataFrame
    versus: str | None
    images: dict[str, int]


def write_class_evidence(
    run: Run,
    evidence: pd.DataFrame,
    flows: pd.DataFrame,
    versus: str | None,
    images: Mapping[str, int],
) -> None:
    """Write the evidence of classes into a run, in place of what it has.

    Raises:
        RunError: it cannot be written.
    """
    files = [run.path / name for name in ("evidence.parquet", "flows.parquet", "evidence.json")]
    facts = {"versus": versus, "images": dict(images)}
    with disk_errors(files[-1], "cannot be written"), atomic_files(*files) as partials:
        write_table(partials[0], evidence, EVIDENCE)
        write_table(partials[1], flows, FLOWS)
        partials[2].write_text(json.dumps(facts), encoding="utf-8")


def read_class_evidence(run: Run) -> SavedEvidence | None:
    """Read the evidence of classes of a run; None if it has none.

    Raises:
        RunError: a file is damaged.
    """
    file = run.file("evidence.json")
    if not file.exists():
        return None
    facts = read_json(file, SavedFacts, "not the evidence of classes", _REMEDY)
    versus, images = facts["versus"], facts["images"]
    if unknown := {*images, *([versus] if versus else ())} - run.known("class"):
        what, found = "a class that the run does not have", repr(min(unknown))
        raise RunError(what, file=file, found=found, remedy=_REMEDY)
    classes, blocks = len(run.known("class")), len(run.blocks)
    places = len(run.concepts) + run.concepts["category"].nunique()
    evidence = run.table("evidence", EVIDENCE, ("class", *_PLACE), classes * blocks * places)
    ends = [f"{end}_{part}" for end in ("source", "target") for part in _PLACE]
    flows = run.table("flows", FLOWS, ("class", *ends), classes * places**2)
    for name, table, prefixes in (
        ("evidence", evidence, ("",)),
        ("flows", flows, ("source_", "target_")),
    ):
        for prefix in prefixes:
            _check_places(run, run.path / f"{name}.parquet", table, prefix)
    return SavedEvidence(evidence, flows, versus, images)


def _check_places(run: Run, file: Path, table: pd.DataFrame, prefix: str) -> None:
    """Refuse concepts and categories that the run does not have."""
    category, name = table[f"{prefix}category"], table[f"{prefix}name"]
    unknown = set(concept_uids(category, name).dropna()) - run.known("concept")
    unknown |= set(category) - set(run.concepts["category"])
    if unknown:
        what, found = "a concept that the run does not have", repr(min(unknown))
        raise RunError(what, file=file, found=found, remedy=_REMEDY)
