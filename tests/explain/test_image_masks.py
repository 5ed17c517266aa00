"""Regions by the masks of an image: where annotators say that concepts are."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from conceptgraph.errors import ConceptGraphError
from conceptgraph.explain.explain import explain
from conceptgraph.explain.image_masks import image_masks
from conceptgraph.explain.network import open_network
from conceptgraph.explain.verdict import verdict
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.network.preprocessing import WHOLE_IMAGE, SeenBox
from conceptgraph.pages.write import render_page
from tests.drawn_data import draw_concept_data
from tests.image_samples import image_explanation
from tests.lively_run import lively_run
from tests.made_runs import small_run

if TYPE_CHECKING:
    from conceptgraph.explain.network import RunNetwork

MASKED = ("color", "object", "part", "action")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> RunNetwork:
    data = draw_concept_data(tmp_path_factory.mktemp("drawn"), 24)
    return open_network(lively_run(data, tmp_path_factory.mktemp("runs")), dtype=torch.float64)


@pytest.fixture(scope="module")
def image(network: RunNetwork) -> Path:
    return open_concept_data(Path(network.run.manifest["data"]["folder"])).images[0].path


def test_masks_are_where_the_label_maps_say(network: RunNetwork, image: Path) -> None:
    data = open_concept_data(Path(network.run.manifest["data"]["folder"]))
    maps = read_label_maps(data, data.images[0])
    masks = image_masks(network.run, image, WHOLE_IMAGE)
    assert set(masks.categories) <= set(MASKED)
    scale = masks.masks.shape[1] // maps.shape[1]
    for concept, mask in zip(masks.concepts, masks.masks, strict=True):
        column = [c.uid for c in data.concepts].index(concept.uid) + 1
        expected = (maps == column).any(axis=0).repeat(scale, axis=0).repeat(scale, axis=1)
        assert np.array_equal(mask, expected)
    half = image_masks(network.run, image, SeenBox(0.5, 0, 1, 1))
    shown = dict(zip(half.concepts, half.masks, strict=True))
    for concept, mask in zip(masks.concepts, masks.masks, strict=True):
        right = mask[:, mask.shape[1] // 2 :]
        if right.any():
            assert np.array_equal(shown[concept][:, ::2], right)


def test_a_region_by_a_mask_is_the_part_asked_about_by_it(network: RunNetwork, image: Path) -> None:
    masks = image_masks(network.run, image, WHOLE_IMAGE)
    checked = 0
    for concept, mask in zip(masks.concepts, masks.masks, strict=True):
        same = [m for c, m in zip(*masks, strict=True) if c.category == concept.category]
        if (np.sum(same, axis=0)[mask] > 1).any():
            continue  # shared with others of its category
        picture = explain(network, image, region=mask, masks=True).picture
        assert picture.chosen is not None
        region = next(
            r
            for r in picture.regions
            if (r.block, r.category, r.name) == (picture.thing_block, *concept[::-1])
        )
        assert region.evidence == pytest.approx(picture.chosen.evidence, abs=1e-9)
        assert region.coverage == pytest.approx(picture.chosen.coverage, abs=1e-9)
        checked += 1
    assert checked >= 3


def test_in_each_category_they_add_up(network: RunNetwork, image: Path) -> None:
    explanation = explain(network, image, masks=True)
    by_probes = explain(network, image)
    picture, plain = explanation.picture, by_probes.picture
    assert set(picture.masked) <= set(MASKED)
    for block in picture.blocks:
        for category in {region.category for region in picture.regions}:
            rows = [r for r in picture.regions if (r.block, r.category) == (block, category)]
            total = sum(row.evidence for row in rows) + picture.biases_after[block]
            assert total == pytest.approx(explanation.accounting.total, abs=1e-9)
            same = [r for r in plain.regions if (r.block, r.category) == (block, category)]
            assert (rows == same) is (category not in picture.masked)
    by_pair: dict[tuple[str, str], float] = defaultdict(float)
    for flow in picture.flows:
        by_pair[flow.source.category, flow.target.category] += flow.evidence
    assert np.ptp(list(by_pair.values())) == pytest.approx(0, abs=1e-9)
    assert plain.masked == ()


def test_what_is_annotated_is_not_called_seen(network: RunNetwork, image: Path) -> None:
    explanation = explain(network, image, masks=True)
    document = render_page(network.run, explanation)
    assert "Regions by annotation masks: " in document
    assert "Where it sees what" not in document
    assert "annotation masks" not in render_page(network.run, explain(network, image))


def test_the_finding_names_what_is_annotated(tmp_path: Path) -> None:
    explanation = image_explanation(small_run(tmp_path / "a.cg"))
    picture = replace(explanation.picture, things=(), change=None)
    text = verdict(replace(explanation, picture=picture))
    assert text.startswith("juggling: mostly because of what it sees as ball (25%")
    masked = replace(picture, masked=("object",))
    text = verdict(replace(explanation, picture=masked))
    assert text.startswith("juggling: mostly because of the places annotated as ball (25%")


def test_images_without_masks(network: RunNetwork, image: Path, tmp_path: Path) -> None:
    shutil.copy(image, tmp_path / "copy.jpg")
    with pytest.raises(ConceptGraphError, match=r"copy.jpg is none of the images.*Without --masks"):
        explain(network, tmp_path / "copy.jpg", masks=True)
    stray = image.with_name("stray.jpg")
    shutil.copy(image, stray)
    with pytest.raises(ConceptGraphError, match=r"no image 'drawn/stray.jpg'"):
        explain(network, stray, masks=True)
