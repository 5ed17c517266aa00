"""What units say about an image: evidence by the units that detect a concept, and ablations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..graph.uids import concept_uid
from .image_parts import PageAblation, PageAttribution, PageCarrier, PageName
from .pictures import cam_overlay, data_uri, draw_on_seen, strip
from .wording import CONCEPTS_SHOWN, ablation_outcome, ablation_scope, evidence_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL import Image

    from ..explain.ablation import Ablation
    from ..explain.explanation import ConceptAttribution, Explanation
    from ..graph.run.reader import Run

PICTURED = 36
"""The most units of a flow graph that are shown with pictures, those of the first boxes."""
_IMAGES, _SIDE = 3, 76


def page_attributions(explanation: Explanation, small: Image.Image) -> tuple[PageAttribution, ...]:
    """Return the strongest concepts with maps, the sum of the others, and unlabelled units."""
    *concepts, unlabelled = explanation.by_concept
    rows = []
    for concept in concepts[:CONCEPTS_SHOWN]:
        uid = concept_uid(concept.category or "", concept.name or "")
        values = explanation.concept_maps.get(uid)
        row = _sum(concept.name, concept.category, [concept])
        if values is not None:
            overlay = draw_on_seen(small, explanation.seen, partial(cam_overlay, cam=values))
            row = replace(row, map=data_uri(overlay))
        rows.append(row)
    if others := concepts[CONCEPTS_SHOWN:]:
        rows.append(_sum(f"{len(others)} more concepts", None, others))
    return (*rows, _sum(None, None, [unlabelled]))


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


def page_ablation(ablation: Ablation) -> PageAblation:
    """Return an ablation in words and numbers."""
    minimal = "minimal ablation set: " if ablation.is_minimal else ""
    return PageAblation(
        minimal + ", ".join(ablation.concepts or ablation.units),
        f"{ablation_scope(ablation)}: {ablation_outcome(ablation)}",
        tuple(ablation.changes),
        evidence_after(ablation),
    )


def page_carriers(run: Run, uids: Iterable[str]) -> tuple[PageCarrier, ...]:
    """Return units with what they detect, and the first of them with their top images."""
    from ..queries.labels import unit_labels

    uids = list(uids)
    labels = unit_labels(run, uids)
    pictured = set(uids[:PICTURED])
    rows = run.top_images[run.top_images["unit"].isin(pictured)].sort_values("rank")
    carriers = []
    for uid in uids:
        files = rows["thumbnail"][rows["unit"] == uid][:_IMAGES]
        concept = labels[uid].concept
        name = None if concept is None else PageName(concept.name, concept.category)
        carriers.append(PageCarrier(uid, name, strip(run, [*files], _SIDE)))
    return tuple(carriers)
