"""What a run must hold, computed by `tests.reference` from the maps of the run's own network."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.dissection.peak_histogram import TIMES
from tests import reference
from tests.reference import LabelledImage

if TYPE_CHECKING:
    from torch import Tensor

    from conceptgraph.graph.run.reader import Run
    from conceptgraph.ingest.concept_data.concepts import ConceptImage
    from conceptgraph.ingest.inputs import Inputs
    from tests.reference import Numbers


def maps_of(inputs: Inputs) -> dict[str, Tensor]:
    """Compute all maps of all blocks, with the module and the batches of the run."""
    batches = [inputs.outputs(pixels) for _, pixels in inputs.decoded(inputs.batches())]
    return {block: torch.cat([maps[block] for maps in batches]) for block in batches[0]}


class ExpectedRun:
    """Labels and settings of an ingest, to check runs against."""

    def __init__(self, inputs: Inputs) -> None:
        self.images = inputs.images
        self.data = inputs.data
        self.settings = inputs.settings
        self.threshold_images = inputs.threshold_images.numpy()
        self.labelled = [
            LabelledImage(self._label_maps(image), image.image_labels, image.absent)
            for image in self.images
        ]
        self.category = [self.data.categories.index(c.category) for c in self.data.concepts]

    def _label_maps(self, image: ConceptImage) -> Numbers:
        """Return label maps; of a clip, of its annotated frames one below the other."""
        maps = read_label_maps(self.data, image)
        by_frame = np.split(maps, image.frames, axis=1)
        return np.concatenate([by_frame[t] for t in image.annotated], axis=1).astype(np.int64)

    def check(self, run: Run, maps: dict[str, Tensor]) -> None:
        """Assert that every number of the run follows from the maps, (images, units, …)."""
        for block, block_maps in maps.items():
            self._check_block(run, block, block_maps.numpy())
        no_units = [np.zeros((1, *i.label_maps.shape[1:]), np.bool_) for i in self.labelled]
        concept_area = self._count(no_units).concept_area
        assert run.concepts["pixels"].tolist() == concept_area.tolist()
        np.testing.assert_array_equal(run.concepts["center_bias"], self._center_bias())
        assert run.concepts["uid"].tolist() == [concept.uid for concept in self.data.concepts]
        assert run.concepts["images"].tolist() == [
            sum(image.has(concept) for image in self.labelled)
            for concept in range(len(self.category))
        ]

    def _center_bias(self) -> reference.Floats:
        """Compute the best IoU of eight units that are active in a centered box of every image."""
        masks = []
        for image, labelled in zip(self.images, self.labelled, strict=True):
            frames, (_, height, width) = len(image.annotated), labelled.label_maps.shape
            boxes = reference.center_masks((height // frames, width), 8)
            masks.append(np.tile(boxes, (frames, 1)))
        scores = reference.iou(self._count(masks), self.category)
        return np.asarray(scores.max(axis=0))

    def _count(self, masks: list[reference.Bools]) -> reference.OverlapCounts:
        categories = len(self.data.categories)
        variant = self.settings.iou
        return reference.count_overlaps(masks, self.labelled, self.category, categories, variant)

    def _check_block(self, run: Run, block: str, maps: reference.Floats) -> None:
        thresholds = reference.thresholds(maps[self.threshold_images], run.quantile)
        units = run.units[run.units["block"] == block].reset_index()
        assert units["threshold"].tolist() == thresholds.tolist()
        masks = [
            self.masks(image, image_maps, thresholds)
            for image, image_maps in zip(self.images, maps, strict=True)
        ]
        counts = self._count(masks)
        scores = reference.iou(counts, self.category)
        peaks = maps.max(axis=tuple(range(2, maps.ndim)))
        dead = peaks[self.threshold_images].max(axis=0) == 0
        scores[dead] = 0
        status = np.where(dead, "dead", np.where(thresholds == 0, "sparse", "ok"))
        assert units["status"].tolist() == status.tolist()
        np.testing.assert_array_equal(run.iou(block), scores.astype(np.float32))
        for unit, label in enumerate(units["label"]):
            best = reference.best_label(scores[unit].tolist(), self.category)
            assert (None if pd.isna(label) else label) == (
                None if best is None else self.data.concepts[best].name
            )
        self._check_counts(run, block, counts, scores)
        self._check_top_images(run, block, peaks, thresholds)
        self._check_peaks(run, block, peaks, thresholds)
        self._check_auc(run, block, peaks)

    def masks(
        self, image: ConceptImage, maps: reference.Floats, thresholds: reference.Floats
    ) -> reference.Bools:
        """Return where units fire in an image, or in the annotated frames of a clip."""
        if maps.ndim == 3:
            shape = image.mask_height, image.mask_width
            return reference.activation_masks(maps, thresholds, *shape)
        height = image.mask_height // image.frames
        clip = (image.mask_width, image.frames, image.annotated)
        return reference.clip_masks(maps, thresholds, height, *clip)

    def _check_counts(
        self, run: Run, block: str, counts: reference.OverlapCounts, scores: reference.Floats
    ) -> None:
        uids = [concept.uid for concept in self.data.concepts]
        expected = {
            (f"{block}/{unit}", uids[c]): (
                counts.intersection[unit, c],
                counts.activation_area[unit, self.category[c]],
                counts.concept_area[c],
                scores[unit, c],
            )
            for unit, c in np.argwhere(scores > 0)
        }
        rows = run.detections[run.detections["unit"].str.startswith(f"{block}/")]
        rows = rows[rows["iou"] > 0]  # some are there for their AUC alone
        keys = zip(rows["unit"], rows["concept"], strict=True)
        columns = rows[["intersection", "activation", "truth", "iou"]].itertuples(index=False)
        assert dict(zip(keys, map(tuple, columns), strict=True)) == expected

    def _check_top_images(
        self, run: Run, block: str, peaks: reference.Floats, thresholds: reference.Floats
    ) -> None:
        rows = run.top_images[run.top_images["unit"].str.startswith(f"{block}/")]
        top_images = list(zip(rows["unit"], rows["image"], rows["activation"], strict=True))
        assert top_images == [
            (f"{block}/{unit}", self.images[image].name, peaks[image, unit])
            for unit, threshold in enumerate(thresholds)
            for image in reference.top_images(peaks[:, unit], threshold, self.settings.top_images)
        ]

    def _check_peaks(
        self, run: Run, block: str, peaks: reference.Floats, thresholds: reference.Floats
    ) -> None:
        """Sort each image into its bin; all are in the first one if the threshold is 0."""
        rows = run.peaks[run.peaks["unit"].str.startswith(f"{block}/")]
        expected: Counter[tuple[str, float]] = Counter()
        for unit, threshold in enumerate(thresholds):
            for peak in peaks[:, unit]:
                if peak > threshold:
                    times = [t for t in TIMES if threshold > 0 and peak / threshold >= t]
                    expected[f"{block}/{unit}", max(times, default=1.0)] += 1
        found = zip(rows["unit"], rows["times"], rows["images"], strict=True)
        assert {(unit, times): images for unit, times, images in found} == expected

    def _check_auc(self, run: Run, block: str, peaks: reference.Floats) -> None:
        """Count the pairs of images, for concepts that label some image as a whole."""
        rows = run.detections[run.detections["unit"].str.startswith(f"{block}/")]
        of_images = {c for image in self.images for c in (*image.image_labels, *image.absent)}
        uids = [self.data.concepts[c].uid for c in sorted(of_images)]
        assert set(rows["concept"][rows["auc"].notna()]) <= set(uids)
        answers = {
            self.data.concepts[c].uid: [
                reference.answer(self.labelled, i, c, self.category)
                for i in range(len(self.labelled))
            ]
            for c in sorted(of_images)
        }
        for row in rows[rows["concept"].isin(uids)].itertuples():
            unit = peaks[:, int(row.unit.split("/")[1])]
            expected = reference.auc(unit.tolist(), answers[row.concept])
            assert row.auc == pytest.approx(expected, nan_ok=True)
