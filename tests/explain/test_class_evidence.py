"""Evidence of classes over images: means that add up, resumed, and kept in the run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from conceptgraph.errors import DataError, QueryError
from conceptgraph.explain.class_evidence import class_evidence
from conceptgraph.explain.explain import explain
from conceptgraph.explain.image_evidence import directions
from conceptgraph.explain.image_folder import images_below
from conceptgraph.explain.network import open_network
from conceptgraph.explain.presence import unprobed_concepts
from conceptgraph.graph.run.class_evidence import read_class_evidence
from conceptgraph.graph.run.reader import Run, open_run
from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run
from tests.random_networks import linear_head

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("drawn"), 24)


@pytest.fixture
def run(data: Path, lively: Run, tmp_path: Path) -> Run:
    shutil.copytree(lively.path, tmp_path / "lively.cg")
    return open_run(tmp_path / "lively.cg")


@pytest.fixture(scope="module")
def lively(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return lively_run(data, tmp_path_factory.mktemp("runs"), "even_network")


def test_means_add_up_to_the_mean_logit(run: Run, data: Path) -> None:
    network = open_network(run, dtype=torch.float64)
    result = class_evidence(network)
    by_class: dict[str, list[float]] = {}
    for image in sorted((data / "images").rglob("*.jpg")):
        logits, _ = network.forward(network.load_image(image), "block1")
        name = str(run.classes["name"].iloc[int(logits.argmax())])
        by_class.setdefault(name, []).append(float(logits.max() - logits.mean()))
    assert result.images == {name: len(values) for name, values in by_class.items()}
    bias = linear_head(network.network).bias.double()
    biases = bias - bias.mean()
    block4 = result.evidence[result.evidence["block"] == "block4"]
    assert not block4.empty
    for (name, _), rows in block4.groupby(["class", "category"]):
        index = list(run.classes["name"]).index(name)
        expected = np.mean(by_class[str(name)]) - float(biases[index])
        assert rows["mean"].sum() == pytest.approx(expected, rel=1e-6)  # of seven digits each
    flows = result.flows[result.flows["class"] == block4["class"].iloc[0]]
    sums = flows.groupby(["source_category", "target_category"])["mean"].sum()
    assert np.ptp(sums.to_numpy()) == pytest.approx(0, abs=1e-6)


def test_one_image_has_the_evidence_of_its_explanation(run: Run, data: Path) -> None:
    network = open_network(run, dtype=torch.float64)
    image = sorted((data / "images").rglob("*.jpg"))[0]
    folder = run.path.parent / "one"
    folder.mkdir()
    shutil.copy(image, folder)
    explanation = explain(network, image)
    other = next(n for n in run.classes["name"] if n != explanation.class_name)
    regions = explain(network, image, versus=other).picture.regions
    table = class_evidence(network, folder, versus=other).evidence
    names = (None if pd.isna(name) else name for name in table["name"])
    keys = zip(table["block"], table["category"], names, strict=True)
    means = dict(zip(keys, table["mean"], strict=True))
    assert len(means) == sum(region.coverage > 0 for region in regions)
    for region in regions:
        if region.coverage > 0:
            key = region.block, region.category, region.name
            assert means[key] == pytest.approx(region.evidence, rel=1e-6, abs=1e-6)


def test_it_is_kept_in_the_run_and_resumes(run: Run, data: Path) -> None:
    assert read_class_evidence(run) is None
    whole = class_evidence(run)
    saved = read_class_evidence(open_run(run.path))
    assert saved is not None
    pd.testing.assert_frame_equal(saved.evidence, whole.evidence, check_dtype=False)
    assert saved.images == whole.images
    (rows,) = (file for file in (run.path / "evidence").glob("*.jsonl") if "flows" not in file.name)
    content = rows.read_bytes()
    rows.write_bytes(content[: len(content) * 3 // 4])
    pd.testing.assert_frame_equal(class_evidence(run).evidence, whole.evidence)
    assert rows.read_bytes() == content


def test_images_that_cannot_be_read_are_listed(run: Run, tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    shutil.copy(next((data / "images").rglob("*.jpg")), folder / "good.jpg")
    (folder / "bad.jpg").write_bytes(b"no image")
    result = class_evidence(run, folder)
    assert [file for file, _ in result.unreadable] == [str(folder / "bad.jpg")]
    assert sum(result.images.values()) == 1
    (folder / "good.jpg").unlink()
    with pytest.raises(DataError, match="no image can be read"):
        class_evidence(run, folder)
    (folder / "bad.jpg").unlink()
    with pytest.raises(DataError, match="no images"):
        class_evidence(run, folder)
    with pytest.raises(QueryError, match="no class 'unknown'"):
        class_evidence(run, data / "images", versus="unknown")


def test_what_is_explained_of_the_logits() -> None:
    assert directions(1).tolist() == [[1]]  # yes or no: nothing to compare with
    assert directions(2).tolist() == [[0.5, -0.5], [-0.5, 0.5]]
    assert directions(2, versus=0).tolist() == [[0, 0], [-1, 1]]


def test_masks_of_concept_data_are_no_photographs(data: Path) -> None:
    names = [image.path for image in open_concept_data(data).images]
    for folder in (data, data / "images", data / "images" / "drawn"):
        assert images_below(folder) == sorted(names)


def test_clips_of_a_folder_are_videos_and_subfolders_of_frames(tmp_path: Path) -> None:
    for name in (
        "a.mp4",
        "b/00.png",
        "b/01.png",
        "c/d/1.jpg",
        "c/e.webm",
        "still.png",
        "notes.txt",
    ):
        file = tmp_path / "clips" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = images_below(tmp_path / "clips", clips=True)
    expected = ["a.mp4", "b", "c/d", "c/e.webm", "still.png"]
    assert [file.relative_to(tmp_path / "clips").as_posix() for file in found] == expected
    strips = draw_concept_data(tmp_path / "data", 3)
    assert images_below(strips, clips=True) == images_below(strips)


def test_concepts_without_a_usable_probe_are_known(lively: Run) -> None:
    """They are what "elsewhere" may be."""
    rows = lively.presence[lively.presence["block"] == "block3"]
    usable = set(rows["concept"][rows["usable"]])
    occurring = set(lively.concepts["uid"][lively.concepts["images"] > 0])
    found = {concept.uid for concept in unprobed_concepts(lively, "block3")}
    assert found == occurring - usable
    assert found
