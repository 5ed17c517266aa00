"""Label statistics, batch by batch, against reading the masks image by image."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.engine.scratch import DeviceCache, TensorFile
from conceptgraph.ingest.inputs import Batch
from conceptgraph.ingest.statistics import label_statistics
from conceptgraph.ingest.statistics.label_statistics import (
    category_columns,
    count_labels,
    group_by_mask_size,
)
from tests.drawn_data import draw_concept_data

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 7


@pytest.mark.parametrize("budget", [0, 2000, 1 << 30])
@pytest.mark.parametrize("pixels", [1, 5000, label_statistics.PIXELS])
def test_label_maps_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, budget: int
) -> None:
    monkeypatch.setattr(label_statistics, "PIXELS", pixels)
    data = open_concept_data(draw_concept_data(tmp_path / "data", 24))
    nothing_of = [() if number % 3 else (0, number % 4) for number in range(24)]
    images = (dataclasses.replace(image, nothing_of=of)
              for image, of in zip(data.images, nothing_of, strict=True))  # fmt: skip
    data = dataclasses.replace(data, images=tuple(images))
    category, concepts = category_columns(data), len(data.concepts)
    order = np.random.default_rng(0).permutation(24).tolist()
    batches = [
        Batch(number, first, order[first : first + SIZE])
        for number, first in enumerate(range(0, 24, SIZE))
    ]
    told: list[int] = []
    found = count_labels(
        data,
        24,
        TensorFile(tmp_path / "label maps", torch.uint16, DeviceCache(budget)),
        "paper",
        batches=batches,
        group=ProcessGroup(),
        device=torch.device("cpu"),
        workers=2,
        advance=told.append,
    )
    assert sum(told) == 24
    concept_area, occurs = np.zeros(concepts, np.int64), np.zeros(concepts, np.int64)
    category_area = np.zeros(len(data.categories), np.int64)
    for position, number in enumerate(order):
        image = data.images[number]
        counts = np.bincount(read_label_maps(data, image).ravel(), minlength=concepts + 1)[1:]
        counts[list(image.image_labels)] += image.mask_height * image.mask_width
        concept_area += counts
        occurs += counts > 0
        annotated = {*category[counts > 0], *image.nothing_of}
        category_area[list(annotated)] += image.mask_height * image.mask_width
        assert set(np.flatnonzero(found.has_category[position])) == annotated
    np.testing.assert_array_equal(found.category_area, category_area)
    np.testing.assert_array_equal(found.concept_area, concept_area)
    np.testing.assert_array_equal(found.images, occurs)
    for batch in batches:
        members = [data.images[number] for number in batch.images]
        for group in group_by_mask_size(members):
            stack = found.label_maps.read(
                batch.first + group.numbers[0], torch.device("cpu")
            ).numpy()
            for row, number in enumerate(group.numbers):
                maps = read_label_maps(data, members[number])
                stored, rest = np.split(stack[:, row], [len(maps)])
                np.testing.assert_array_equal(stored, maps.reshape(len(maps), -1))
                assert not rest.any()
