"""Which names hold: the rule, and names where concepts are missing from the data."""

from __future__ import annotations

import numpy as np
import pytest

from conceptgraph.ingest.statistics.intervals import newcombe, wilson
from conceptgraph.ingest.statistics.label_statistics import (
    annotated_categories,
    category_patterns,
)
from conceptgraph.ingest.statistics.names import HeldOut, name_evidence, wrong_names
from conceptgraph.ingest.statistics.significance import NullDistribution

AREA = 1000


def evidence_of(
    intersection: int, *, expected: int, images: int = 50, draws: int = 3
) -> tuple[float, float, float, bool]:
    """One unit, one concept: its area lies in so many images held out, in equal parts."""
    held_out = HeldOut(
        np.array([[intersection]]), np.array([[AREA]]), np.array([[AREA**2 // images]])
    )
    counts = np.full((draws, 1, 1), expected)
    null = NullDistribution(
        np.array([[intersection]]), counts, np.array([[3 * expected]]), np.array([[0]])
    )
    evidence = name_evidence(held_out, np.array([0]), null)
    values = (float(column[0, 0]) for column in evidence)
    return (*values, bool(evidence.holds(0.5)[0, 0]))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("intersection", "expected", "images", "holds"),
    [
        (700, 100, 50, True),
        (540, 100, 50, False),  # half of what chance leaves: (.54 − .1) / .9 = .49
        (700, 500, 50, False),  # most of it is there by chance: a road, always below
        (960, 700, 50, True),  # a large concept, and the unit is nearly always on it
        (400, 10, 50, False),  # forty times as often as by chance, but mostly on something else
        (700, 300, 2, False),  # of two images
        (1000, 1000, 50, False),  # on every image everywhere: nothing can be told
    ],
)
def test_the_rule(intersection: int, expected: int, images: int, holds: bool) -> None:
    precision, low, chance, found = evidence_of(intersection, expected=expected, images=images)
    assert precision == intersection / AREA
    assert low < precision
    assert chance == pytest.approx(expected / AREA)
    assert found == holds


def test_without_null_samples_no_name_holds() -> None:
    _, _, chance, holds = evidence_of(1000, expected=0, draws=0)
    assert np.isnan(chance)
    assert not holds


def test_images_of_another_source_say_nothing() -> None:
    """Photographs of textures are not annotated with objects; one of a street without car is."""
    color, car, texture = range(3)
    rows = {"car": {color, car}, "no car": {color}, "dots": {texture}, "all": {car, texture}}
    has = np.array([[number in row for number in range(3)] for row in rows.values()])
    annotated = annotated_categories(has, category_patterns(has))
    found = dict(zip(rows, annotated.tolist(), strict=True))
    assert found == {
        "car": [True, True, False],
        "no car": [True, True, False],  # the first differs from it by the car alone
        "dots": [False, True, True],  # so does the last from this one
        "all": [False, True, True],
    }


def test_names_that_missing_concepts_would_make_wrong() -> None:
    """Unit 0 sees concept 0 twice as well as 1; by either alone it has a name that holds."""
    iou = np.array([[0.4, 0.1, 0.0], [0.0, 0.3, 0.2]])
    holds = np.array([[True, True, False], [False, True, True]])
    names = wrong_names(iou, holds, 0.04, seed=0)
    # Each concept stays half of the time. Unit 0 is named 0 (1/2), or 1, which is wrong (1/4);
    # unit 1 is named 1 (1/2) or 2 (1/4), with more than half of the best IoU.
    assert names.given == pytest.approx(1.5, abs=0.2)
    assert names.wrong == pytest.approx(1 / 6, abs=0.06)
    assert wrong_names(iou, np.zeros_like(holds), 0.04, seed=0) == (0, None)


def test_intervals() -> None:
    """Values of Newcombe 1998: 56/70 − 48/80 and 9/10 − 3/10 by method 10, 81/263 by Wilson's."""
    low, high = wilson(81 / 263, 263)
    assert (round(float(low), 4), round(float(high), 4)) == (0.2553, 0.3662)
    low, high = newcombe(56 / 70, 70, 48 / 80, 80)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0524, 0.3339)
    low, high = newcombe(9 / 10, 10, 3 / 10, 10)
    assert (round(float(low), 4), round(float(high), 4)) == (0.1705, 0.8090)
    assert [float(end) for end in wilson(0.0, 0)] == [0, 1]
