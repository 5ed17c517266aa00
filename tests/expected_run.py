"""What a run must hold, worked out by `tests.reference` from the maps of the run's own network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from conceptgraph.ingest.concept_data.masks import read_label_maps
from tests import reference
from tests.reference import Labelled

if TYPE_CHECKING:
    from torch import Tensor

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.ingest.inputs import Inputs


def maps_of(inputs: Inputs) -> dict[str, Tensor]:
    """All maps of all blocks, from the module and the batches of the run."""
    batches = [inputs.outputs(pixels) for _, pixels in inputs.decoded(inputs.batches())]
    return {block: torch.cat([maps[block] for maps in batches]) for block in batches[0]}


class Expected:
    """Labels and settings of an ingest, to check runs against."""

    def __init__(self, inputs: Inputs) -> None:
        self.images = inputs.images
        self.data = inputs.data
        self.settings = inputs.settings
        self.fitted = inputs.fitted.numpy()
        self.labelled = [
            Labelled(read_label_maps(self.data, i), i.image_labels) for i in self.images
        ]
        self.category = [self.data.categories.index(c.category) for c in self.data.concepts]

    def check(self, run: Run, maps: dict[str, Tensor]) -> None:
        """Every number of the run follows from the maps, (images, units, height, width)."""
        for block, stack in maps.items():
            self._check_block(run, block, stack.numpy())
        tally = self._tally([np.zeros((1, *i.planes.shape[1:]), np.bool_) for i in self.labelled])
        assert run.concepts["pixels"].tolist() == tally.truth.tolist()
        np.testing.assert_array_equal(run.concepts["center_bias"], self._center_box())
        assert run.concepts["uid"].tolist() == [concept.uid for concept in self.data.concepts]
        assert run.concepts["images"].tolist() == [
            sum(bool(i.bincount(c).any()) or c in i.image_labels for i in self.labelled)
            for c in range(len(self.category))
        ]

    def _center_box(self) -> reference.Floats:
        """What the best of eight units gets that fire on boxes in the middle of every image."""
        fired = [reference.center_boxes(i.planes.shape[-2:], 8) for i in self.labelled]
        scores = reference.iou(self._tally(fired), self.category)
        return np.asarray(scores.max(axis=0))

    def _tally(self, fired: list[reference.Bools]) -> reference.Tally:
        categories = len(self.data.categories)
        variant = self.settings.iou
        return reference.tally(fired, self.labelled, self.category, categories, variant)

    def _check_block(self, run: Run, block: str, maps: reference.Floats) -> None:
        limits = reference.thresholds(maps[self.fitted], self.settings.quantile)
        units = run.units[run.units["block"] == block].reset_index()
        assert units["threshold"].tolist() == limits.tolist()
        sizes = [i.planes.shape[1:] for i in self.labelled]
        tally = self._tally(
            [reference.masks(m, limits, *size) for m, size in zip(maps, sizes, strict=True)]
        )
        scores = reference.iou(tally, self.category)
        dead = maps[self.fitted].max(axis=(0, 2, 3)) == 0
        scores[dead] = 0
        status = np.where(dead, "dead", np.where(limits == 0, "sparse", "ok"))
        assert units["status"].tolist() == status.tolist()
        np.testing.assert_array_equal(run.iou(block), scores.astype(np.float32))
        for unit, label in enumerate(units["label"]):
            best = reference.best_label(scores[unit].tolist(), self.category)
            assert (None if pd.isna(label) else label) == (
                None if best is None else self.data.concepts[best].name
            )
        self._check_counts(run, block, tally, scores)
        self._check_top_images(run, block, maps.max(axis=(2, 3)), limits)

    def _check_counts(
        self, run: Run, block: str, tally: reference.Tally, scores: reference.Floats
    ) -> None:
        uids = [concept.uid for concept in self.data.concepts]
        expected = {
            (f"{block}/{unit}", uids[c]): (
                tally.both[unit, c],
                tally.activation[unit, self.category[c]],
                tally.truth[c],
                scores[unit, c],
            )
            for unit, c in np.argwhere(scores > 0)
        }
        rows = run.detections[run.detections["unit"].str.startswith(f"{block}/")]
        keys = zip(rows["unit"], rows["concept"], strict=True)
        counts = rows[["intersection", "activation", "truth", "iou"]].itertuples(index=False)
        assert dict(zip(keys, map(tuple, counts), strict=True)) == expected

    def _check_top_images(
        self, run: Run, block: str, peaks: reference.Floats, limits: reference.Floats
    ) -> None:
        rows = run.top_images[run.top_images["unit"].str.startswith(f"{block}/")]
        found = list(zip(rows["unit"], rows["image"], rows["activation"], strict=True))
        assert found == [
            (f"{block}/{unit}", self.images[image].name, peaks[image, unit])
            for unit, limit in enumerate(limits)
            for image in reference.top_images(peaks[:, unit], limit, self.settings.top_images)
        ]
