"""The content of pages of paths: from class paths and explanations to the parts of a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..explain.no_answer import explanation_note
from ..graph.uids import concept_uid
from ..ingest.network.preprocessing import input_text, unseen_text
from ..queries.unnamed import class_paths_note
from .path_parts import PageAblation, PageAttribution, PageConcept, PagePath, PageUnit, PathPage
from .pictures import (
    cam_overlay,
    data_uri,
    draw_on_seen,
    frame_seen,
    heat_overlay,
    photograph,
    strip,
    thumbnail,
)
from .wording import (
    CONCEPTS_SHOWN,
    ablation_outcome,
    ablation_scope,
    evidence_after,
    label_criterion,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..explain.ablation import Ablation
    from ..explain.explanation import ConceptAttribution, Explanation
    from ..graph.run.reader import Run
    from ..queries.labels import UnitLabel
    from ..queries.paths import StrongestPaths


def class_page(run: Run, class_paths: StrongestPaths) -> PathPage:
    """Return the page of a class, without an image."""
    units = _page_units(run, (unit for path in class_paths.paths for unit in path.units))
    return PathPage(
        title=f"Why {class_paths.class_name}?",
        target=class_paths.class_name,
        value_name="score",
        lead=class_paths_note(run, class_paths) or _class_lead(class_paths),
        paths=tuple(
            PagePath(path.rank, path.score, tuple(units[u.uid] for u in path.units), path.shares)
            for path in class_paths.paths
        ),
        facts=(
            *_facts(run),
            ("paths", "exact over all units; one-unit contributions, shares multiplied"),
        ),
    )


def explanation_page(
    run: Run,
    explanation: Explanation,
    ablations: Sequence[Ablation] = (),
    no_flip: str | None = None,
) -> PathPage:
    """Return the page of one image, with what ablations of its concepts or units change."""
    image = photograph(Path(explanation.image))
    small = thumbnail(image)
    versus = explanation.versus
    value = "logit" if versus is None else f"logit − logit of {versus}"
    parts = ("paths shown", "other paths", "biases", value)
    return PathPage(
        title=f"Why {explanation.class_name}{'' if versus is None else f', not {versus}'}?",
        target=explanation.class_name,
        value_name="logit contribution",
        lead=_image_lead(run, explanation),
        path_text=path_sentence(explanation),
        paths=_image_paths(run, explanation, small),
        facts=(
            *_facts(run),
            ("image", Path(explanation.image).name),
            ("method", explanation.method),
            *(
                (f"extended from {block}", f"{search.followed} of {search.of} ({search.share:.0%})")
                for block, search in zip(
                    reversed(explanation.blocks), explanation.searched, strict=False
                )
            ),
        ),
        accounting=tuple(zip(parts, explanation.accounting, strict=True)),
        image=data_uri(frame_seen(image, explanation.seen)),
        cam=data_uri(_drawn(image, explanation, cam_overlay, explanation.cam)),
        attributions=_attributions(explanation, small),
        categories=tuple((row.category, row.contribution) for row in explanation.by_category),
        versus=versus,
        ablations=tuple(map(_ablation, ablations)),
        no_flip=no_flip,
    )


def _image_paths(run: Run, explanation: Explanation, small: Image.Image) -> tuple[PagePath, ...]:
    units = _page_units(run, (unit for path in explanation.paths for unit in path.units))
    for uid, activation in explanation.unit_maps.items():
        heat = data_uri(_drawn(small, explanation, heat_overlay, activation))
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


def _attributions(explanation: Explanation, small: Image.Image) -> tuple[PageAttribution, ...]:
    """Return the strongest concepts with maps, the sum of the others, and unlabelled units."""
    *concepts, unlabelled = explanation.by_concept
    rows = []
    for concept in concepts[:CONCEPTS_SHOWN]:
        uid = concept_uid(concept.category or "", concept.name or "")
        values = explanation.concept_maps.get(uid)
        row = _sum(concept.name, concept.category, [concept])
        if values is not None:
            row = replace(row, map=data_uri(_drawn(small, explanation, cam_overlay, values)))
        rows.append(row)
    if others := concepts[CONCEPTS_SHOWN:]:
        rows.append(_sum(f"{len(others)} more concepts", None, others))
    return (*rows, _sum(None, None, [unlabelled]))


def _drawn(
    image: Image.Image,
    explanation: Explanation,
    overlay: Callable[[Image.Image, NDArray[np.float32]], Image.Image],
    values: NDArray[np.float32],
) -> Image.Image:
    """Return a map over the part of an image that the network sees."""
    return draw_on_seen(image, explanation.seen, lambda part: overlay(part, values))


def _sum(
    name: str | None, category: str | None, concepts: Sequence[ConceptAttribution]
) -> PageAttribution:
    """Return one row with the sums of some concepts."""
    present, firing, below = (
        sum(parts)
        for parts in zip(*((c.present, c.firing, c.below) for c in concepts), strict=True)
    )
    for_class = against_other = None
    if all(concept.for_class is not None for concept in concepts):
        for_class = sum(concept.for_class or 0.0 for concept in concepts)
        against_other = sum(concept.against_other or 0.0 for concept in concepts)
    probe = ""
    if category is not None:
        mcc = concepts[0].probe
        probe = "poor" if mcc is None else f"{mcc:.2f}"
    return PageAttribution(
        name, category, present, firing, below, probe, None, for_class, against_other
    )


def _ablation(ablation: Ablation) -> PageAblation:
    minimal = "minimal ablation set: " if ablation.is_minimal else ""
    return PageAblation(
        minimal + ", ".join(ablation.concepts or ablation.units),
        f"{ablation_scope(ablation)}: {ablation_outcome(ablation)}",
        tuple(ablation.changes),
        evidence_after(ablation),
    )


def _class_lead(class_paths: StrongestPaths) -> str:
    units = " feeds ".join(map(_unit_text, class_paths.paths[0].units))
    return f"The strongest path, without any image: {units}, which feeds {class_paths.class_name}."


def _image_lead(run: Run, explanation: Explanation) -> str:
    predicted = explanation.predicted[0]
    opening = f"The network predicts {predicted.name} ({predicted.probability:.0%})."
    answer = explanation_note(run, explanation) or concept_sentence(explanation)
    sentences = (opening, unseen_text(explanation.seen), answer)
    return " ".join(filter(None, sentences))


def concept_sentence(explanation: Explanation) -> str:
    """Return the concepts that are most evidence for the class, and against it, in words."""
    target = explanation.class_name
    if explanation.versus is not None:
        target += f" rather than {explanation.versus}"
    concepts = [concept for concept in explanation.by_concept[:-1] if concept.contribution]
    most = [f"{concept.name} {concept.contribution:+.2f}" for concept in concepts]
    raises = [text for text, row in zip(most, concepts, strict=True) if row.contribution > 0]
    lowers = [text for text, row in zip(most, concepts, strict=True) if row.contribution < 0]
    parts = [f"Evidence for {target}: {', '.join(raises[:3]) or 'no concept'}"]
    parts += [f"against it: {', '.join(lowers[:2])}"] * bool(lowers)
    return f"{'; '.join(parts)} (of {explanation.accounting.total:+.2f} in all)."


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
        f"{explanation.accounting.total:.2f}; ablating {path.units[0].uid} "
        f"{'lowers' if path.measured > 0 else 'raises'} it by {abs(path.measured):.2f} "
        "along this path."
    )


def _unit_text(unit: UnitLabel) -> str:
    if unit.concept is None:
        return f"{unit.uid} (no name)"
    return f"{unit.uid} (“{unit.concept.name}”, IoU {unit.concept.iou:.2f})"


def _page_units(run: Run, labels: Iterable[UnitLabel]) -> dict[str, PageUnit]:
    """Return units with their further concepts and top images, by uid."""
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
            None if label.concept is None else PageConcept(*label.concept),
            status[uid],
            concepts[1:] if label.concept is not None else concepts,
            strip([run.file(name) for name in thumbnails]),
        )
    return units


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    manifest = run.manifest
    settings = manifest["settings"]
    return (
        ("run", run.name),
        ("model", str(manifest["model"]["name"])),
        ("input", input_text(manifest["input"])),
        ("input stated by", manifest["input"]["source"]),
        ("concept data", Path(str(manifest["data"]["folder"])).name),
        ("quantile", str(run.quantile)),
        ("IoU", str(settings["iou"])),
        ("labels", label_criterion(run)),
    )
