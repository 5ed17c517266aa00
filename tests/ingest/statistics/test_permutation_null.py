"""Counts with swapped labels against counting again, and p-values that are what they claim."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
import torch

from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.dissection.cells import Grid, find_cells, mask_pixels, of_images
from conceptgraph.ingest.dissection.overlaps import Overlaps
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.label_statistics import category_columns
from conceptgraph.ingest.statistics.permutation_null import (
    FINEST,
    PERMUTATIONS,
    REFERENCE,
    BatchChance,
    ChanceCounts,
    imitations,
    permutations_of,
    segments,
    swaps,
)
from conceptgraph.ingest.statistics.significance import Chance, largest_significant, p_values
from conceptgraph.settings import Settings
from tests import reference
from tests.drawn_data import draw_concept_data, write_untrained
from tests.expected_run import maps_of
from tests.ingest.dissection.test_overlaps import (
    CATEGORIES,
    CPU,
    VARIANTS,
    Case,
    concept_data,
    random_case,
    survey_of,
)
from tests.reference import LabelledImage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.settings import IouVariant
    from tests.reference import Numbers

    T = TypeVar("T", bound=np.generic)

UNITS = 5
VALUES = 8  # two imitations of five units
DRAWS = 2 + REFERENCE


def counted(
    case: Case, variant: IouVariant, scratch: Path, batch_size: int
) -> tuple[Overlaps, list[Numbers]]:
    """Counts with chance, and of every batch and mask size whose labels images got.

    Each of the latter is (units, 1 + draws, images of the batch), whole-run numbers; the first row
    of a unit says which images they are.
    """
    data = concept_data(case.labelled, case.category)
    found = survey_of(case.labelled, case.category, scratch, batch_size)
    units, height, width = case.maps.shape[1:]
    grid = Grid(height, width, units)
    category = torch.from_numpy(category_columns(data))
    overlaps = Overlaps(units, category, len(CATEGORIES), variant, VALUES)
    orders = []
    for first in range(0, len(case.maps), batch_size):
        maps = case.maps[first : first + batch_size]
        order = range(first, first + len(maps))
        cells = find_cells(maps, case.limits)[0]
        for labels in labels_of_batch(data, order, first, found, CPU, chance=True):
            overlaps.add(of_images(cells, grid, labels.number), grid, case.limits, labels)
            numbers = labels.number.numpy() + first
            assert labels.swapped is not None
            whose = np.vstack([numbers, numbers[labels.swapped.numpy()]])
            orders.append(whose[permutations_of(units, DRAWS).numpy().T])
    return overlaps, orders


def _thinned(images: NDArray[T]) -> NDArray[T]:
    """Every so many rows and columns of large images (…, height, width)."""
    step = max(1, min(images.shape[-2:]) // FINEST)
    return images[..., ::step, ::step]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("sizes", "planes"),
    [
        ([(8, 8)] * 9, [1] * 9),
        ([(8, 8)] * 9, [2, 0, 3, 1, 0, 1, 4, 1, 2]),
        ([(8, 8), (4, 4), (8, 16), (4, 4), (8, 8), (2, 2), (8, 16)], [1, 2, 0, 0, 3, 1, 2]),
        ([(64, 128), (128, 64), (64, 128), (64, 32)], [1, 2, 2, 1]),
        ([(8, 8)] * 5, [0] * 5),
    ],
    ids=["one plane each", "any number of planes", "several sizes", "large", "no planes"],
)
def test_counts_are_those_of_the_swapped_labels(
    variant: IouVariant, sizes: list[tuple[int, int]], planes: list[int], tmp_path: Path
) -> None:
    case = random_case(0, sizes, planes, UNITS)
    overlaps, orders = counted(case, variant, tmp_path, batch_size=4)
    np.testing.assert_array_equal(overlaps.both, case.slow(variant).intersection)
    fired = [_thinned(masks) for masks in case.fired()]
    labelled = [
        LabelledImage(_thinned(each.label_maps), each.image_labels) for each in case.labelled
    ]
    expected = reference.permutation_null(fired, labelled, case.category, orders, REFERENCE)
    for found, slow in zip(overlaps.chance.counts, expected, strict=True):
        np.testing.assert_array_equal(found, slow)


def test_a_swap_keeps_what_counts_for_a_category(tmp_path: Path) -> None:
    case = random_case(1, [(8, 8)] * 12, [2] * 12, UNITS)
    _, orders = counted(case, "paper", tmp_path, batch_size=6)
    real = case.slow("paper")
    for draw in range(1, DRAWS + 1):
        image, whose = (np.concatenate([order[2, row] for order in orders]) for row in (0, draw))
        swapped = dict(zip(image.tolist(), whose.tolist(), strict=True))
        case_then = Case(
            case.maps, case.limits, [case.labelled[swapped[i]] for i in range(12)], case.category
        )
        then = case_then.slow("paper")
        assert then.activation_area.tolist() == real.activation_area.tolist()
        assert then.concept_area.tolist() == real.concept_area.tolist()


def test_swaps_permute_images_of_the_same_categories() -> None:
    present = np.array([[1, 0], [1, 1], [1, 0], [1, 1], [0, 0], [1, 0]], np.float64)
    found = swaps(present, (32, 0))
    assert np.array_equal(np.sort(found, axis=1), np.tile(np.arange(6), (len(found), 1)))
    for row in found:
        assert np.array_equal(present[row], present)
    assert set(Counter(map(tuple, found[:, [0, 2, 5]])).values()) <= set(range(25, 60))
    assert np.array_equal(found, swaps(present, (32, 0)))
    assert not np.array_equal(found, swaps(present, (64, 0)))


def test_units_take_their_permutations_in_turn() -> None:
    found = permutations_of(2048, 4)
    assert found[:, :2].tolist() == [[0, 0], [1, 5], [2, 6], [3, 7], [4, 8]]
    assert all(len(set(unit)) == 5 for unit in found.T.tolist())
    assert sorted(set(found.flatten().tolist())) == list(range(PERMUTATIONS + 1))


@pytest.mark.parametrize(("units", "draws"), [(64, 8), (500, 1), (501, 1), (2048, 1), (1, 500)])
def test_every_concept_gets_enough_null_values(units: int, draws: int) -> None:
    assert imitations(units, 500) == draws
    assert draws * units >= 500


def test_without_null_values_nothing_is_counted_or_tested() -> None:
    chance = ChanceCounts(3, 2, 0, CPU)
    counts = Chance(*(part.numpy() for part in chance.counts))
    assert chance.draws == 0
    assert np.isnan(p_values(counts, np.ones(3, np.bool_))).all()
    assert np.isnan(counts.enrichment).all()


def test_p_values_by_hand() -> None:
    """Two units that are tested; T = (3 · both − Σ) / √(1.3 · 900), pooled over them."""
    chance = Chance(
        real=np.array([[40, 0], [30, 1], [7, 7]]),
        imitation=np.array([[[10, 0], [20, 0], [99, 9]], [[30, 0], [40, 5], [99, 9]]]),
        reference=np.array([[60, 0], [90, 0], [0, 0]]),
        spread=np.array([[900, 0], [900, 0], [1, 1]]),
    )
    found = p_values(chance, np.array([True, True, False]))
    # Times √1.3, pool of the first concept: −1, 1, −1, 1; real: 2 and 0.
    # Of the second: 0, 0, 0, ∞; 0 and ∞.
    np.testing.assert_allclose(found[:2], [[1 / 5, 5 / 5], [3 / 5, 2 / 5]])
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(chance.expected[0], [(10 + 30 + 60) / 5, 0])
    np.testing.assert_allclose(chance.enrichment[0], [40 / 20, np.nan])


@pytest.mark.parametrize(
    ("p", "limit"),
    [
        ([0.01, 0.02, 0.9, 0.03], 0.03),  # 0.03 ≤ 0.05 · 3 / 4
        ([0.04, 0.9, np.nan], -1),
        ([0.02, np.nan], 0.02),
        ([0.05, 0.05, 0.05], 0.05),
        ([], -1),
    ],
)
def test_benjamini_hochberg_by_hand(p: list[float], limit: float) -> None:
    assert largest_significant(np.array(p), 0.05) == limit


class Untrained:
    """The maps of an untrained network on drawn pictures, and the pictures' labels."""

    def __init__(self, folder: Path) -> None:
        draw_concept_data(folder, 64)
        weights, classes = write_untrained(folder)
        network = load_network("resnet18", str(weights), classes)
        settings = Settings(quantile=0.05, blocks=("block2",))
        self.data = open_concept_data(folder)
        inputs = Inputs(network, self.data, settings, CPU, workers=1)
        self.maps = maps_of(inputs)["block2"]
        units = self.maps.shape[1]
        values = self.maps.permute(1, 0, 2, 3).reshape(units, -1)
        self.limits = torch.quantile(values, 0.95, dim=1)
        self.labelled = [
            LabelledImage(read_label_maps(self.data, i), i.image_labels) for i in inputs.images
        ]

    def p(self, whose: list[int]) -> NDArray[np.float64]:
        """Of each unit and concept, image i having the labels of image `whose[i]`."""
        names = self.data.categories
        category = [names.index(concept.category) for concept in self.data.concepts]
        labelled = [self.labelled[image] for image in whose]
        planes = [each.label_maps for each in labelled]
        present = np.zeros((len(planes), len(names)), np.bool_)
        for row, each in enumerate(labelled):
            there = {int(c) - 1 for c in np.unique(each.label_maps) if c} | set(each.image_labels)
            present[row, [category[column] for column in there]] = True
        units, height, width = self.maps.shape[1:]
        grid = Grid(height, width, units)
        counts = ChanceCounts(units, len(category), 500, CPU)
        for first in range(0, len(planes), 32):
            part = slice(first, first + 32)
            cells = find_cells(self.maps[part], self.limits)[0]
            most = max(len(each) for each in planes[part])
            stack = np.zeros((most, 32, 32 * 32), np.int32)
            image_labels = torch.zeros(32, len(category), dtype=torch.float64)
            for image, each in enumerate(labelled[part]):
                stack[: len(each.label_maps), image] = each.label_maps.reshape(
                    len(each.label_maps), -1
                )
                image_labels[image, list(each.image_labels)] = 1
            flat = torch.from_numpy(stack.reshape(most, -1))
            cut = segments(flat, 32, 32, 32, len(category))
            orders = torch.from_numpy(swaps(present[part], (first, 0)))
            batch = BatchChance(counts, cut, orders, image_labels)
            for on in mask_pixels(cells, grid, self.limits, 32, 32):
                batch.add(on.position, on.owner)
            counts.add(batch.both)
        return p_values(Chance(*(c.numpy() for c in counts.counts)), np.ones(units, np.bool_))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return Untrained(tmp_path_factory.mktemp("untrained"))


def test_p_values_of_an_untrained_network_are_uniform(untrained: Untrained) -> None:
    """Labels that belong to other pictures: 128 units, 29 concepts, dealt out 64 times.

    A deal's p-values go up and down together, as units of one network are alike: hence many deals.
    """
    rng = np.random.default_rng(0)
    deals = [untrained.p(rng.permutation(64).tolist()) for _ in range(64)]
    p = np.stack(deals)
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        assert (p <= level).mean() == pytest.approx(level, rel=0.15)
    beyond = [(each <= largest_significant(each, 0.05)).mean() for each in deals]
    assert np.mean(beyond) < 0.005


def test_a_units_own_concept_is_beyond_chance(untrained: Untrained) -> None:
    """Even an untrained network sees colors: with the pictures' own labels many p are small."""
    own = untrained.p(list(range(64)))
    assert (own <= 0.05).mean() > 0.1
    assert (own <= 0.005).mean() > 0.02
