"""The summary of a run, as a table and JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from ...queries.paths import class_to_ask
from ..terminal import print_line, print_note, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ...graph.run.reader import Run


class BlockSummary(NamedTuple):
    """Counts of units and concepts of one block, and its named unit with the largest IoU."""

    block: str
    units: int
    interpretable: int
    significant: int | None
    named: int
    concepts: int
    dead: int
    sparse: int
    best: dict[str, str | float] | None


class TagSummary(NamedTuple):
    """How many units, of all, tell a concept of whole images; which does best, its AUC."""

    units: int
    of: int
    unit: str | None
    concept: str | None
    auc: float | None


def summary_json(run: Run) -> dict[str, object]:
    """Return the summary as one JSON object."""
    return {
        "run": str(run.path),
        "blocks": [block._asdict() for block in _blocks(run)],
        "whole_image_concepts": tags._asdict() if (tags := _tags(run)) else None,
        **_facts(run),
    }


def print_summary(run: Run) -> None:
    """Print the summary as a table, and the next command."""
    facts, blocks = _facts(run), _blocks(run)
    print_table(
        f"{run.path}: {facts['images']} {run.noun}s, {facts['concepts']} concepts, "
        f"{facts['seconds']} s on {facts['device']}",
        (
            "block",
            "units",
            "interpretable",
            "significant",
            "named",
            "concepts",
            "dead",
            "sparse",
            "best unit (IoU)",
        ),
        [_cells(block) for block in blocks],
        right="bcdefgh",
    )
    reason = run.manifest["quantile_reason"]
    print_note(
        f"Quantile {run.quantile:g} ({reason})." if reason else f"Quantile {run.quantile:g}."
    )
    print_note(_names_note(run))
    if tags := _tags(run):
        print_note(_tags_note(tags))
    name = class_to_ask(run) or str(run.classes["name"].iloc[0])
    why = f"conceptgraph why --run {shlex.quote(str(run.path))} --class {shlex.quote(name)}"
    print_line(f"Next: {why}", "dim")


def _tags(run: Run) -> TagSummary | None:
    """Return how many units tell a concept of whole images; None without such concepts."""
    scored = run.detections[run.detections["auc"].notna()]
    if scored.empty:
        return None
    sure = scored[scored["auc_significant"]]
    best = sure.loc[sure["auc"].idxmax()] if len(sure) else None
    names = run.concepts.set_index("uid")["name"]
    return TagSummary(
        int(sure["unit"].nunique()),
        len(run.units),
        None if best is None else str(best["unit"]),
        None if best is None else str(names[best["concept"]]),
        None if best is None else float(best["auc"]),
    )


def _tags_note(tags: TagSummary) -> str:
    text = f"Units that tell a concept of whole images: {tags.units} of {tags.of}"
    if tags.auc is None:
        return f"{text} (AUC, significant)."
    return (
        f"{text} (AUC, significant), best {tags.unit} {tags.concept} ({tags.auc:.2f}). "
        "`conceptgraph show CONCEPT` lists them."
    )


def _names_note(run: Run) -> str:
    """Return what a name means, and how far names are to be trusted."""
    share, names = run.settings.min_precision, run.manifest["names"]
    text = (
        f"Named: in images held out, more than {share:.0%} of the unit's activation area lies on "
        "the concept, beyond chance. "
    )
    if names["wrong"] is None:
        return f"{text}With half of the concepts left out, no unit has a name."
    return (
        f"{text}With half of the concepts left out, {names['given']:.0f} units have a name; "
        f"{names['wrong']:.1%} of these names are wrong by the other half."
    )


def _blocks(run: Run) -> list[BlockSummary]:
    rows = []
    for block in run.blocks:
        units = run.units[run.units["block"] == block]
        named = units[run.named[units.index]]
        rows.append(
            BlockSummary(
                block,
                len(units),
                int(run.interpretable[units.index].sum()),
                int(run.significant[units.index].sum()) if run.is_tested else None,
                len(named),
                len(named[["category", "label"]].drop_duplicates()),
                int((units["status"] == "dead").sum()),
                int((units["status"] == "sparse").sum()),
                _best(named),
            )
        )
    return rows


def _best(units: pd.DataFrame) -> dict[str, str | float] | None:
    """Return the unit with the largest IoU; None without units."""
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
        "quantile": manifest["quantile"],
        "quantile_reason": manifest["quantile_reason"],
        "input": manifest["input"],
    }


def _cells(block: BlockSummary) -> Sequence[object]:
    best = "—"
    if block.best:
        best = f"{block.best['unit']} {block.best['concept']} ({block.best['iou']:.2f})"
    return [*("—" if count is None else count for count in block[:-1]), best]
