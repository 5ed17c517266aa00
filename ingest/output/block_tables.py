"""The tables of one block, from counts and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...graph.uids import unit_uid
from ..statistics.iou import OverlapCounts, attainable_iou, iou, label_units, ranking
from ..statistics.names import HeldOut, name_evidence
from ..statistics.significance import NullDistribution, p_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...settings import Settings
    from ..concept_data.concepts import ConceptData
    from ..dissection.block import BlockDissection
    from ..statistics.image_tags import TagScores

_DETECTION_COLUMNS = (
    "unit", "concept", "category", "iou", "rank", "intersection", "activation", "truth", "p",
    "enrichment", "attainable_iou", "precision", "precision_low", "chance", "holds",
    "auc", "auc_low", "auc_p",
)  # fmt: skip


class BlockTables:
    """Tables and IoU of one block.

    Attributes:
        block: its name.
        iou: float64 (units, concepts).
        p: float64 (units, concepts), how often the null has an overlap as large; NaN where nothing
            was tested: dead units, concepts without a pixel.
        holds: bool (units, concepts), whether the unit may be named after the concept.
        units: rows of the `units` table.
        detections: rows of the `detections` table: each unit's best concepts by IoU, and by AUC the
            best of those with an IoU that is no detection; without `significant` and
            `auc_significant`, which are decided over all blocks.
    """

    def __init__(
        self,
        block: str,
        dissection: BlockDissection,
        tags: TagScores | None,
        data: ConceptData,
        concept_area: NDArray[np.int64],
        category: NDArray[np.int64],
        settings: Settings,
    ) -> None:
        """Score the units and label them; a dead unit detects nothing, even by a rounding.

        Args:
            block: its name.
            dissection: what its units do.
            tags: how well they tell images with a concept from those without; None without tags.
            data: the concepts.
            concept_area: int64 (concepts,), labelled pixels.
            category: int64 (concepts,), position of each concept's category.
            settings: how many concepts a unit gets, and when it detects and is named after one.
        """
        self.block = block
        self._data = data
        self._dissection = dissection
        self._active = dissection.active.cpu().numpy()
        counts = dissection.overlaps.counts
        self._counts = OverlapCounts(
            counts.intersection.cpu().numpy(),
            counts.activation_area.cpu().numpy(),
            concept_area,
            category,
        )
        self.iou = self._alive(iou(self._counts))
        null = NullDistribution(*(tensor.cpu().numpy() for tensor in counts.null))
        held_out = HeldOut(*(tensor.cpu().numpy() for tensor in counts.held_out))
        self.p, self._enrichment = p_values(null, self._active), null.enrichment
        self.p[:, concept_area == 0] = np.nan
        self._evidence = name_evidence(held_out, category, null)
        self.holds = self._evidence.holds(settings.min_precision) & self._active[:, None]
        self._auc = _spread(tags, len(data.concepts), len(self.iou))
        order = ranking(self.iou, category)
        ranks = np.where(self.iou > 0, order.argsort(axis=1), len(data.concepts))
        top = settings.top_labels
        labels = label_units(self.iou, category, top)
        told = np.where((self._auc[0] > 0.5) & (self.iou <= settings.min_iou), self._auc[0], 0)
        tagged = label_units(told, category, top)
        self.detections = pd.DataFrame(
            [
                self._detection(unit, concept, int(ranks[unit, concept]))
                for unit, both in enumerate(zip(labels, tagged, strict=True))
                for concept in dict.fromkeys(label.concept for labels in both for label in labels)
            ],
            columns=list(_DETECTION_COLUMNS),
        )
        best = [unit_labels[0].concept if unit_labels else None for unit_labels in labels]
        self.units = pd.concat([self._unit_rows(best), self._unrestricted()], axis=1)

    def _alive(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        scores[~self._active] = 0
        return scores

    def _detection(self, unit: int, column: int, rank: int) -> tuple[object, ...]:
        concept, counts = self._data.concepts[column], self._counts
        activation_area = counts.activation_area[unit, counts.category[column]]
        concept_area = counts.concept_area[column]
        return (
            unit_uid(self.block, unit),
            concept.uid,
            concept.category,
            self.iou[unit, column],
            rank,
            counts.intersection[unit, column],
            activation_area,
            concept_area,
            self.p[unit, column],
            self._enrichment[unit, column],
            attainable_iou(activation_area, concept_area),
            *(float(values[unit, column]) for values in self._evidence),
            bool(self.holds[unit, column]),
            *(float(values[unit, column]) for values in self._auc),
        )

    def _unrestricted(self) -> pd.DataFrame:
        """Return what each unit would be labelled if all images counted for every category."""
        pixels = self._dissection.overlaps.counts.pixels.cpu().numpy()
        area = np.repeat(pixels[:, None], self._counts.activation_area.shape[1], axis=1)
        scores = self._alive(iou(self._counts._replace(activation_area=area)))
        labels = label_units(scores, self._counts.category, 1)
        concepts = [
            self._data.concepts[unit_labels[0].concept] if unit_labels else None
            for unit_labels in labels
        ]
        frame: pd.DataFrame = pd.DataFrame(
            {
                "pixels": pixels,
                "label_unrestricted": [concept and concept.name for concept in concepts],
                "category_unrestricted": [concept and concept.category for concept in concepts],
                "iou_unrestricted": scores.max(axis=1),
            }
        )
        return frame

    def _unit_rows(self, best: Sequence[int | None]) -> pd.DataFrame:
        thresholds = self._dissection.thresholds.cpu().numpy()
        concepts = self._data.concepts
        frame: pd.DataFrame = pd.DataFrame(
            {
                "uid": [unit_uid(self.block, unit) for unit in range(len(best))],
                "block": self.block,
                "index": np.arange(len(best)),
                "label": [None if c is None else concepts[c].name for c in best],
                "category": [None if c is None else concepts[c].category for c in best],
                "iou": [0.0 if c is None else self.iou[unit, c] for unit, c in enumerate(best)],
                "threshold": thresholds.astype(np.float64),
                "status": np.select([~self._active, thresholds == 0], ["dead", "sparse"], "ok"),
            }
        )
        return frame


def _spread(tags: TagScores | None, concepts: int, units: int) -> NDArray[np.float64]:
    """Return AUC, its lower end and p of all concepts, float64 (3, units, concepts)."""
    scores = np.full((3, units, concepts), np.nan)
    if tags is not None:
        scores[:, :, tags.columns] = tags.auc, tags.low, tags.p
    return scores
