"""What the pages say: from answers to the parts of a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .path_parts import PageConcept, PagePath, PageShare, PageTrial, PageUnit, PathPage
from .pictures import cam_overlay, data_uri, heat_overlay, photograph, strip, thumbnail
from .wording import bar, verdict, where_silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL import Image

    from ..explain.ablation import Ablation
    from ..explain.explanation import ConceptAttribution, Explanation
    from ..graph.run.reader import Run
    from ..queries.labels import UnitLabel
    from ..queries.paths import ClassPaths


SHOWN = 8
"""Concepts in the table, before the others are gathered in one row."""


def class_page(run: Run, found: ClassPaths) -> PathPage:
    """The page of a class, without an image."""
    units = _units(run, (unit for path in found.paths for unit in path.units))
    return PathPage(
        title=f"Why {found.class_name}?",
        target=found.class_name,
        value_name="score",
        lead=_class_lead(found),
        paths=tuple(
            PagePath(path.rank, path.score, tuple(units[u.uid] for u in path.units), path.shares)
            for path in found.paths
        ),
        facts=(
            *_facts(run),
            ("paths", "exact over all units; one-unit activation, shares multiplied"),
        ),
    )


def explanation_page(run: Run, found: Explanation, tried: Sequence[Ablation] = ()) -> PathPage:
    """The page of one image."""
    image = photograph(Path(found.image))
    units = _units(run, (unit for path in found.paths for unit in path.units))
    small = thumbnail(image)
    for uid, heat in found.unit_maps.items():
        units[uid] = replace(units[uid], heat=data_uri(heat_overlay(small, heat)))
    what = "logit" if found.versus is None else f"logit − logit of {found.versus}"
    parts = ("paths shown", "other paths", "biases", what)
    rather = "" if found.versus is None else f", not {found.versus}"
    return PathPage(
        title=f"Why {found.class_name}{rather}?",
        target=found.class_name,
        value_name="logit contribution",
        lead=_image_lead(found),
        paths=tuple(
            PagePath(
                path.rank,
                path.contribution,
                tuple(units[u.uid] for u in path.units),
                path.steps,
                path.measured,
                path.disputed,
            )
            for path in found.paths
        ),
        facts=(
            *_facts(run),
            ("image", Path(found.image).name),
            ("method", found.method),
            *(
                (f"followed from {block}", f"{level.followed} of {level.of} ({level.share:.0%})")
                for block, level in zip(reversed(found.blocks), found.searched, strict=False)
            ),
        ),
        rows=tuple(zip(parts, found.accounting, strict=True)),
        image=data_uri(image),
        cam=data_uri(cam_overlay(image, found.cam)),
        shares=_shares(found, small),
        categories=tuple((each.category, each.contribution) for each in found.by_category),
        versus=found.versus,
        trials=tuple(_trial(each) for each in tried),
    )


def _shares(found: Explanation, image: Image.Image) -> tuple[PageShare, ...]:
    """The strongest concepts with their places, all others in one row, then units without any."""
    *named, unnamed = found.by_concept
    rows = [
        replace(_gathered(share.name, share.category, [share]), place=_place(found, share, image))
        for share in named[:SHOWN]
    ]
    if others := named[SHOWN:]:
        rows.append(_gathered(f"{len(others)} more concepts", None, others))
    return (*rows, _gathered(None, None, [unnamed]))


def _gathered(
    name: str | None, category: str | None, shares: Sequence[ConceptAttribution]
) -> PageShare:
    present, firing, below = (
        sum(parts) for parts in zip(*((s.present, s.firing, s.below) for s in shares), strict=True)
    )
    apart = None
    if all(share.for_class is not None for share in shares):
        apart = (
            sum(share.for_class or 0.0 for share in shares),
            sum(share.against_other or 0.0 for share in shares),
        )
    probe = ""
    if category is not None:
        believed = shares[0].probe
        probe = "no good probe" if believed is None else f"{believed:.2f}"
    return PageShare(name, category, present, firing, below, probe, None, apart)


def _place(found: Explanation, share: ConceptAttribution, image: Image.Image) -> str | None:
    place = found.concept_maps.get(f"{share.category}/{share.name}")
    return None if place is None else data_uri(cam_overlay(image, place))


def _trial(tried: Ablation) -> PageTrial:
    after = dict(tried.after)
    name = tried.after[0].name
    carried = ", ".join(f"{each.name} {each.contribution:+.2f}" for each in tried.took_over)
    return PageTrial(
        ", ".join(tried.concepts or tried.units)
        + (" (the fewest concepts found that change the decision)" if tried.least else ""),
        f"{where_silent(tried)}, "
        + (f"the decision becomes {name}" if tried.flips else verdict(tried)),
        tuple((each.name, each.probability, after[each.name]) for each in tried.before),
        f"What carries {name} then: {carried}" if carried else "",
    )


def _class_lead(found: ClassPaths) -> str:
    if not found.paths:
        return f"No path leads to {found.class_name}."
    strongest = " feeds ".join(_say(unit) for unit in found.paths[0].units)
    return f"Without any image, the strongest path: {strongest}, which feeds {found.class_name}."


def _image_lead(found: Explanation) -> str:
    predicted = found.predicted[0]
    opening = f"The network says {predicted.name} ({predicted.probability:.0%})."
    return f"{opening} {path_sentence(found)}".strip()


def path_sentence(found: Explanation) -> str:
    """The strongest path in words, predicted and measured; empty where there is none."""
    if not found.paths:
        return ""
    path = found.paths[0]
    verb = "adds" if path.contribution > 0 else "takes"
    where = "to" if path.contribution > 0 else "from"
    through = " through ".join(_say(unit) for unit in path.units)
    total = found.accounting.total
    what = f"the logit of {found.class_name}"
    if found.versus is not None:
        what += f" less that of {found.versus}"
    return (
        f"The strongest single path, {through}, {verb} {abs(path.contribution):.2f} "
        f"{where} {what}, {total:.2f}; taking {path.units[0].uid} away really "
        f"{'costs' if path.measured > 0 else 'gains'} {abs(path.measured):.2f} along it."
    )


def _say(unit: UnitLabel) -> str:
    if unit.concept is None:
        return f"{unit.uid} (no concept)"
    return f"{unit.uid} (“{unit.concept.name}”, IoU {unit.concept.iou:.2f})"


def _units(run: Run, wanted: Iterable[UnitLabel]) -> dict[str, PageUnit]:
    """Units with their further concepts and pictures, by uid."""
    labels = {unit.uid: unit for unit in wanted}
    status = dict(zip(run.units["uid"], run.units["status"], strict=True))
    detections = run.detections[run.detections["unit"].isin(list(labels))]
    names = dict(zip(run.concepts["uid"], run.concepts["name"], strict=True))
    pictures = run.top_images[run.top_images["unit"].isin(list(labels))].sort_values("rank")
    result = {}
    for uid, unit in labels.items():
        mine = detections[detections["unit"] == uid].sort_values("rank")
        further = tuple(
            PageConcept(names[concept], category, iou)
            for concept, category, iou in zip(
                mine["concept"], mine["category"], mine["iou"], strict=True
            )
        )
        thumbnails = pictures[pictures["unit"] == uid]["thumbnail"]
        result[uid] = PageUnit(
            uid,
            unit.block,
            unit.index,
            None if unit.concept is None else PageConcept(*unit.concept),
            status[uid],
            further[1:] if unit.concept is not None else further,
            strip([run.path / name for name in thumbnails]),
        )
    return result


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    manifest = run.manifest
    settings = manifest["settings"]
    return (
        ("run", run.name),
        ("model", str(manifest["model"]["name"])),
        ("concept data", Path(str(manifest["data"]["folder"])).name),
        ("quantile", str(settings["quantile"])),
        ("IoU", f"{settings['iou']}; named by an {bar(run)}"),
    )
