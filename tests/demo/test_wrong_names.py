"""Names on the drawn world with concepts missing from the data: few of them may be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.names import count_wrong, draw_concepts, keep_concepts
from conceptgraph.demo.networks.shipped import SHIPPED, write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run


@pytest.mark.slow
def test_names_are_right_though_concepts_are_missing(tmp_path: Path) -> None:
    data = write_concept_data(tmp_path / "data", 300)
    classes = write_classes(tmp_path / "classes.txt")

    def dissect(folder: Path, out: str) -> Run:
        weights, settings = SHIPPED["shortcut"], Settings(quantile=0.005)  # the same thresholds
        return ingest(FACTORY, folder, tmp_path / out, settings, weights=weights, classes=classes)

    full = dissect(data, "full.cg")
    assert full.named.sum() > 30
    wrong = full.manifest["names"]["wrong"]
    assert wrong is not None
    assert wrong <= 0.1
    total = np.zeros(4, np.int64)
    for draw, count in enumerate((20, 20, 5, 2)):
        uids = draw_concepts(full, count, draw)
        kept = keep_concepts(data, tmp_path / f"data {draw}", uids)
        total += count_wrong(dissect(kept, f"{draw}.cg"), full)
    named, wrong_names, interpretable, wrong_by_iou = total.tolist()
    assert named > 5
    assert wrong_names <= 0.1 * named
    assert wrong_by_iou > 0.3 * interpretable  # which IoU alone would have named
