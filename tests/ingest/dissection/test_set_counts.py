"""Mask pixels by label set, against counting pixel by pixel, with own and permuted labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from conceptgraph.ingest.dissection import set_counts
from conceptgraph.ingest.dissection.set_counts import SetCounts, SetRows, UnitRows
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.label_sets import LabelSets
from conceptgraph.ingest.statistics.label_statistics import group_by_mask_size
from conceptgraph.ingest.statistics.permutation_null import (
    MOMENT_DRAWS,
    label_permutations,
    null_draws,
    permutation_of_units,
)
from tests.ingest.dissection.test_overlaps import (
    CPU,
    FITTED,
    Case,
    concept_data,
    label_statistics_of,
    random_case,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reference import LabelledImage

    Sets = Counter[tuple[int, int, tuple[int, ...]]]
    """Pixels by unit, group and the set's concepts."""

BATCH, NULL_SAMPLES = 4, 12
TERMS = [True, True, False, True, True, True, True]
"""The third concept is in too few images, say."""
SIZES = [(8, 8), (64, 64), (8, 8), (64, 64), (8, 8), (64, 64), (8, 8), (8, 8), (64, 64)]
"""Of the larger masks every second row and column is counted in null samples."""


def label_set(labels: LabelledImage, row: int, column: int) -> tuple[int, ...]:
    of_maps = {int(number) - 1 for number in labels.label_maps[:, row, column] if number}
    return tuple(sorted(c for c in of_maps | {*labels.image_labels} if TERMS[c]))


def orders_of(case: Case, chosen: list[int], seed: tuple[int, int]) -> list[list[int]]:
    """Return whose labels the images chosen on get: their own first, then each permutation."""
    if not chosen:
        return [[]]
    has = np.zeros((len(chosen), 3), np.bool_)
    for row, place in enumerate(chosen):
        labels = case.labelled[place]
        for concept, category in enumerate(case.category):
            has[row, category] |= labels.has(concept) or concept in labels.absent
    permutations = label_permutations(has, seed)
    return [chosen, *([chosen[i] for i in order] for order in permutations)]


def givers(case: Case, fitted: int, draws: int) -> dict[int, list[list[int]]]:
    """Return by image chosen on, unit and draw whose labels it gets in null samples."""
    turns = permutation_of_units(len(case.thresholds), draws - 1).T.tolist()
    data = concept_data(case.labelled, case.category)
    found = {}
    for first in range(0, len(case.labelled), BATCH):
        for number, group in enumerate(group_by_mask_size(data.images[first : first + BATCH])):
            chosen = [first + n for n in group.numbers if first + n < fitted]
            orders = orders_of(case, chosen, (first, number))
            for row, place in enumerate(chosen):
                found[place] = [[orders[turn][row] for turn in unit] for unit in turns]
    return found


def slow(case: Case, fitted: int, draws: int) -> tuple[Sets, list[Counter[tuple[int, ...]]]]:
    """Count mask pixels by unit, group and set; and the areas of sets, chosen and null."""
    counts: Sets = Counter()
    areas: list[Counter[tuple[int, ...]]] = [Counter(), Counter()]
    labels_of = givers(case, fitted, draws)
    for place, (masks, labels) in enumerate(zip(case.masks(), case.labelled, strict=True)):
        height, width = labels.label_maps.shape[1:]
        step = max(1, min(height, width) // 32)
        for row, column in np.ndindex(height, width):
            own = label_set(labels, row, column)
            units = np.flatnonzero(masks[:, row, column]).tolist()
            group = 0 if place < fitted else 1 + draws + place - fitted
            counts.update((unit, group, own) for unit in units)
            if group:
                continue
            areas[0][own] += 1
            if row % step == column % step == 0:
                areas[1][own] += 1
                for unit in units:
                    for draw, giver in enumerate(labels_of[place][unit], start=1):
                        counts[unit, draw, label_set(case.labelled[giver], row, column)] += 1
    return counts, areas


def fast(case: Case, fitted: int, scratch: Path) -> tuple[SetCounts, Sets]:
    data = concept_data(case.labelled, case.category)
    statistics = label_statistics_of(case.labelled, case.category, scratch, BATCH)
    counts = SetCounts(
        LabelSets(np.ones(len(TERMS), np.int64)),
        torch.tensor(TERMS),
        {"block1": case.thresholds},
        fitted,
        len(case.maps),
        NULL_SAMPLES,
        scratch,
    )
    for first in range(0, len(case.maps), BATCH):
        maps = case.maps[first : first + BATCH]
        order = range(first, first + len(maps))
        labels = labels_of_batch(data, order, first, statistics, CPU, fitted=fitted)
        counts.update(counts.partial({"block1": maps}, labels, first))
    names = list(counts.sets._numbers)
    found: Sets = Counter()
    for unit, rows in counts.rows["block1"].read():
        assert (rows.unit == unit).all()
        for group, number, pixels in zip(rows.group, rows.set, rows.pixels, strict=True):
            found[unit, int(group), names[number]] += int(pixels)
    return counts, found


@pytest.mark.parametrize("layers", [[1] * 9, [2, 0, 3, 1, 0, 1, 2, 2, 1], [0] * 9])
@pytest.mark.parametrize("fitted", [FITTED, 6, 8])
@pytest.mark.parametrize("dense", [set_counts.DENSE, 0])
def test_counts(
    layers: list[int],
    fitted: int,
    dense: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(set_counts, "DENSE", dense)
    monkeypatch.setattr(set_counts, "WAITING", 50)  # so that most rows lie in files
    monkeypatch.setattr(set_counts, "UNITS_PER_FILE", 2)
    case = random_case(1, SIZES, layers)
    draws = 1 + null_draws(len(case.thresholds), NULL_SAMPLES) + MOMENT_DRAWS
    expected, expected_areas = slow(case, fitted, draws)
    counts, found = fast(case, fitted, tmp_path)
    assert counts.draws == {"block1": draws}
    assert found == expected
    names = list(counts.sets._numbers)
    *areas, rows = counts.areas()
    for area, expected_area in zip(areas, expected_areas, strict=True):
        assert {
            names[number]: int(pixels) for number, pixels in enumerate(area.pixels) if pixels
        } == +expected_area
    by_image: Counter[tuple[int, tuple[int, ...]]] = Counter()
    for image, labels in enumerate(case.labelled[fitted:]):
        for row, column in np.ndindex(*labels.label_maps.shape[1:]):
            by_image[image, label_set(labels, row, column)] += 1
    assert by_image == {
        (int(image), names[number]): int(pixels)
        for image, number, pixels in zip(rows.group, rows.set, rows.pixels, strict=True)
    }


def test_a_unit_that_is_not_counted_has_no_rows(tmp_path: Path) -> None:
    case = random_case(2, SIZES, [1] * 9)
    case.thresholds[1] = torch.inf
    _, found = fast(case, 6, tmp_path)
    units = {unit for unit, _, _ in found}
    assert 1 not in units
    assert units


def test_rows_are_added_wherever_they_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_counts, "WAITING", 7)
    monkeypatch.setattr(set_counts, "UNITS_PER_FILE", 3)
    rng = np.random.default_rng(0)
    rows, expected = UnitRows(tmp_path, 10, 4), Counter[tuple[int, int, int]]()
    for _ in range(20):
        part = SetRows(*(rng.integers(0, limit, 5) for limit in (10, 4, 1 << 20, 9)))
        part = part._replace(set=part.set % 3)
        for unit, group, number, pixels in zip(*(c.tolist() for c in part), strict=True):
            expected[unit, group, number] += pixels
        rows.append(part)
    found = {
        (unit, int(group), int(number)): int(pixels)
        for unit, of_unit in rows.read()
        for _, group, number, pixels in zip(*of_unit, strict=True)
    }
    assert found == dict(expected)
    assert list(UnitRows(tmp_path / "none", 3, 1).read()) == []
