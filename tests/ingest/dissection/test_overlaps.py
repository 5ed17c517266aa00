"""Overlap counts against counting pixel by pixel, for all three meanings of IoU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conceptgraph.ingest.concept_data.concepts import ConceptData, ConceptImage
from conceptgraph.ingest.concept_data.labels import Concept
from conceptgraph.ingest.dissection.cells import Grid, Pixels, cells_of_images, find_cells
from conceptgraph.ingest.dissection.overlaps import Overlaps, UnitCounts, join_parts
from conceptgraph.ingest.engine.scratch import DeviceCache, TensorFile
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.label_statistics import (
    LabelStatistics,
    annotated_categories,
    category_columns,
    category_patterns,
    group_by_mask_size,
)
from conceptgraph.settings import IouVariant
from tests import reference
from tests.reference import LabelledImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

VARIANTS: tuple[IouVariant, ...] = get_args(IouVariant)
CPU = torch.device("cpu")
CATEGORIES = ("color", "object", "scene")
FITTED = 2
"""Images that are not held out: a part of the first batch."""


def concept_data(labelled: Sequence[LabelledImage], category: Sequence[int]) -> ConceptData:
    """Data of these labels, as if read; there are no files."""
    concepts = tuple(Concept(i + 1, f"c{i}", CATEGORIES[k]) for i, k in enumerate(category))
    images = tuple(
        ConceptImage(
            folder=Path(),
            name=f"{row}.jpg",
            row=row + 2,
            split="train",
            height=1,
            width=1,
            mask_height=labels.label_maps.shape[1],
            mask_width=labels.label_maps.shape[2],
            masks=tuple(f"{row}_{layer}.png" for layer in range(len(labels.label_maps))),
            image_labels=labels.image_labels,
            absent=labels.absent,
        )
        for row, labels in enumerate(labelled)
    )
    return ConceptData(Path(), CATEGORIES, concepts, images, "", "")


def label_statistics_of(
    labelled: Sequence[LabelledImage], category: Sequence[int], scratch: Path, batch_size: int
) -> LabelStatistics:
    """Return the label statistics of these labels, as far as overlaps need them."""
    images = concept_data(labelled, category).images
    label_maps = TensorFile(scratch / "label maps", torch.uint16, DeviceCache(0))
    has_category = np.zeros((len(labelled), len(CATEGORIES)), np.bool_)
    for first in range(0, len(labelled), batch_size):
        for group in group_by_mask_size(images[first : first + batch_size]):
            members = [labelled[first + number].label_maps for number in group.numbers]
            most = max(len(maps) for maps in members)
            shape = (most, len(members), group.height * group.width)
            stack = torch.zeros(shape, dtype=torch.uint16)
            for number, maps in enumerate(members):
                stack[: len(maps), number] = torch.from_numpy(maps).flatten(1)
            label_maps.append(first + group.numbers[0], stack)
    for row, labels in enumerate(labelled):
        for concept, number in enumerate(category):
            has_category[row, number] |= labels.has(concept) or concept in labels.absent
    unused = np.zeros(len(category), np.int64)
    annotated = annotated_categories(has_category, category_patterns(has_category))
    center_bias = unused.astype(np.float64)
    return LabelStatistics(label_maps, unused, unused, unused, has_category, annotated, center_bias)


@dataclass
class Case:
    """Maps (images, units, …), thresholds, labels of the images, concepts' categories."""

    maps: Tensor
    thresholds: Tensor
    labelled: list[LabelledImage]
    category: list[int]

    def masks(self) -> list[reference.Bools]:
        thresholds = self.thresholds.double().numpy()
        return [
            reference.activation_masks(maps.numpy(), thresholds, *labels.label_maps.shape[1:])
            for maps, labels in zip(self.maps, self.labelled, strict=True)
        ]

    def slow(self, variant: IouVariant) -> reference.OverlapCounts:
        return reference.count_overlaps(
            self.masks(), self.labelled, self.category, len(CATEGORIES), variant
        )

    def slow_held_out(self) -> reference.HeldOutCounts:
        return reference.count_held_out(
            self.masks()[FITTED:], self.labelled, FITTED, self.category, len(CATEGORIES)
        )

    def fast(self, variant: IouVariant, scratch: Path, batch_size: int = 3) -> UnitCounts:
        data = concept_data(self.labelled, self.category)
        statistics = label_statistics_of(self.labelled, self.category, scratch, batch_size)
        category = torch.from_numpy(category_columns(data))
        units, height, width = self.maps.shape[1:]
        grid = Grid(height, width, units)
        overlaps = Overlaps(units, category, len(CATEGORIES), variant)
        for first in range(0, len(self.maps), batch_size):
            maps = self.maps[first : first + batch_size]
            order = range(first, first + len(maps))
            cells = find_cells(maps, self.thresholds)[0]
            groups = [
                (cells_of_images(cells, grid, labels.number), labels)
                for labels in labels_of_batch(data, order, first, statistics, CPU, fitted=FITTED)
            ]
            overlaps.update(overlaps.partial(groups, grid, self.thresholds))
        return overlaps.counts

    def check(self, variant: IouVariant, scratch: Path, batch_size: int = 3) -> None:
        expected, found = self.slow(variant), self.fast(variant, scratch, batch_size)
        np.testing.assert_array_equal(found.intersection, expected.intersection)
        np.testing.assert_array_equal(found.activation_area, expected.activation_area)
        if len(self.labelled) > FITTED:
            for count, slow in zip(found.held_out, self.slow_held_out(), strict=True):
                np.testing.assert_array_equal(count, slow)
        assert found.intersection.dtype == found.activation_area.dtype == torch.int64


def random_case(
    seed: int, sizes: Sequence[tuple[int, int]], layers: Sequence[int], units: int = 5
) -> Case:
    """Draw images with masks of these sizes, so many label maps each, and image-level labels.

    Map values are whole numbers and mask sizes multiples of 4 × 4 by powers of two, so that
    interpolated values are exact and ties are many.
    """
    rng = np.random.default_rng(seed)
    category = [0, 1, 2, 1, 0, 1, 2]
    labelled = []
    for size, count in zip(sizes, layers, strict=True):
        drawn = rng.integers(0, len(category) + 1, (count, *size)) * (rng.random() < 0.8)
        drawn[rng.random(drawn.shape) < 0.5] = 0
        chosen = np.flatnonzero(rng.random(len(category)) < 0.15)
        labelled.append(LabelledImage(drawn, tuple(chosen.tolist())))
    maps = torch.from_numpy(rng.integers(0, 5, (len(sizes), units, 4, 4)).astype(np.float32))
    maps[:, -1] = 0  # a silent unit
    return Case(maps, torch.arange(units).float() % 4, labelled, category)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("sizes", "layers"),
    [
        ([(8, 8)] * 7, [1] * 7),
        ([(8, 8)] * 7, [2, 0, 3, 1, 0, 1, 4]),
        ([(8, 8), (4, 4), (8, 16), (4, 4), (8, 8), (2, 2), (8, 16)], [1, 2, 0, 0, 3, 1, 2]),
        ([(8, 8), (16, 8)] * 3, [0] * 6),
    ],
    ids=["one label map each", "any number of label maps", "several sizes", "no label maps"],
)
def test_counts(
    variant: IouVariant, sizes: list[tuple[int, int]], layers: list[int], tmp_path: Path
) -> None:
    random_case(0, sizes, layers).check(variant, tmp_path)


@given(
    seed=st.integers(0, 2**16),
    images=st.lists(
        st.tuples(st.sampled_from([(4, 4), (8, 8), (4, 16)]), st.integers(0, 3)),
        min_size=1,
        max_size=6,
    ),
    batch_size=st.integers(1, 6),
    variant=st.sampled_from(VARIANTS),
)
def test_counts_of_anything(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    images: list[tuple[tuple[int, int], int]],
    batch_size: int,
    variant: IouVariant,
) -> None:
    sizes, layers = zip(*images, strict=True)
    random_case(seed, sizes, layers).check(variant, tmp_path_factory.mktemp("case"), batch_size)


def worked_case() -> Case:
    """Return one unit that fires on the upper half of three 4 × 4 images, counted by hand below.

    The first has the object 1 in its lower half, the second in its left half, the third nothing but
    the scene 2 as a whole; a color labels all of the first image.
    """
    fires = torch.zeros(3, 1, 4, 4)
    fires[:, :, :2] = 1
    below, left, color = (np.zeros((4, 4), np.int64) for _ in range(3))
    below[2:], left[:, :2], color[:] = 2, 2, 1
    labelled = [
        LabelledImage(np.stack([below, color])),
        LabelledImage(left[None]),
        LabelledImage(np.zeros((0, 4, 4), np.int64), (2,)),
    ]
    return Case(fires, torch.tensor([0.9]), labelled, [0, 1, 2])


@pytest.mark.parametrize(
    ("variant", "activation"),
    [
        ("paper", [8, 16, 8]),  # the object is somewhere in two images
        ("lite", [8, 8, 8]),  # it touches the unit's mask in one of them
        ("unrestricted", [24, 24, 24]),
    ],
)
def test_what_counts_against_a_concept(
    variant: IouVariant, activation: list[int], tmp_path: Path
) -> None:
    found = worked_case().fast(variant, tmp_path)
    assert found.intersection.tolist() == [[8, 4, 8]]
    assert found.activation_area.tolist() == [activation]
    assert found.pixels.tolist() == [24]


def test_a_label_in_two_label_maps_counts_twice(tmp_path: Path) -> None:
    case = worked_case()
    case.labelled[1] = LabelledImage(np.repeat(case.labelled[1].label_maps, 2, axis=0))
    assert case.fast("paper", tmp_path).intersection.tolist() == [[8, 8, 8]]
    assert case.slow("paper").concept_area.tolist() == [16, 24, 16]


def test_batches_of_silent_maps(tmp_path: Path) -> None:
    case = random_case(0, [(8, 8)] * 4, [1] * 4)
    case.maps[:2] = 0
    for variant in VARIANTS:
        case.check(variant, tmp_path / variant, batch_size=2)


@pytest.mark.parametrize("at_least", [1, 5, 6, 7, 1000])
def test_joined_parts_are_the_same_pixels(at_least: int) -> None:
    parts = [
        Pixels(torch.arange(10 * size, 10 * size + size), torch.arange(size))
        for size in (3, 0, 2, 6)
    ]
    found = list(join_parts(parts, at_least))
    assert all(len(part.owner) >= at_least for part in found[:-1])
    assert torch.cat([part.position for part in found]).tolist() == [
        position for part in parts for position in part.position.tolist()
    ]
    assert len(torch.cat([part.owner for part in found])) == 11
