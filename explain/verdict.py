"""The finding of an explanation in one sentence: what the answer is mostly due to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ingest.sources.annotations.motion import CATEGORY, NAMES, REST
from ..queries.class_evidence import MOSTLY, named_evidence, share_word, unnamed_places
from .explanation import FROZEN, REVERSED
from .things import SURROUNDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .counterfactuals import Counterfactual
    from .explanation import Explanation
    from .image_regions import ImageRegions, ImageThing
    from .presence import ConceptName
    from .regions import ConceptRegion

ASKED = "R"
"""The mark of the region that was asked about; things are numbered from 1."""
NAMES_SHOWN = 4
"""Of a thing."""
APPEARANCES = frozenset({"color"})
"""Categories of which some concept is found everywhere, so that they name all evidence."""


def verdict(explanation: Explanation) -> str:
    """Return the finding; of a region that was asked about first, then of the whole image.

    Of a clip, whether the answer depends on its motion comes before what is in the picture.
    """
    sentences = (_asked(explanation), _by_motion(explanation), _finding(explanation))
    return " ".join(filter(None, sentences))


def _asked(explanation: Explanation) -> str:
    """Return what the region that was asked about adds, and the answer without it; "" if none."""
    region = explanation.picture.chosen
    if region is None or region.counterfactual is None:
        return ""
    result, versus = region.counterfactual, explanation.versus
    what = f"logit of {explanation.class_name}{f' less that of {versus}' if versus else ''}"
    loses = "loses" if result.measured >= 0 else "gains"
    size = f"{region.coverage:.0%}" if region.coverage >= 0.005 else "less than 1%"
    return (
        f"The region asked about ({size} of the picture) adds "
        f"{region.evidence:+.2f} to the {what}. Painted over, it {loses} "
        f"{abs(result.measured):.2f}, and the network {_answer(explanation, result)}. In the whole "
        "picture,"
    )


def _answer(explanation: Explanation, result: Counterfactual) -> str:
    """Return what the network says then: "still says juggling (87%)"."""
    name, probability = result.answer
    still = "still " if name == explanation.predicted[0].name else ""
    return f"{still}says {name} ({probability:.0%})"


def _by_motion(explanation: Explanation) -> str:
    """Return that a frozen clip is answered otherwise; "" if it is not."""
    result = explanation.motion.get(FROZEN)
    if result is None or result.answer[0] == explanation.predicted[0].name:
        return ""
    return f"The motion decides: frozen, the network {_answer(explanation, result)}."


def motion_sentence(explanation: Explanation) -> str:
    """Return what the network says of a clip without its motion; "" without any."""
    opening = {FROZEN: "Frozen at its middle frame", REVERSED: "Played backwards"}
    sentences = []
    for name, result in explanation.motion.items():
        loses = "loses" if result.measured >= 0 else "gains"
        amount = f"{'logit' if explanation.versus is None else 'difference'} {loses}"
        sentences.append(
            f"{opening[name]}, the network {_answer(explanation, result)}; the {amount} "
            f"{abs(result.measured):.2f}."
        )
    return " ".join(sentences)


def _finding(explanation: Explanation) -> str:
    """Return which thing or part of the image is most evidence for the class."""
    picture = explanation.picture
    versus = f", not {explanation.versus}" if explanation.versus else ""
    opening = f"{explanation.class_name}{versus}"
    unnamed = leading_elsewhere(picture)
    if unnamed is not None:
        opening += (
            f": mostly because of places where no {unnamed.category} of the concept data is found "
            f"({unnamed.coverage:.0%} of the picture, {unnamed.evidence:+.2f})."
        )
    thing, region = leading_thing(picture), leading_region(picture)
    if region is not None:
        start = _start(picture, opening, region.evidence, unnamed)
        size = f"{region.coverage:.0%} of the picture, {region.evidence:+.2f}"
        return f"{start} {_where(picture, region)} ({size}).{_change(explanation)}"
    if thing is not None:
        result = thing.counterfactual
        if result is not None and result.measured <= 0:
            return _contradicted(explanation, opening, thing, result, unnamed)
        start = _start(picture, opening, thing.strength, unnamed)
        return f"{start} {_thing_text(thing)}.{_without(explanation, thing)}"
    if unnamed is not None:
        return f"{opening} Nothing that a concept names is evidence for it."
    return f"{opening}: {_nothing(explanation)}."


def _nothing(explanation: Explanation) -> str:
    """Return why nothing in the picture is a reason, as the end of a sentence."""
    picture = explanation.picture
    if not picture.blocks:
        return "no block of the run can be explained"
    if not shown_regions(picture):
        return unnamed_places(picture.thing_block)
    last = picture.blocks[-1]
    return (
        "nothing in the picture that a concept of the data names is evidence for it. Of the "
        f"{explanation.total:+.2f} explained, bias terms after {last} are "
        f"{picture.biases_after[last]:+.2f}"
    )


def _start(
    picture: ImageRegions, opening: str, evidence: float, unnamed: ConceptRegion | None
) -> str:
    if unnamed is not None:
        return f"{opening} Next comes"
    return f"{opening}: {_share_word(picture, evidence)} because of"


def _share_word(picture: ImageRegions, evidence: float) -> str:
    return share_word(evidence, (region.evidence for region in shown_regions(picture)))


def _contradicted(
    explanation: Explanation,
    opening: str,
    thing: ImageThing,
    result: Counterfactual,
    unnamed: ConceptRegion | None,
) -> str:
    """Return the finding where the network does not need the thing that is most evidence."""
    start = f"{opening}: the strongest evidence is" if unnamed is None else f"{opening} Next comes"
    return (
        f"{start} {_thing_text(thing)}, but the answer does not "
        f"depend on it: painted over, the network {_answer(explanation, result)}."
    )


def leading_thing(picture: ImageRegions) -> ImageThing | None:
    """Return the thing that is most evidence for the class, if any is.

    What is evidence against it is none, even if the logit loses something without it.
    """
    for_class = (thing for thing in picture.things if thing.strength > 0 and thing.evidence > 0)
    return next(for_class, None)


def leading_region(picture: ImageRegions) -> ConceptRegion | None:
    """Return the named region, of the category shown, that is more evidence than any thing.

    None if a thing is as much evidence for the class, or no region is any.
    """
    named = [region for region in shown_regions(picture) if region.name and region.evidence > 0]
    region = max(named, key=lambda region: region.evidence, default=None)
    thing = leading_thing(picture)
    if region is not None and thing is not None and thing.strength >= region.evidence:
        return None
    return region


def leading_elsewhere(picture: ImageRegions) -> ConceptRegion | None:
    """Return the region elsewhere, if it is more evidence than all that has a name."""
    regions = shown_regions(picture)
    unnamed = next((region for region in regions if region.name is None), None)
    if unnamed is None or _share_word(picture, unnamed.evidence) != MOSTLY:
        return None
    thing = leading_thing(picture)
    return None if thing is not None and thing.strength >= unnamed.evidence else unnamed


def shown_regions(picture: ImageRegions) -> list[ConceptRegion]:
    """Return the regions of the block of things, in the category whose concepts name most.

    The largest |evidence| first, elsewhere last.
    """
    by_category: dict[str, list[ConceptRegion]] = {}
    for region in picture.regions:
        if region.block == picture.thing_block:
            by_category.setdefault(region.category, []).append(region)
    regions = max(by_category.values(), key=_named, default=[])
    return sorted(regions, key=lambda region: (region.name is None, -abs(region.evidence)))


def thing_names(concepts: Sequence[ConceptName]) -> str:
    """Return the names of a thing, each once: "bag · leather · polka dotted"."""
    names = list(dict.fromkeys(_spoken(concept) for concept in concepts))
    return " · ".join(names[:NAMES_SHOWN]) + (" …" if len(names) > NAMES_SHOWN else "")


def _spoken(concept: ConceptName) -> str:
    """Return a concept's name; that of a direction in words."""
    moves = concept.category == CATEGORY and concept.name in NAMES and concept.name != REST
    return f"moving {concept.name}" if moves else concept.name


def category_rank(category: str, named: float) -> tuple[bool, bool, float]:
    """Rank a category, the largest shown first: what describes whole images last.

    Args:
        category: its name.
        named: Σ |evidence| of its concepts.
    """
    return category not in SURROUNDINGS, category not in APPEARANCES, named


def _named(regions: Sequence[ConceptRegion]) -> tuple[bool, bool, float]:
    category = regions[0].category
    parts = ((region.evidence, region.coverage) for region in regions if region.name is not None)
    return category_rank(category, named_evidence(category, parts)[0])


def _where(picture: ImageRegions, region: ConceptRegion) -> str:
    if region.category in picture.masked:
        return f"the places annotated as {region.name}"
    return f"what it sees as {region.name}"


def _thing_text(thing: ImageThing) -> str:
    size = f"{thing.evidence:+.2f}, {thing.coverage:.0%} of the picture"
    return f"{thing_names(thing.concepts)} ({size})"


def _without(explanation: Explanation, thing: ImageThing) -> str:
    result = thing.counterfactual
    if result is None:
        return ""
    what = "difference" if explanation.versus else "logit"
    doubt = "" if not thing.disputed else f" The {what} loses {result.measured:.2f} then."
    return f" Painted over, the network {_answer(explanation, result)}.{doubt}"


def _change(explanation: Explanation) -> str:
    change = explanation.picture.change
    if change is None:
        return ""
    things = " and ".join(
        thing_names(explanation.picture.things[number].concepts) for number in change.things
    )
    name, probability = change.answer
    return f" With {things} painted over, it says {name} ({probability:.0%})."
