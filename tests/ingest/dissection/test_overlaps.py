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
from conceptgraph.ingest.dissection.cells import Grid, Pixels, find_cells, of_images
from conceptgraph.ingest.dissection.overlaps import Overlaps, gathered
from conceptgraph.ingest.engine.scratch import DeviceCache, TensorFile
from conceptgraph.ingest.statistics.batch_labels import labels_of_batch
from conceptgraph.ingest.statistics.label_statistics import (
    LabelStatistics,
    category_columns,
    groups_of,
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
            masks=tuple(f"{row}_{plane}.png" for plane in range(len(labels.label_maps))),
            image_labels=labels.image_labels,
        )
        for row, labels in enumerate(labelled)
    )
    return ConceptData(Path(), CATEGORIES, concepts, images, "", "")


def survey_of(
    labelled: Sequence[LabelledImage], category: Sequence[int], scratch: Path, batch_size: int
) -> LabelStatistics:
    """What a survey of these labels finds."""
    images = concept_data(labelled, category).images
    planes = TensorFile(scratch / "planes", torch.uint16, DeviceCache(0))
    present = np.zeros((len(labelled), len(CATEGORIES)), np.bool_)
    for first in range(0, len(labelled), batch_size):
        for group in groups_of(images[first : first + batch_size]):
            mine = [labelled[first + number].label_maps for number in group.numbers]
            most = max(len(each) for each in mine)
            stack = torch.zeros(most, len(mine), group.height * group.width, dtype=torch.uint16)
            for place, each in enumerate(mine):
                stack[: len(each), place] = torch.from_numpy(each).flatten(1)
            planes.append(first + group.numbers[0], stack)
    for row, labels in enumerate(labelled):
        for concept, number in enumerate(category):
            there = labels.bincount(concept).any() or concept in labels.image_labels
            present[row, number] |= bool(there)
    unused = np.zeros(len(category), np.int64)
    return LabelStatistics(planes, unused, unused, present)


@dataclass
class Case:
    """Maps (images, units, …), limits of the units, labels of the images, concepts' categories."""

    maps: Tensor
    limits: Tensor
    labelled: list[LabelledImage]
    category: list[int]

    def fired(self) -> list[reference.Bools]:
        limits = self.limits.double().numpy()
        return [
            reference.activation_masks(maps.numpy(), limits, *labels.label_maps.shape[1:])
            for maps, labels in zip(self.maps, self.labelled, strict=True)
        ]

    def slow(self, variant: IouVariant) -> reference.OverlapCounts:
        fired = self.fired()
        return reference.count_overlaps(
            fired, self.labelled, self.category, len(CATEGORIES), variant
        )

    def fast(self, variant: IouVariant, scratch: Path, batch_size: int = 3) -> Overlaps:
        data = concept_data(self.labelled, self.category)
        found = survey_of(self.labelled, self.category, scratch, batch_size)
        category = torch.from_numpy(category_columns(data))
        units, height, width = self.maps.shape[1:]
        grid = Grid(height, width, units)
        overlaps = Overlaps(units, category, len(CATEGORIES), variant)
        for first in range(0, len(self.maps), batch_size):
            maps = self.maps[first : first + batch_size]
            order = range(first, first + len(maps))
            cells = find_cells(maps, self.limits)[0]
            for labels in labels_of_batch(data, order, first, found, CPU):
                overlaps.add(of_images(cells, grid, labels.number), grid, self.limits, labels)
        return overlaps

    def check(self, variant: IouVariant, scratch: Path, batch_size: int = 3) -> None:
        expected, found = self.slow(variant), self.fast(variant, scratch, batch_size)
        np.testing.assert_array_equal(found.both, expected.intersection)
        np.testing.assert_array_equal(found.activation, expected.activation_area)
        assert found.both.dtype == found.activation.dtype == torch.int64


def random_case(
    seed: int, sizes: Sequence[tuple[int, int]], planes: Sequence[int], units: int = 5
) -> Case:
    """Images with masks of these sizes and so many planes, labels and whole-image labels random.

    Map values are whole numbers and mask sizes multiples of 4 × 4 by powers of two, so that
    interpolated values are exact and ties are many.
    """
    rng = np.random.default_rng(seed)
    category = [0, 1, 2, 1, 0, 1, 2]
    labelled = []
    for size, count in zip(sizes, planes, strict=True):
        drawn = rng.integers(0, len(category) + 1, (count, *size)) * (rng.random() < 0.8)
        drawn[rng.random(drawn.shape) < 0.5] = 0
        chosen = np.flatnonzero(rng.random(len(category)) < 0.15)
        labelled.append(LabelledImage(drawn, tuple(chosen.tolist())))
    maps = torch.from_numpy(rng.integers(0, 5, (len(sizes), units, 4, 4)).astype(np.float32))
    maps[:, -1] = 0  # a silent unit
    return Case(maps, torch.arange(units).float() % 4, labelled, category)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("sizes", "planes"),
    [
        ([(8, 8)] * 7, [1] * 7),
        ([(8, 8)] * 7, [2, 0, 3, 1, 0, 1, 4]),
        ([(8, 8), (4, 4), (8, 16), (4, 4), (8, 8), (2, 2), (8, 16)], [1, 2, 0, 0, 3, 1, 2]),
        ([(8, 8), (16, 8)] * 3, [0] * 6),
    ],
    ids=["one plane each", "any number of planes", "several sizes", "no planes at all"],
)
def test_counts(
    variant: IouVariant, sizes: list[tuple[int, int]], planes: list[int], tmp_path: Path
) -> None:
    random_case(0, sizes, planes).check(variant, tmp_path)


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
    sizes, planes = zip(*images, strict=True)
    random_case(seed, sizes, planes).check(variant, tmp_path_factory.mktemp("case"), batch_size)


def worked_case() -> Case:
    """One unit that fires on the upper half of three 4 × 4 images, counted by hand below.

    The first has the object 1 in its lower half, the second in its left half, the third nothing but
    the scene 2 as a whole; a color plane labels all of the first image.
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
    assert found.both.tolist() == [[8, 4, 8]]
    assert found.activation.tolist() == [activation]
    assert found.pixels.tolist() == [24]


def test_a_label_in_two_planes_counts_twice(tmp_path: Path) -> None:
    case = worked_case()
    case.labelled[1] = LabelledImage(np.repeat(case.labelled[1].label_maps, 2, axis=0))
    assert case.fast("paper", tmp_path).both.tolist() == [[8, 8, 8]]
    assert case.slow("paper").concept_area.tolist() == [16, 24, 16]


def test_batches_of_silent_maps(tmp_path: Path) -> None:
    case = random_case(0, [(8, 8)] * 4, [1] * 4)
    case.maps[:2] = 0
    for variant in VARIANTS:
        case.check(variant, tmp_path / variant, batch_size=2)


@pytest.mark.parametrize("at_least", [1, 5, 6, 7, 1000])
def test_gathered_parts_are_the_same_pixels(at_least: int) -> None:
    parts = [
        Pixels(torch.arange(10 * size, 10 * size + size), torch.arange(size))
        for size in (3, 0, 2, 6)
    ]
    found = list(gathered(parts, at_least))
    assert all(len(part.owner) >= at_least for part in found[:-1])
    assert torch.cat([part.position for part in found]).tolist() == [
        position for part in parts for position in part.position.tolist()
    ]
    assert len(torch.cat([part.owner for part in found])) == 11
