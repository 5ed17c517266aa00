"""The content of an image's page: everything in its place on the photograph, and adding up."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.explain.regions import ConceptRegion
from conceptgraph.explain.unusual import UnusualRegion
from conceptgraph.pages.document import render
from conceptgraph.pages.image_content import image_page
from conceptgraph.pages.image_page import image_values, render_image
from conceptgraph.pages.wording import DISPUTED_TEXT
from tests.image_samples import BALL, BLUE, RED, image_explanation, open_picture
from tests.made_runs import small_run
from tests.page_samples import draw_thumbnails

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.explain.explanation import Explanation, UnitPaths
    from conceptgraph.graph.run.reader import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = small_run(tmp_path / "a.cg")
    draw_thumbnails(run)
    return run


@pytest.fixture
def explanation(run: Run) -> Explanation:
    return image_explanation(run)


def colour(uri: str, x: float, y: float) -> tuple[int, ...]:
    picture = open_picture(uri).convert("RGB")
    return tuple(np.asarray(picture)[int(y * picture.height), int(x * picture.width)].tolist())


def is_like(pixel: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(pixel, other, strict=True)) < 30


def test_things_lie_in_the_part_of_the_photograph_that_is_seen(
    run: Run, explanation: Explanation
) -> None:
    page = image_page(run, explanation)
    ball, road = page.things
    assert [(thing.mark, thing.names) for thing in (ball, road)] == [
        ("1", (BALL,)), ("2", (("road", "object"),)),
    ]  # fmt: skip
    points = np.array(re.findall(r"(\d+) (\d+)", ball.outline), float)
    assert np.abs(points.min(axis=0) - (50, 0)).max() <= 3
    assert np.abs(points.max(axis=0) - (100, 50)).max() <= 3
    assert 25 < ball.at[0] < 50
    assert ball.at[1] < 50
    assert page.seen == (0.25, 0.0, 0.75, 1.0)
    assert not is_like(colour(page.image, 0.1, 0.5), BLUE)  # not seen, so pale


def test_what_is_painted_over_is_painted_in_its_place(run: Run, explanation: Explanation) -> None:
    page = image_page(run, explanation)
    ball, road = page.things
    assert (ball.measured, ball.answer, ball.changes) == (2.25, ("typing", 0.9), True)
    assert ball.painted is not None
    assert is_like(colour(page.image, 0.35, 0.2), RED)
    assert is_like(colour(ball.painted, 0.35, 0.2), BLUE)
    assert is_like(colour(ball.painted, 0.6, 0.8), BLUE)
    assert road.painted is None
    assert page.change is not None
    assert page.change.marks == ("1",)
    assert page.change.painted == ball.painted


def test_marks_of_things_at_one_place_stand_apart(run: Run, explanation: Explanation) -> None:
    things = tuple(explanation.picture.things[:1] * 4)
    picture = replace(explanation.picture, things=things)
    places = [t.at for t in image_page(run, replace(explanation, picture=picture)).things]
    for i, (x, y) in enumerate(places):
        for other_x, other_y in places[:i]:
            assert max(abs(x - other_x), abs(y - other_y)) >= 7


def test_a_region_that_was_asked_about_has_a_mark_of_its_own(
    run: Run, explanation: Explanation
) -> None:
    picture = explanation.picture
    road = ConceptRegion("block3", "object", "road", 2.5, 0.5)
    picture = replace(picture, regions=(road, *picture.regions), chosen=picture.things[0])
    page = image_page(run, replace(explanation, picture=picture))
    assert page.asked is not None
    assert [page.asked.mark, *(thing.mark for thing in page.things)] == ["R", "1", "2"]
    assert page.leading is None  # what is outlined from the start is the region


def test_each_disagreement_of_evidence_and_loss_is_marked(
    run: Run, explanation: Explanation
) -> None:
    ball = explanation.picture.things[0]
    assert ball.counterfactual is not None
    weak = replace(ball, evidence=0.02, counterfactual=replace(ball.counterfactual, measured=0.05))
    document = render_image(image_page(run, explanation))
    assert (document.count("<b>?</b>"), DISPUTED_TEXT in document) == (0, False)
    picture = replace(explanation.picture, things=(ball, weak), chosen=weak)
    document = render_image(image_page(run, replace(explanation, picture=picture)))
    assert (document.count("<b>?</b>"), document.count(DISPUTED_TEXT)) == (2, 1)


def test_unit_paths_are_searched_only_for_a_page_that_shows_them(
    run: Run, explanation: Explanation
) -> None:
    def search() -> UnitPaths:
        raise AssertionError("searched")

    unsearched = replace(explanation, find_paths=search)
    page = image_page(run, unsearched, with_paths=False)
    assert page.verdict == image_page(run, explanation).verdict
    document = render("image_body.html", **image_values(page, paths_link="elsewhere"))
    assert 'href="elsewhere"' in document
    with pytest.raises(AssertionError, match="searched"):
        image_page(run, unsearched)


def test_regions_and_flows_add_up_to_the_logit(run: Run, explanation: Explanation) -> None:
    page = image_page(run, explanation)
    for table in page.regions:
        total = sum(row.evidence for row in table.rows) + table.biases
        assert total == pytest.approx(page.total)
        assert [row.name for row in table.rows] == ["ball", "road", None]
        for row in table.rows:
            assert row.place is not None
            assert page.places[row.place] == (2, 2, "90")
    assert page.flows is not None
    (graph,) = page.flows.graphs
    assert graph.columns[2][0].evidence == pytest.approx(page.total)
    sums = [sum(box.evidence for box in column) for column in graph.columns[:2]]
    after_last = explanation.picture.biases_after["block4"]
    assert sums == pytest.approx([page.total - after_last, page.total])
    assert (
        "the boxes of block4 add up to the class; those of block3 to the class less the bias terms "
        "after block4"
    ) in render_image(page)
    for column in graph.columns[:2]:
        for box in column:
            if box.units:
                assert sum(v for _, v in box.units) + box.others == pytest.approx(box.evidence)
    assert [unit.uid for unit in page.flows.units] == ["block3/0", "block4/0"]


def test_the_document_says_what_it_shows(run: Run, explanation: Explanation) -> None:
    page = image_page(run, explanation)
    document = render_image(page)
    assert page.verdict.startswith("juggling: mostly because of ball (+2.00")
    assert page.verdict in document
    assert page.flows is not None
    pictures = [page.image, page.things[0].painted, *(picture for _, picture in page.maps)]
    assert all(picture in document for picture in pictures if picture)


def test_what_adds_up_to_a_difference_is_not_called_the_class(
    run: Run, explanation: Explanation
) -> None:
    flows = image_page(run, replace(explanation, versus="typing")).flows
    assert flows is not None
    assert flows.graphs[0].columns[2][0].name == "difference"


def test_one_block_has_no_flows(run: Run, explanation: Explanation) -> None:
    picture = replace(explanation.picture, flows=())
    page = image_page(run, replace(explanation, picture=picture))
    assert page.flows is None
    assert 'id="flows"' not in render_image(page)


def test_what_is_unusual_is_of_the_category_shown(run: Run, explanation: Explanation) -> None:
    unusual = [
        UnusualRegion("juggling", "block3", "object", None, 0.5, 3.5, 0.1, 0.25, 0.25),
        UnusualRegion("juggling", "block3", "object", "ball", 2.0, 0.5, 0.25, 0.25, 0.0625),
        UnusualRegion("juggling", "block4", "object", "ball", 2.0, 0.75, 0.25, 0.25, 0.0625),
        UnusualRegion("juggling", "block3", "object", "car", 0.0, 1.0, 0.5, 0.0, 0.125),
        UnusualRegion("typing", "block3", "object", "road", -0.5, 0.25, 0.5, 0.5, 0.125),
        UnusualRegion("typing", "block3", "color", "red", -0.5, 0.25, 0.5, 0.5, 0.125),
    ]
    page = image_page(run, explanation, unusual=unusual)
    juggling, typing = page.unusual
    assert [row[:2] for row in juggling.rows] == [("ball", 1.5), ("car", -1.0)]
    assert [row[:2] for row in typing.rows] == [("road", -0.75)]
    assert (juggling.class_name, juggling.block, juggling.category) == (
        "juggling", "block3", "object",
    )  # fmt: skip
    nodes = list(explanation.picture.places)
    ball, car = (row.place for row in juggling.rows)
    assert ball is not None
    assert nodes[ball] == ("block3", "object", "ball")
    assert car is None  # not in this image
    document = render_image(page)
    order = ('id="things"', 'id="regions"', 'id="unusual"', 'id="flows"')
    places = [document.index(text) for text in order]
    assert places == sorted(places)
    assert 'id="unusual"' not in render_image(image_page(run, explanation))
    masked = replace(explanation, picture=replace(explanation.picture, masked=("object",)))
    (juggling, _) = image_page(run, masked, unusual=unusual).unusual
    assert juggling.by_probes
    assert [row.place for row in juggling.rows] == [None, None]
