"""By what the names shown in an explanation were made: models, tags, or people's drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.uids import concept_uid, concept_uids
from ..ingest.concept_data.labels import PEOPLE, TAGS, made_by, verified_of
from .verdict import NAMES_SHOWN, shown_regions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graph.run.reader import Run
    from .explanation import Explanation

_OF_WORDS = "Words name units; where things are is by concepts with masks or tags."
_BY_UNITS = 4
"""Concepts by the units that detect them whose names count as shown."""


def name_sources_note(run: Run, explanation: Explanation) -> str:
    """Return the models by which the names shown were made; "" if people drew all of them.

    In a run with words it also says which names are words.
    """
    text = _note(run, _names_shown(explanation))
    return text if run.words is None else f"{text} {_OF_WORDS}".lstrip()


def run_sources_note(run: Run) -> str:
    """Return the models by which the names in a run were made; "" if people drew all of them.

    Examples are the concepts that most units are named after.
    """
    concepts = run.concepts[run.concepts["images"] > 0]
    units = run.units[run.named]
    counts = concept_uids(units["category"], units["label"]).value_counts()
    order = concepts["uid"].map(counts).fillna(0).sort_values(ascending=False, kind="stable")
    concepts = concepts.loc[order.index]
    return _note(run, dict(zip(concepts["uid"], concepts["name"], strict=True)))


def _note(run: Run, shown: Mapping[str, str]) -> str:
    """Say by what names were made, given by uid, and what people who verified them said.

    "" if people drew all of them.
    """
    source_of = dict(zip(run.concepts["uid"], run.concepts["source"], strict=True))
    names: dict[str, dict[str, None]] = {}
    for uid, name in shown.items():
        source = source_of.get(uid) or ""
        if made_by(source) != PEOPLE:
            verified = f" (verified: {verified_of(source)})" if verified_of(source) else ""
            names.setdefault(made_by(source), {}).setdefault(f"{name}{verified}")
    parts = []
    for source, of_source in sorted(names.items(), key=lambda item: (item[0] == TAGS, item[0])):
        more = " …" if len(of_source) > NAMES_SHOWN else ""
        rough = ", so where they are is rough" if source == TAGS else ""
        parts.append(f"by {source}{rough}: {', '.join([*of_source][:NAMES_SHOWN])}{more}")
    text = f"Names {'; '.join(parts)}" if parts else ""
    return text if not text or text.endswith("…") else f"{text}."


def _names_shown(explanation: Explanation) -> dict[str, str]:
    """Return the names of things, of the regions listed, and of units' concepts, by uid."""
    picture = explanation.picture
    things = [*([] if picture.chosen is None else [picture.chosen]), *picture.things]
    shown = {concept.uid: concept.name for thing in things for concept in thing.concepts}
    for region in shown_regions(picture):
        if region.name is not None:
            shown[concept_uid(region.category, region.name)] = region.name
    for row in explanation.by_concept[:_BY_UNITS]:
        if row.name is not None and row.category is not None and row.contribution:
            shown[concept_uid(row.category, row.name)] = row.name
    return shown
