"""The page of a report: one offline file with the paper's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..files import write_bytes
from ..graph.stores.memory import open_store
from ..queries.compare import compare
from . import report_content as content
from .figures import CONCEPTS, categories_by_block, concepts_by_units
from .path_page import environment
from .report_cam import Sight, see

if TYPE_CHECKING:
    from pathlib import Path

    from ..graph.run.reader import Run

_FEEDING = (5, 3)  # units into the class, and into each of these


class Choices(NamedTuple):
    """What a report is about, beside its run; None leaves the choice to it."""

    other: Run | None = None
    unit: str | None = None
    class_name: str | None = None
    sight: Sight = Sight()


def write_report(run: Run, choices: Choices, path: Path) -> None:
    """Render and write it.

    Raises:
        QueryError: a unit or class that is not there.
        ConceptGraphError: an image or weights that were named cannot be used, or the file cannot
            be written.
    """
    page = environment().get_template("report.html").render(**_values(run, choices))
    write_bytes(path, page.encode(errors="backslashreplace"))


def _values(run: Run, choices: Choices) -> dict[str, object]:
    store = open_store(run)
    found = content.figures(run, store)
    categories = _categories(run)
    values: dict[str, object] = {
        "run": run,
        "lead": _lead(found, tested=run.is_tested),
        "figures": found,
        "above_center_bias": content.above_center_bias(run),
        "by_block": categories_by_block(found.categories, run.blocks, categories),
        "concepts": [
            (block, concepts_by_units(rows, categories, block) if rows else None)
            for block, rows in reversed(found.concepts.items())
        ],
        "most": CONCEPTS,
        "galleries": [
            (block, content.gallery(run, store, block)) for block in reversed(run.blocks)
        ],
        "rows": content.unit_rows(run),
        "facts": _facts(run),
        "unit": None,
        "driven": [],
        "tree": (),
        "seen": None,
        "other": choices.other,
        "comparison": None,
        "changed": [],
    }
    if run.hops and run.hops[-1][1] == "class":
        unit = content.chosen_unit(run, choices.unit)
        driven = content.classes_of(run, unit)
        name = content.chosen_class(run, store, choices.class_name)
        values |= {
            "unit": content.tile(run, store, unit),
            "driven": driven,
            "reach": max((abs(row.weight) for row in driven), default=0) or 1,
            "class_name": name.partition("/")[2],
            "tree": content.sources(run, store, name, _FEEDING),
            "seen": see(run, name, choices.sight),
        }
    if choices.other is not None:
        comparison = compare([run, choices.other])
        stores = (store, open_store(choices.other))
        values["comparison"] = comparison
        values["changed"] = content.changed(comparison, (run, choices.other), stores)
    return values


def _categories(run: Run) -> list[str]:
    """The run's categories in the order of its data."""
    named = run.manifest.get("data", {}).get("categories")
    there = run.concepts["category"].unique().tolist()
    first = [name for name in named if name in there] if isinstance(named, list) else []
    return [*first, *(name for name in there if name not in first)]


def _lead(found: content.Figures, *, tested: bool) -> str:
    units = sum(row.units for row in found.blocks)
    named = sum(row.interpretable for row in found.blocks)
    concepts = {row.uid for rows in found.concepts.values() for row in rows}
    text = f"{named} of {units} units detect {len(concepts)} concepts"
    beyond = sum(row.significant for row in found.blocks)
    return f"{text}; {beyond} of these units do so beyond chance." if tested else f"{text}."


def _facts(run: Run) -> list[tuple[str, object]]:
    manifest = run.manifest
    model, data = manifest.get("model", {}), manifest.get("data", {})
    settings = manifest.get("settings", {})
    return [
        ("model", model.get("name", "–")),
        ("images", data.get("images", "–")),
        ("concepts", len(run.concepts)),
        ("quantile", settings.get("quantile", "–")),
        ("IoU", settings.get("iou", "–")),
        ("created", manifest.get("created", "–")),
    ]
