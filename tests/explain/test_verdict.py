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
