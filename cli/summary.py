"""What an ingest found, at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .terminal import out, print_table

if TYPE_CHECKING:
    from ..graph.run import Run


def summary_json(run: Run) -> dict[str, object]:
    """The summary as one JSON object."""
    return {"run": str(run.path), "blocks": _blocks(run), **_facts(run)}


def _blocks(run: Run) -> list[dict[str, object]]:
    """Counts of units and concepts for each block."""
    rows: list[dict[str, object]] = []
    for block in run.blocks:
        units = run.units[run.units["block"] == block]
        named = units[run.interpretable[units.index]]
        rows.append(
            {
                "block": block,
                "units": len(units),
                "interpretable": len(named),
                "concepts": len(named[["category", "label"]].drop_duplicates()),
                "dead": int((units["status"] == "dead").sum()),
                "sparse": int((units["status"] == "sparse").sum()),
                "best": None if units.empty else _best(units.loc[units["iou"].idxmax()].to_dict()),
            }
        )
    return rows


def _best(unit: dict[str, object]) -> str:
    return f"{unit['uid']} {unit['label']} ({unit['iou']:.2f})"


def _facts(run: Run) -> dict[str, object]:
    manifest = run.manifest
    return {
        "seconds": round(sum(manifest["timings"].values()), 1),
        "device": manifest["device"],
        "images": manifest["data"]["images"],
        "concepts": manifest["data"]["concepts"],
    }


def print_summary(run: Run) -> None:
    """The summary as a table."""
    facts, rows = _facts(run), _blocks(run)
    columns = ("block", "units", "interpretable", "concepts", "dead", "sparse", "best")
    print_table(
        f"{run.path.name}: {facts['images']} images, {facts['concepts']} concepts, "
        f"{facts['seconds']} s on {facts['device']}",
        (*columns[:-1], "best unit (IoU)"),
        [[row[column] for column in columns] for row in rows],
        right="bcdef",
    )
    name = run.classes["name"].iloc[0]
    out.print(f"Next: conceptgraph why --run {run.path.name} --class {name!r}", style="dim")
