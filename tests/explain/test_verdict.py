"""The finding in one sentence: what leads, a thing or a region, and in which category."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from conceptgraph.explain.image_regions import _by_evidence
from conceptgraph.explain.presence import ConceptName
from conceptgraph.explain.regions import ConceptRegion
from conceptgraph.explain.things import Thing
from conceptgraph.explain.verdict import leading_region, shown_regions, verdict
from tests.image_samples import image_explanation
from tests.made_runs import small_run

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.explain.explanation import Explanation


@pytest.fixture
def explanation(tmp_path: Path) -> Explanation:
    return image_explanation(small_run(tmp_path / "a.cg"))


def with_regions(explanation: Explanation, *regions: ConceptRegion) -> Explanation:
    return replace(explanation, picture=replace(explanation.picture, regions=regions))


def test_a_thing_leads_that_adds_as_much_as_any_region(explanation: Explanation) -> None:
    assert leading_region(explanation.picture) is None
    assert verdict(explanation) == (
        "juggling: mostly because of ball (+2.00, 25% of the picture). "
        "Painted over, the network says typing (90%)."
    )


def test_a_region_leads_that_adds_more_than_any_thing(explanation: Explanation) -> None:
    road = ConceptRegion("block3", "object", "road", 2.5, 0.5)
    changed = with_regions(explanation, road)
    assert leading_region(changed.picture) is road
    assert verdict(changed) == (
        "juggling: mostly because of what it sees as road (50% of the picture, +2.50). "
        "With ball painted over, it says typing (90%)."
    )


def test_a_region_that_was_asked_about_leads(explanation: Explanation) -> None:
    picture = explanation.picture
    finding, ball = verdict(explanation), picture.things[0]
    asked = replace(ball, concepts=())
    changed = replace(explanation, picture=replace(picture, chosen=asked))
    assert verdict(changed) == (
        "The region asked about (25% of the picture) adds +2.00 to the logit of juggling. Painted "
        "over, it loses 2.25, and the network says typing (90%). In the whole picture, " + finding
    )
    assert asked.counterfactual is not None
    kept = replace(asked.counterfactual, measured=-0.5, answer=explanation.predicted[0])
    asked = replace(asked, counterfactual=kept)
    changed = replace(explanation, versus="typing", picture=replace(picture, chosen=asked))
    assert verdict(changed).startswith(
        "The region asked about (25% of the picture) adds +2.00 to the logit of juggling less that "
        "of typing. Painted over, it gains 0.50, and the network still says juggling (60%)."
    )


def test_what_is_less_than_half_of_all_evidence_is_not_most_of_it(explanation: Explanation) -> None:
    road = ConceptRegion("block3", "object", "road", 2.5, 0.5)
    car = ConceptRegion("block3", "object", "car", 1.5, 0.25)
    for elsewhere, word in ((0.5, "mostly"), (2.0, "first of all")):
        rest = ConceptRegion("block3", "object", None, elsewhere, 0.25)
        found = verdict(with_regions(explanation, road, car, rest))
        assert f"juggling: {word} because of what it sees as road (50%" in found


def test_what_is_mostly_elsewhere_is_said_first(explanation: Explanation) -> None:
    road = ConceptRegion("block3", "object", "road", 2.5, 0.5)
    rest = ConceptRegion("block3", "object", None, 12.5, 0.25)
    assert verdict(with_regions(explanation, road, rest)).startswith(
        "juggling: mostly because of places where no object of the concept data is found (25% of "
        "the picture, +12.50). Next comes what it sees as road (50% of the picture, +2.50)."
    )


def test_evidence_against_the_class_is_no_reason_for_it(explanation: Explanation) -> None:
    ball = replace(explanation.picture.things[0], evidence=-0.25)
    assert ball.strength > 0  # painted over, the logit loses more than that
    against = ConceptRegion("block3", "object", "ball", -0.25, 0.25)
    picture = replace(explanation.picture, things=(ball,), regions=(against,), change=None)
    text = verdict(replace(explanation, picture=picture))
    assert text.startswith("juggling: nothing in the picture that a concept of the data names is")


def test_without_usable_probes_nothing_is_said_of_the_picture(explanation: Explanation) -> None:
    picture = replace(explanation.picture, things=(), regions=(), change=None)
    assert verdict(replace(explanation, picture=picture)).startswith(
        "juggling: nothing can be said by concepts, since no presence probe of block3 is good "
        "enough to find one"
    )


def test_scenes_and_colors_are_shown_only_where_nothing_else_is_found(
    explanation: Explanation,
) -> None:
    park = ConceptRegion("block3", "scene", "park", 9.0, 0.5)
    grey = ConceptRegion("block3", "color", "grey", 5.0, 1.0)
    ball = ConceptRegion("block3", "object", "ball", 0.25, 0.1)
    for regions, expected in (
        ((park, grey, ball), "ball"), ((park, grey), "grey"), ((park,), "park"),
    ):  # fmt: skip
        picture = with_regions(explanation, *regions).picture
        assert [region.name for region in shown_regions(picture)] == [expected]


def test_names_of_a_thing_are_in_the_order_of_what_their_units_add_there() -> None:
    names = [ConceptName(name, "object") for name in ("cushion", "bag", "polka dotted", "leather")]
    mask = torch.tensor([[True, False], [True, False]]).numpy()
    amounts = {
        names[0]: torch.tensor([0.5, 9.0, 0.0, 9.0]),  # most of it is elsewhere
        names[2]: torch.tensor([1.0, 0.0, 1.0, 0.0]),
        names[3]: torch.tensor([-1.0, 0.0, 0.0, 0.0]),
    }
    ordered = _by_evidence(Thing(tuple(names), mask, (mask,) * 4), amounts)
    assert [name.name for name in ordered.concepts] == [
        "polka dotted", "cushion", "bag", "leather"
    ]  # fmt: skip


def test_a_thing_that_the_answer_does_not_depend_on_is_no_reason(explanation: Explanation) -> None:
    thing = explanation.picture.things[0]
    assert thing.counterfactual is not None
    without = replace(thing.counterfactual, measured=-0.5, answer=explanation.predicted[0])
    things = (replace(thing, counterfactual=without),)
    picture = replace(explanation.picture, things=things, regions=())
    changed = replace(explanation, picture=picture)
    name, probability = explanation.predicted[0]
    assert verdict(changed) == (
        "juggling: the strongest evidence is ball (+2.00, 25% of the picture), but the answer does "
        f"not depend on it: painted over, the network still says {name} ({probability:.0%})."
    )


def test_less_than_half_of_the_evidence_is_not_most_of_it(explanation: Explanation) -> None:
    names = ("road", "pavement", "sky")
    regions = [ConceptRegion("block3", "object", name, 2.5, 0.2) for name in names]
    assert verdict(with_regions(explanation, *regions)).startswith(
        "juggling: first of all because of what it sees as road"
    )


def test_a_difference_is_not_called_a_logit(explanation: Explanation) -> None:
    thing = explanation.picture.things[0]
    assert thing.counterfactual is not None
    without = replace(thing.counterfactual, measured=0.1)
    picture = replace(
        explanation.picture, things=(replace(thing, counterfactual=without),), regions=()
    )
    text = verdict(replace(explanation, picture=picture, versus="typing"))
    assert text.endswith(" The difference loses 0.10 then.")
