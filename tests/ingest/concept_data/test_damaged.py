"""Images that cannot be read: left out, listed and counted; or the ingest stops."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conceptgraph.errors import DataError
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.settings import Settings
from tests.drawn_data import draw_concept_data

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "tests.lively_run:lively_network"
SETTINGS = Settings(quantile=0.1, min_iou=0.01, image_size=64, top_images=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_concept_data(tmp_path / "data", 16, size=64)


def images(data: Path) -> list[Path]:
    return sorted((data / "images").rglob("*.jpg"))


def test_a_run_without_the_damaged_image_is_that_of_the_others(data: Path, tmp_path: Path) -> None:
    damaged = images(data)[3]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    run = ingest(MODEL, data, tmp_path / "damaged.cg", SETTINGS)
    name = str(damaged.relative_to(data / "images"))
    assert run.manifest["data"]["dropped"] == [name]
    assert run.manifest["data"]["images"] == 15
    index = (data / "index.csv").read_text("utf-8").splitlines(keepends=True)
    others = tmp_path / "others"
    shutil.copytree(data, others)
    (others / "index.csv").write_text("".join(line for line in index if name not in line), "utf-8")
    same = ingest(MODEL, others, tmp_path / "others.cg", SETTINGS)
    for block in run.blocks:
        assert np.array_equal(run.iou(block), same.iou(block))
    damaged.write_bytes(whole)  # repaired: the run is complete as it is
    assert ingest(MODEL, data, tmp_path / "damaged.cg", SETTINGS, resume=True).path == run.path


def test_strict_stops_and_so_does_data_without_any_image(data: Path, tmp_path: Path) -> None:
    images(data)[3].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 16 images cannot be read; .* leave out --strict"):
        ingest(MODEL, data, tmp_path / "a.cg", SETTINGS, strict=True)
    for image in images(data):
        image.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"16 of 16 images cannot be read"):
        ingest(MODEL, data, tmp_path / "a.cg", SETTINGS)
    assert not list(tmp_path.glob("a.cg*"))
