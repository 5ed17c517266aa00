"""Counts under permuted labels against counting again, and p-values that are what they claim."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
import torch

from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.dissection.cells import Grid, cells_of_images, find_cells, mask_pixels
from conceptgraph.ingest.dissection.overlaps import Overlaps, UnitCounts
from conceptgraph.ingest.inputs import Inputs
from conceptgraph.ingest.network.loading import load_network
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.label_statistics import category_columns
from conceptgraph.ingest.statistics.permutation_null import (
    FINEST,
    MOMENT_DRAWS,
    PERMUTATIONS,
    BatchNull,
    NullCounts,
    label_permutations,
    label_segments,
    null_draws,
    permutation_of_units,
)
from conceptgraph.ingest.statistics.significance import (
    NullDistribution,
    largest_significant,
    p_values,
)
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
    label_statistics_of,
    random_case,
)
from tests.reference import LabelledImage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.settings import IouVariant
    from tests.reference import Numbers

    T = TypeVar("T", bound=np.generic)

UNITS = 5
SAMPLES = 8  # two draws of five units
DRAWS = 2 + MOMENT_DRAWS


def counted(
    case: Case, variant: IouVariant, scratch: Path, batch_size: int
) -> tuple[UnitCounts, list[Numbers]]:
    """Count with a null, and return for every batch and mask size whose labels images got.

    Each of the latter is (units, 1 + draws, images of the batch), whole-run numbers; the first row
    of a unit says which images they are.
    """
    data = concept_data(case.labelled, case.category)
    statistics = label_statistics_of(case.labelled, case.category, scratch, batch_size)
    units, height, width = case.maps.shape[1:]
    grid = Grid(height, width, units)
    category = torch.from_numpy(category_columns(data))
    overlaps = Overlaps(units, category, len(CATEGORIES), variant, SAMPLES)
    orders = []
    for first in range(0, len(case.maps), batch_size):
        maps = case.maps[first : first + batch_size]
        order = range(first, first + len(maps))
        cells = find_cells(maps, case.thresholds)[0]
        groups = labels_of_batch(data, order, first, statistics, CPU, fitted=0, permuted=True)
        by_size = [(cells_of_images(cells, grid, labels.number), labels) for labels in groups]
        overlaps.update(overlaps.partial(by_size, grid, case.thresholds))
        for labels in groups:
            numbers = labels.number.numpy() + first
            assert labels.permutations is not None
            whose = np.vstack([numbers, numbers[labels.permutations.numpy()]])
            orders.append(whose[permutation_of_units(units, DRAWS).numpy().T])
    return overlaps.counts, orders


def _thinned(images: NDArray[T]) -> NDArray[T]:
    """Keep every so many rows and columns of large images (…, height, width)."""
    step = max(1, min(images.shape[-2:]) // FINEST)
    return images[..., ::step, ::step]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("sizes", "layers"),
    [
        ([(8, 8)] * 9, [1] * 9),
        ([(8, 8)] * 9, [2, 0, 3, 1, 0, 1, 4, 1, 2]),
        ([(8, 8), (4, 4), (8, 16), (4, 4), (8, 8), (2, 2), (8, 16)], [1, 2, 0, 0, 3, 1, 2]),
        ([(64, 128), (128, 64), (64, 128), (64, 32)], [1, 2, 2, 1]),
        ([(8, 8)] * 5, [0] * 5),
    ],
    ids=["one label map each", "any number of label maps", "several sizes", "large", "none"],
)
def test_counts_are_those_of_the_permuted_labels(
    variant: IouVariant, sizes: list[tuple[int, int]], layers: list[int], tmp_path: Path
) -> None:
    case = random_case(0, sizes, layers, UNITS)
    counts, orders = counted(case, variant, tmp_path, batch_size=4)
    np.testing.assert_array_equal(counts.intersection, case.slow(variant).intersection)
    masks = [_thinned(image_masks) for image_masks in case.masks()]
    labelled = [
        LabelledImage(_thinned(each.label_maps), each.image_labels) for each in case.labelled
    ]
    expected = reference.permutation_null(masks, labelled, case.category, orders, MOMENT_DRAWS)
    for found, slow in zip(counts.null, expected, strict=True):
        np.testing.assert_array_equal(found, slow)


def test_a_permutation_keeps_what_counts_for_a_category(tmp_path: Path) -> None:
    case = random_case(1, [(8, 8)] * 12, [2] * 12, UNITS)
    _, orders = counted(case, "paper", tmp_path, batch_size=6)
    observed = case.slow("paper")
    for draw in range(1, DRAWS + 1):
        image, whose = (np.concatenate([order[2, row] for order in orders]) for row in (0, draw))
        given_to = dict(zip(image.tolist(), whose.tolist(), strict=True))
        permuted_case = Case(
            case.maps,
            case.thresholds,
            [case.labelled[given_to[i]] for i in range(12)],
            case.category,
        )
        permuted = permuted_case.slow("paper")
        assert permuted.activation_area.tolist() == observed.activation_area.tolist()
        assert permuted.concept_area.tolist() == observed.concept_area.tolist()


def test_permutations_are_among_images_of_the_same_categories() -> None:
    has_category = np.array([[1, 0], [1, 1], [1, 0], [1, 1], [0, 0], [1, 0]], np.float64)
    found = label_permutations(has_category, (32, 0))
    assert np.array_equal(np.sort(found, axis=1), np.tile(np.arange(6), (len(found), 1)))
    for row in found:
        assert np.array_equal(has_category[row], has_category)
    assert set(Counter(map(tuple, found[:, [0, 2, 5]])).values()) <= set(range(25, 60))
    assert np.array_equal(found, label_permutations(has_category, (32, 0)))
    assert not np.array_equal(found, label_permutations(has_category, (64, 0)))


def test_units_take_their_permutations_in_turn() -> None:
    found = permutation_of_units(2048, 4)
    assert found[:, :2].tolist() == [[0, 0], [1, 5], [2, 6], [3, 7], [4, 8]]
    assert all(len(set(unit)) == 5 for unit in found.T.tolist())
    assert sorted(set(found.flatten().tolist())) == list(range(PERMUTATIONS + 1))


@pytest.mark.parametrize(("units", "draws"), [(64, 8), (500, 1), (501, 1), (2048, 1), (1, 500)])
def test_every_concept_gets_enough_null_samples(units: int, draws: int) -> None:
    assert null_draws(units, 500) == draws
    assert draws * units >= 500


def test_without_null_samples_nothing_is_counted_or_tested() -> None:
    counts = NullCounts.zeros(3, 2, 0, CPU)
    null = NullDistribution(*(part.numpy() for part in counts))
    assert counts.draws == 0
    assert np.isnan(p_values(null, np.ones(3, np.bool_))).all()
    assert np.isnan(null.enrichment).all()


def test_p_values_by_hand() -> None:
    """Two units that are tested; T = (3 · b − Σ) / √(1.3 · 900), pooled over them."""
    null = NullDistribution(
        observed=np.array([[40, 0], [30, 1], [7, 7]]),
        null_samples=np.array([[[10, 0], [20, 0], [99, 9]], [[30, 0], [40, 5], [99, 9]]]),
        moment_sum=np.array([[60, 0], [90, 0], [0, 0]]),
        moment_spread=np.array([[900, 0], [900, 0], [1, 1]]),
    )
    found = p_values(null, np.array([True, True, False]))
    # Times √1.3, pool of the first concept: −1, 1, −1, 1; observed: 2 and 0.
    # Of the second: 0, 0, 0, ∞; 0 and ∞.
    np.testing.assert_allclose(found[:2], [[1 / 5, 5 / 5], [3 / 5, 2 / 5]])
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(null.expected[0], [(10 + 30 + 60) / 5, 0])
    np.testing.assert_allclose(null.enrichment[0], [40 / 20, np.nan])


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
        settings = Settings(quantile=0.05, blocks=("block2",), image_size=64)
        self.data = open_concept_data(folder)
        inputs = Inputs(network, self.data, settings, CPU, workers=1)
        self.maps = maps_of(inputs)["block2"]
        units = self.maps.shape[1]
        values = self.maps.permute(1, 0, 2, 3).reshape(units, -1)
        self.thresholds = torch.quantile(values, 0.95, dim=1)
        self.labelled = [
            LabelledImage(read_label_maps(self.data, i), i.image_labels) for i in inputs.images
        ]

    def p(self, whose: list[int]) -> NDArray[np.float64]:
        """Compute p of each unit and concept; image i has the labels of image `whose[i]`."""
        names = self.data.categories
        category = [names.index(concept.category) for concept in self.data.concepts]
        labelled = [self.labelled[image] for image in whose]
        label_maps = [labels.label_maps for labels in labelled]
        has_category = np.zeros((len(labelled), len(names)), np.bool_)
        for row, labels in enumerate(labelled):
            columns = {int(c) - 1 for c in np.unique(labels.label_maps) if c}
            columns |= set(labels.image_labels)
            has_category[row, [category[column] for column in columns]] = True
        units, height, width = self.maps.shape[1:]
        grid = Grid(height, width, units)
        counts = NullCounts.zeros(units, len(category), 500, CPU)
        for first in range(0, len(labelled), 32):
            part = slice(first, first + 32)
            cells = find_cells(self.maps[part], self.thresholds)[0]
            most = max(len(maps) for maps in label_maps[part])
            stack = np.zeros((most, 32, 32 * 32), np.int32)
            image_labels = torch.zeros(32, len(category), dtype=torch.float64)
            for image, labels in enumerate(labelled[part]):
                layers = len(labels.label_maps)
                stack[:layers, image] = labels.label_maps.reshape(layers, -1)
                image_labels[image, list(labels.image_labels)] = 1
            flat = torch.from_numpy(stack.reshape(most, -1))
            segments = label_segments(flat, 32, 32, 32, len(category))
            orders = torch.from_numpy(label_permutations(has_category[part], (first, 0)))
            batch = BatchNull(counts, segments, orders, image_labels)
            for pixels in mask_pixels(cells, grid, self.thresholds, 32, 32):
                batch.add(pixels.position, pixels.owner)
            counts.add(batch.intersections)
        null = NullDistribution(*(tensor.numpy() for tensor in counts))
        return p_values(null, np.ones(units, np.bool_))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Untrained:
    return Untrained(tmp_path_factory.mktemp("untrained"))


def test_p_values_of_an_untrained_network_are_uniform(untrained: Untrained) -> None:
    """Labels of other pictures: 128 units, 29 concepts, 64 random assignments.

    The p-values of one go up and down together, as units of a network are alike: hence so many.
    """
    rng = np.random.default_rng(0)
    assignments = [untrained.p(rng.permutation(64).tolist()) for _ in range(64)]
    p = np.stack(assignments)
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        assert (p <= level).mean() == pytest.approx(level, rel=0.15)
    significant = [(p <= largest_significant(p, 0.05)).mean() for p in assignments]
    assert np.mean(significant) < 0.005


def test_a_units_own_concept_is_significant(untrained: Untrained) -> None:
    """Even an untrained network sees colors: with the pictures' own labels many p are small."""
    own = untrained.p(list(range(64)))
    assert (own <= 0.05).mean() > 0.1
    assert (own <= 0.005).mean() > 0.02
