"""The evidence of classes that is kept in a run: `evidence.parquet` and `flows.parquet`.

An ingest does not make them: they are written by `conceptgraph evidence`, and a run without them is
whole all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ...errors import RunError
from ...files import atomic_file
from ..uids import concept_uids
from .files import disk_errors, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from .reader import Run

EVIDENCE = {
    "class": "string",
    "block": "string",
    "category": "string",
    "name": "string",
    "mean": "double",
    "spread": "double",
    "low": "double",
    "high": "double",
    "images": "int64",
    "share": "double",
    "coverage": "double",
}
FLOWS = {
    "class": "string",
    "source_block": "string",
    "source_category": "string",
    "source_name": "string",
    "target_block": "string",
    "target_category": "string",
    "target_name": "string",
    "mean": "double",
    "images": "int64",
    "rank": "int64",
}


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
    for name, frame, columns in (("evidence", evidence, EVIDENCE), ("flows", flows, FLOWS)):
        with atomic_file(run.path / f"{name}.parquet") as file:
            write_table(file, frame, columns)
    with atomic_file(run.path / "evidence.json") as file:
        file.write_text(json.dumps({"versus": versus, "images": dict(images)}), encoding="utf-8")


def read_class_evidence(run: Run) -> SavedEvidence | None:
    """Read the evidence of classes of a run; None if it has none.

    Raises:
        RunError: a file is damaged.
    """
    file = run.file("evidence.json")
    if not file.is_file():
        return None
    versus, images = _read_facts(file)
    tables = {
        name: read_table(run.file(f"{name}.parquet"), columns)
        for name, columns in (("evidence", EVIDENCE), ("flows", FLOWS))
    }
    for name, table in tables.items():
        _check_names(run, f"{name}.parquet", table)
    return SavedEvidence(tables["evidence"], tables["flows"], versus, images)


def _read_facts(file: Path) -> tuple[str | None, dict[str, int]]:
    try:
        with disk_errors(file, "cannot be read"):
            facts = json.loads(file.read_text(encoding="utf-8"))
        versus, images = facts["versus"], facts["images"]
        if not (versus is None or isinstance(versus, str)):
            raise TypeError
        return versus, {str(name): int(count) for name, count in images.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "Compute it again with `conceptgraph evidence`"
        raise RunError("not the evidence of classes", file=file, remedy=remedy) from error


def _check_names(run: Run, name: str, table: pd.DataFrame) -> None:
    """Refuse names of classes, blocks and concepts that the run does not have."""
    known = {
        "class": set(run.classes["name"]),
        "block": set(run.blocks),
        "concept": set(run.concepts["uid"]),
    }
    named: list[tuple[str, pd.Series[str]]] = [("class", table["class"])]
    for prefix in ("source_", "target_") if "source_block" in table else ("",):
        uids = concept_uids(table[f"{prefix}category"], table[f"{prefix}name"]).dropna()
        named += [("block", table[f"{prefix}block"]), ("concept", uids)]
    for kind, values in named:
        if unknown := set(values) - known[kind]:
            found, remedy = repr(min(unknown)), "Compute it again with `conceptgraph evidence`"
            what = f"a {kind} that the run does not have"
            raise RunError(what, file=run.path / name, found=found, remedy=remedy)
