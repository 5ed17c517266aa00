"""Boxes in the middle of every image, against counting them as units pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conceptgraph.ingest.statistics.center_bias import (
    SIZES,
    CenterBias,
    box_areas,
    labelled_inside,
)
from conceptgraph.settings import IouVariant
from tests import reference
from tests.reference import LabelledImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CATEGORY = [0, 1, 2, 1, 0]


def best(
    labelled: Sequence[LabelledImage], variant: IouVariant, category: Sequence[int] = CATEGORY
) -> NDArray[np.float64]:
    """Count boxes as the label statistics do, and return the best IoU of each concept."""
    boxes = CenterBias(torch.tensor(category), 3, variant)
    for labels in labelled:
        label_maps = torch.from_numpy(labels.label_maps).int().unsqueeze(1)
        inside = labelled_inside(label_maps, len(category))
        areas = box_areas(*labels.label_maps.shape[1:], torch.device("cpu"))
        for column in labels.image_labels:
            inside[0, :, column] += areas
        boxes.update(boxes.partial(inside, areas, boxes.has_category(inside[:, -1])))
    return boxes.best()


@given(
    seed=st.integers(0, 2**16),
    images=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 19), st.integers(1, 19)),
        min_size=1,
        max_size=5,
    ),
    variant=st.sampled_from(get_args(IouVariant)),
)
def test_boxes_are_counted_as_units_are(
    seed: int, images: list[tuple[int, int, int]], variant: IouVariant
) -> None:
    rng = np.random.default_rng(seed)
    labelled = [
        LabelledImage(
            rng.integers(0, len(CATEGORY) + 1, shape) * (rng.random(shape) < 0.5),
            tuple(np.flatnonzero(rng.random(len(CATEGORY)) < 0.1).tolist()),
        )
        for shape in images
    ]
    masks = [reference.center_masks(labels.label_maps.shape[-2:], SIZES) for labels in labelled]
    counts = reference.count_overlaps(masks, labelled, CATEGORY, 3, variant)
    expected = reference.iou(counts, CATEGORY).max(axis=0)
    np.testing.assert_array_equal(best(labelled, variant), expected)


def test_what_lies_in_the_middle_and_what_does_not() -> None:
    centre, edge = np.zeros((2, 1, 16, 16), np.int64)
    centre[:, 4:12, 4:12] = 1
    edge[:, :2] = 2
    found = best([LabelledImage(centre), LabelledImage(edge)], "paper", [0, 1])
    assert found == pytest.approx([1, 32 / 256])
    found = best([LabelledImage(centre), LabelledImage(edge)], "unrestricted", [0, 1])
    assert found == pytest.approx([1 / 2, 32 / 512])


def test_many_concepts_do_not_wrap_round() -> None:
    """8 × 65,000 does not fit the 16 bits of a label map."""
    label_maps = torch.full((1, 1, 8, 8), 65_000, dtype=torch.int32)
    assert labelled_inside(label_maps, 65_534)[0, :, 64_999].tolist() == [
        4,
        4,
        16,
        16,
        36,
        36,
        64,
        64,
    ]
