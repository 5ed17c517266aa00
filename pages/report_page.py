"""The page of a whole run: the paper's figures, and a table of all units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..explain.name_sources import run_sources_note
from ..graph.run.check import read_check
from ..graph.stores.memory import open_store
from ..graph.uids import class_name
from ..queries.compare import compare
from ..queries.unnamed import unnamed_units
from . import report_content as content
from .document import render
from .figures import CONCEPTS, categories_by_block, concepts_by_units
from .report_cam import draw_cam
from .wording import counted, label_criterion

if TYPE_CHECKING:
    from pathlib import Path

    from ..graph.run.reader import Run

_CONTRIBUTORS = (5, 3)  # of the class, and of each of these units


@dataclass(frozen=True)
class Report:
    """The choices of a report; what is None is chosen from the run.

    Attributes:
        versus: another run to compare with.
        unit: the unit shown with its classes, "block4/290"; else the one with the largest IoU.
        class_name: the class shown with its units; else the first one.
        image: the image for its class activation map; else one of the run's.
        weights: the network's weights, if they are no longer where they were.
        model: the network's `module:factory`, if the run is not trusted.
        trust_run: trust the run: let the code run that it names, and read its concept images.
        trust_pickle: load a checkpoint that can run code.
    """

    versus: Run | None = None
    unit: str | None = None
    class_name: str | None = None
    image: Path | None = None
    weights: str | None = None
    model: str | None = None
    trust_run: bool = False
    trust_pickle: bool = False


def render_report(run: Run, report: Report) -> str:
    """Return the HTML document.

    Raises:
        QueryError: no such unit or class.
        ConceptGraphError: the image or the weights that were given cannot be used.
    """
    store = open_store(run)
    rows = content.figure_rows(run, store)
    categories = _categories(run)
    values: dict[str, object] = {
        "run": run,
        "lead": _lead(run, rows),
        "criterion": label_criterion(run),
        "no_answer": None if run.named.any() else unnamed_units(run, run.blocks),
        "significance": run.settings.significance,
        "rows": rows,
        "above_center_bias": content.above_center_bias(run),
        "by_block": categories_by_block(rows.categories, run.blocks, categories),
        "concepts": [
            (block, concepts_by_units(concepts, categories, block) if concepts else None)
            for block, concepts in reversed(rows.concepts.items())
        ],
        "concepts_shown": CONCEPTS,
        "galleries": [
            (block, content.gallery(run, store, block)) for block in reversed(run.blocks)
        ],
        "formulas": content.with_formulas(run, store),
        "units": content.unit_rows(run),
        "facts": _facts(run),
        "check": read_check(run),
        "names_by": run_sources_note(run),
        "unit": None,
        "contributors": (),
        "versus": report.versus,
        "comparison": None,
    }
    if run.hops and run.hops[-1][1] == "class":
        unit = content.chosen_unit(run, report.unit)
        weights = content.class_weights(run, unit)
        class_uid = content.chosen_class(run, store, report.class_name)
        values |= {
            "unit": content.unit_summary(run, store, unit),
            "class_weights": weights,
            "largest_weight": max((abs(row.weight) for row in weights), default=0) or 1,
            "class_name": class_name(class_uid),
            "contributors": content.contributors(run, store, class_uid, _CONTRIBUTORS),
            "cam": draw_cam(run, class_uid, report),
        }
    if report.versus is not None:
        comparison = compare([run, report.versus])
        stores = (store, open_store(report.versus))
        values["comparison"] = comparison
        values["changes"] = content.changed_units(comparison, (run, report.versus), stores)
    return render("report.html", **values)


def _categories(run: Run) -> list[str]:
    """Return the run's categories in the order of its data."""
    with_concepts = set(run.concepts["category"])
    return [name for name in run.categories if name in with_concepts]


def _lead(run: Run, rows: content.FigureRows) -> str:
    units = sum(row.units for row in rows.blocks)
    interpretable = sum(row.interpretable for row in rows.blocks)
    named = sum(row.named for row in rows.blocks)
    concepts = {row.uid for concepts in rows.concepts.values() for row in concepts}
    if run.words is not None:
        count = counted(len(concepts), "word")
        return f"{named} of {units} units are named after {count}, by {run.words.source}."
    text = (
        f"{named} of {units} units are named after {len(concepts)} concepts; {interpretable} are "
        "interpretable by IoU alone"
    )
    significant = sum(row.significant for row in rows.blocks)
    return (
        f"{text}; the labels of {significant} units are significant."
        if run.is_tested
        else f"{text}."
    )


def _facts(run: Run) -> list[tuple[str, object]]:
    return [
        ("model", run.manifest["model"]["name"]),
        ("images", run.manifest["data"]["images"]),
        ("concepts", len(run.concepts)),
        ("quantile", run.quantile),
        ("IoU", run.settings.iou),
        ("created", run.manifest["created"]),
    ]
