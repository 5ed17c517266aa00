"""What an ingest found, at a glance."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from ..terminal import note, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ...graph.run.reader import Run


def summary_json(run: Run) -> dict[str, object]:
    """The summary as one JSON object."""
    return {
        "run": str(run.path),
        "blocks": [block._asdict() for block in _blocks(run)],
        **_facts(run),
    }


class BlockSummary(NamedTuple):
    """Counts of units and concepts of one block, and its unit with the highest IoU."""

    block: str
    units: int
    interpretable: int
    significant: int | None
    concepts: int
    dead: int
    sparse: int
    best: dict[str, str | float] | None


def _blocks(run: Run) -> list[BlockSummary]:
    rows = []
    for block in run.blocks:
        units = run.units[run.units["block"] == block]
        named = units[run.interpretable[units.index]]
        rows.append(
            BlockSummary(
                block,
                len(units),
                len(named),
                int(run.significant[units.index].sum()) if run.is_tested else None,
                len(named[["category", "label"]].drop_duplicates()),
                int((units["status"] == "dead").sum()),
                int((units["status"] == "sparse").sum()),
                _best(named),
            )
        )
    return rows


def _best(units: pd.DataFrame) -> dict[str, str | float] | None:
    """The unit with the highest IoU; None of none."""
    if units.empty:
        return None
    unit = units.iloc[int(units["iou"].argmax())]
    return {
        "unit": str(unit["uid"]),
        "concept": str(unit["label"]),
        "category": str(unit["category"]),
        "iou": float(unit["iou"]),
    }


def _facts(run: Run) -> dict[str, object]:
    manifest = run.manifest
    return {
        "seconds": round(sum(manifest["timings"].values()), 1),
        "device": manifest["device"],
        "images": manifest["data"]["images"],
        "concepts": manifest["data"]["concepts"],
    }


def _quantile(run: Run) -> float:
    """Share of a unit's activations above its threshold."""
    return float(str(run.manifest["settings"]["quantile"]))


def _cells(row: BlockSummary) -> Sequence[object]:
    best = f"{row.best['unit']} {row.best['concept']} ({row.best['iou']:.2f})" if row.best else "—"
    return [*("—" if cell is None else cell for cell in row[:-1]), best]


def print_summary(run: Run) -> None:
    """The summary as a table."""
    facts = _facts(run)
    print_table(
        f"{run.path}: {facts['images']} images, {facts['concepts']} concepts, "
        f"{facts['seconds']} s on {facts['device']}",
        (
            "block",
            "units",
            "interpretable",
            "beyond chance",
            "concepts",
            "dead",
            "sparse",
            "best unit (IoU)",
        ),
        [_cells(row) for row in _blocks(run)],
        right="bcdefg",
    )
    unnamed = [row.block for row in _blocks(run) if row.interpretable * 20 < row.units]
    if unnamed:
        note(
            f"Hardly a unit of {', '.join(unnamed)} reaches an IoU of {run.min_iou:g}. Where "
            "concepts cover large parts of the images, masks of the strongest "
            f"{_quantile(run):.1%} cannot: try a larger --quantile, such as .05."
        )
    name = shlex.quote(str(run.classes["name"].iloc[0]))
    say(f"Next: conceptgraph why --run {shlex.quote(str(run.path))} --class {name}", "dim")
