"""The tables of one block, from counts and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..statistics.iou import Counts, attainable_iou, iou, labels
from ..statistics.significance import Chance, p_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..concept_data.concepts import ConceptData
    from ..dissection.block import Dissection
    from ..dissection.overlaps import Overlaps


class BlockTables:
    """Tables and IoU of one block.

    Attributes:
        block: its name.
        iou: float64 (units, concepts).
        p: float64 (units, concepts), how often chance does as well; NaN where nothing was tested:
            dead units, concepts without a pixel.
        units: rows of the `units` table.
        detections: rows of the `detections` table: each unit's best concepts; without the column
            `significant`, which is decided over all blocks.
    """

    def __init__(
        self,
        block: str,
        found: Dissection,
        data: ConceptData,
        truth: NDArray[np.int64],
        category: NDArray[np.int64],
        top: int,
    ) -> None:
        """Score the units and name them; a dead unit detects nothing, even by a rounding.

        Args:
            block: its name.
            found: what its units do.
            data: the concepts.
            truth: int64 (concepts,), labelled pixels.
            category: int64 (concepts,), position of each concept's category.
            top: concepts kept per unit, beside the best of each category.
        """
        self.block = block
        self._data = data
        overlaps, active = found.overlaps, found.active.cpu().numpy()
        both = overlaps.both.cpu().numpy()
        counts = Counts(both, overlaps.activation.cpu().numpy(), truth, category)
        self._counts = counts
        self.iou = iou(counts)
        self.iou[~active] = 0
        chance = Chance(*(part.cpu().numpy() for part in overlaps.chance.counts))
        self.p, self._lift = p_values(chance, active), chance.enrichment
        self.p[:, truth == 0] = np.nan
        detected = labels(self.iou, category, top)
        self.detections = pd.DataFrame(
            [
                self._detection(unit, label.concept, label.rank)
                for unit, unit_labels in enumerate(detected)
                for label in unit_labels
            ],
            columns=[
                "unit",
                "concept",
                "category",
                "iou",
                "rank",
                "intersection",
                "activation",
                "truth",
                "p",
                "enrichment",
                "attainable_iou",
            ],
        )
        best = [unit_labels[0].concept if unit_labels else None for unit_labels in detected]
        units = [self._units(found, best), self._unrestricted(overlaps, active)]
        self.units = pd.concat(units, axis=1)

    def _detection(self, unit: int, column: int, rank: int) -> tuple[object, ...]:
        concept, counts = self._data.concepts[column], self._counts
        activation = counts.activation[unit, counts.category[column]]
        return (
            f"{self.block}/{unit}",
            concept.uid,
            concept.category,
            self.iou[unit, column],
            rank,
            counts.both[unit, column],
            activation,
            counts.truth[column],
            self.p[unit, column],
            self._lift[unit, column],
            attainable_iou(activation, counts.truth[column]),
        )

    def _unrestricted(self, overlaps: Overlaps, active: NDArray[np.bool_]) -> pd.DataFrame:
        """What each unit would be called if all images counted for every category."""
        pixels = overlaps.pixels.cpu().numpy()
        everywhere = np.repeat(pixels[:, None], overlaps.activation.shape[1], axis=1)
        scores = iou(self._counts._replace(activation=everywhere))
        scores[~active] = 0
        detected = labels(scores, self._counts.category, 1)
        best = [found[0].concept if found else None for found in detected]
        concepts = [None if column is None else self._data.concepts[column] for column in best]
        frame: pd.DataFrame = pd.DataFrame(
            {
                "pixels": pixels,
                "label_unrestricted": [concept and concept.name for concept in concepts],
                "category_unrestricted": [concept and concept.category for concept in concepts],
                "iou_unrestricted": scores.max(axis=1),
            }
        )
        return frame

    def _units(self, found: Dissection, best: Sequence[int | None]) -> pd.DataFrame:
        thresholds = found.thresholds.cpu().numpy()
        active = found.active.cpu().numpy()
        concepts = self._data.concepts
        frame: pd.DataFrame = pd.DataFrame(
            {
                "uid": [f"{self.block}/{unit}" for unit in range(len(best))],
                "block": self.block,
                "index": np.arange(len(best)),
                "label": [None if c is None else concepts[c].name for c in best],
                "category": [None if c is None else concepts[c].category for c in best],
                "iou": [0.0 if c is None else self.iou[unit, c] for unit, c in enumerate(best)],
                "threshold": thresholds.astype(np.float64),
                "status": np.select([~active, thresholds == 0], ["dead", "sparse"], "ok"),
            }
        )
        return frame
