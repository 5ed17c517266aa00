"""The content of pages of paths: from class paths and explanations to the parts of a page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..explain.name_sources import run_sources_note
from ..ingest.network.preprocessing import input_text
from ..queries.unnamed import class_paths_note
from .class_content import class_concepts
from .path_parts import PageConcept, PagePath, PageUnit, PathPage
from .pictures import data_uri, draw_on_seen, heat_overlay, strip
from .wording import label_criterion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

    from ..explain.explanation import Explanation
    from ..graph.run.reader import Run
    from ..queries.labels import UnitLabel
    from ..queries.paths import StrongestPaths


SMALL_SIDE = 72
"""Pixels of a unit's top images on the page of an image, which has many other pictures."""


def class_page(run: Run, class_paths: StrongestPaths) -> PathPage:
    """Return the page of a class, without an image."""
    units = _page_units(run, (unit for path in class_paths.paths for unit in path.units))
    concepts, names_by = class_concepts(run, class_paths.class_name), run_sources_note(run)
    return PathPage(
        title=f"Why {class_paths.class_name}?",
        target=class_paths.class_name,
        value_name="score",
        lead=concepts.lead_and_apart
        or class_paths_note(run, class_paths)
        or _class_lead(class_paths),
        concepts=concepts.flows,
        concepts_text=concepts.text,
        paths=tuple(
            PagePath(path.rank, path.score, tuple(units[u.uid] for u in path.units), path.shares)
            for path in class_paths.paths
        ),
        facts=(
            *run_facts(run),
            ("paths", "exact over all units; one-unit contributions, shares multiplied"),
            *([("names", names_by.removeprefix("Names "))] if names_by else []),
        ),
    )


def image_paths_page(run: Run, explanation: Explanation, small: Image.Image) -> PathPage:
    """Return the unit paths of one image; `small` is a thumbnail of it."""
    versus = "" if explanation.versus is None else f", not {explanation.versus}"
    return PathPage(
        title=f"Why {explanation.class_name}{versus}?",
        target=explanation.class_name,
        value_name="logit contribution",
        lead="",
        path_text=path_sentence(explanation),
        paths=_image_paths(run, explanation, small),
        facts=(
            ("method", explanation.method),
            *(
                (f"extended from {block}", f"{search.followed} of {search.of} ({search.share:.0%})")
                for block, search in zip(
                    reversed(explanation.blocks), explanation.unit_paths.searched, strict=False
                )
            ),
        ),
    )


def _image_paths(run: Run, explanation: Explanation, small: Image.Image) -> tuple[PagePath, ...]:
    units = _page_units(
        run, (unit for path in explanation.paths for unit in path.units), SMALL_SIDE
    )
    for uid, activation in explanation.unit_paths.maps.items():
        heat = data_uri(
            draw_on_seen(small, explanation.seen, partial(heat_overlay, activation=activation))
        )
        units[uid] = replace(units[uid], activation=heat)
    return tuple(
        PagePath(
            path.rank,
            path.contribution,
            tuple(units[unit.uid] for unit in path.units),
            path.steps,
            path.measured,
            path.disputed,
        )
        for path in explanation.paths
    )


def _class_lead(class_paths: StrongestPaths) -> str:
    units = " feeds ".join(map(_unit_text, class_paths.paths[0].units))
    return f"The strongest path, without any image: {units}, which feeds {class_paths.class_name}."


def path_sentence(explanation: Explanation) -> str:
    """Return the strongest path in words, predicted and measured; "" where there is none."""
    if not explanation.paths:
        return ""
    path = explanation.paths[0]
    units = " through ".join(map(_unit_text, path.units))
    logit = f"the logit of {explanation.class_name}"
    if explanation.versus is not None:
        logit += f" less that of {explanation.versus}"
    adds = "adds" if path.contribution > 0 else "takes"
    to = "to" if path.contribution > 0 else "from"
    return (
        f"The strongest single path, {units}, {adds} {abs(path.contribution):.2f} {to} {logit}, "
        f"{explanation.total:.2f}; ablating {path.units[0].uid} "
        f"{'lowers' if path.measured > 0 else 'raises'} it by {abs(path.measured):.2f} "
        "along this path."
    )


def _unit_text(unit: UnitLabel) -> str:
    if unit.concept is None:
        return f"{unit.uid} (no name)"
    return f"{unit.uid} (“{unit.concept.name}”, IoU {unit.concept.iou:.2f})"


def _page_units(
    run: Run, labels: Iterable[UnitLabel], side: int | None = None
) -> dict[str, PageUnit]:
    """Return units with their further concepts and top images, by uid.

    Args:
        run: of the units.
        labels: of the units; one can be there several times.
        side: pixels of each top image, None as they are.
    """
    by_uid = {label.uid: label for label in labels}
    status = dict(zip(run.units["uid"], run.units["status"], strict=True))
    detections = run.detections[run.detections["unit"].isin(list(by_uid))]
    names = dict(zip(run.concepts["uid"], run.concepts["name"], strict=True))
    top_images = run.top_images[run.top_images["unit"].isin(list(by_uid))].sort_values("rank")
    units = {}
    for uid, label in by_uid.items():
        rows = detections[detections["unit"] == uid].sort_values("rank")
        concepts = tuple(
            PageConcept(names[concept], category, iou)
            for concept, category, iou in zip(
                rows["concept"], rows["category"], rows["iou"], strict=True
            )
        )
        thumbnails = top_images[top_images["unit"] == uid]["thumbnail"]
        units[uid] = PageUnit(
            uid,
            label.block,
            label.index,
            None if label.concept is None else PageConcept(*label.concept[:3]),
            status[uid],
            concepts[1:] if label.concept is not None else concepts,
            strip(run, [*thumbnails], side),
        )
    return units


def run_facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Return what was asked of which run, as names and values."""
    manifest = run.manifest
    settings = manifest["settings"]
    return (
        ("run", run.name),
        ("model", str(manifest["model"]["name"])),
        ("input", input_text(manifest["input"])),
        ("input stated by", manifest["input"]["source"]),
        ("concept data", Path(str(manifest["data"]["folder"])).name),
        *(
            (("linearised", ", ".join(names)),)
            if (names := manifest["model"]["linearised"])
            else ()
        ),
        ("quantile", str(run.quantile)),
        ("IoU", str(settings["iou"])),
        ("labels", label_criterion(run)),
    )
