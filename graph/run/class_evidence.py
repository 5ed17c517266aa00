"""The evidence of classes that is kept in a run: `evidence.parquet` and `flows.parquet`.

An ingest does not make them: they are written by `conceptgraph evidence`, and a run without them is
whole all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ...files import atomic_file
from .files import read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        evidence: columns `EVIDENCE`; a name of None is "none of them".
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
    facts = run.path / "evidence.json"
    if not facts.is_file():
        return None
    stated = json.loads(facts.read_text(encoding="utf-8"))
    evidence = read_table(run.path / "evidence.parquet", EVIDENCE)
    flows = read_table(run.path / "flows.parquet", FLOWS)
    return SavedEvidence(evidence, flows, stated["versus"], stated["images"])
