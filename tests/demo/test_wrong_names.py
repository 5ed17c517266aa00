"""Names on the drawn world with concepts missing, or where, from the data: few may be wrong."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.names import count_wrong, draw_concepts, keep_concepts
from conceptgraph.demo.networks.shipped import SHIPPED, write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.graph.uids import concept_uids
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.writer import BrodenWriter
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.graph.run.reader import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_concept_data(tmp_path_factory.mktemp("names") / "data", 300)


def dissect(data: Path, out: Path) -> Run:
    classes = write_classes(out.with_suffix(".txt"))
    weights, settings = SHIPPED["shortcut"], Settings(quantile=0.005)  # the same thresholds
    return ingest(FACTORY, data, out, settings, weights=weights, classes=classes)


@pytest.fixture(scope="module")
def full(data: Path) -> Run:
    return dissect(data, data.parent / "full.cg")


@pytest.mark.slow
def test_names_are_right_though_concepts_are_missing(tmp_path: Path, data: Path, full: Run) -> None:
    assert full.named.sum() > 30
    wrong = full.manifest["names"]["wrong"]
    assert wrong is not None
    assert wrong <= 0.1
    total = np.zeros(4, np.int64)
    for draw, count in enumerate((20, 20, 5, 2)):
        uids = draw_concepts(full, count, draw)
        kept = keep_concepts(data, tmp_path / f"data {draw}", uids)
        total += count_wrong(dissect(kept, tmp_path / f"{draw}.cg"), full)
    named, wrong_names, interpretable, wrong_by_iou = total.tolist()
    assert named > 5
    assert wrong_names <= 0.1 * named
    assert wrong_by_iou > 0.3 * interpretable  # which IoU alone would have named


@pytest.mark.slow
def test_tags_agree_with_masks(tmp_path: Path, data: Path, full: Run) -> None:
    """Tags say only which concepts are in an image: units find what their masks overlap."""
    tags = dissect(tags_of_masks(data, tmp_path / "tags"), tmp_path / "tags.cg")
    best = tags.detections.sort_values("auc", ascending=False).drop_duplicates("unit")
    by_tags = best.set_index("unit")["concept"]
    units = full.units[full.units["iou"] > 0.1]
    by_masks = concept_uids(units["category"], units["label"])
    assert len(units) > 100
    agree = by_masks.to_numpy() == by_tags.reindex(units["uid"]).to_numpy()
    assert agree.mean() > 0.8  # .94 on 800 images


def tags_of_masks(data: Path, out: Path) -> Path:
    """Write concept data in which every mask is a tag."""
    source = open_concept_data(data)
    names: dict[str, list[str]] = defaultdict(list)
    for concept in source.concepts:
        names[concept.category].append(concept.name)
    with BrodenWriter(out, names) as writer:
        for image in source.images:
            label_maps = read_label_maps(source, image).astype(int)
            columns = {*(np.unique(label_maps[label_maps > 0]) - 1).tolist(), *image.image_labels}
            tags: dict[str, list[str]] = defaultdict(list)
            for column in columns:
                tags[source.concepts[column].category].append(source.concepts[column].name)
            writer.add(image.name, image.path, {}, tags, split=image.split)
    return out
