"""Images that cannot be read: left out, listed and counted; or the ingest stops."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.explain.class_evidence import class_evidence
from conceptgraph.ingest.concept_data.damaged import without_damaged
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.engine.process_group import ProcessGroup
from conceptgraph.ingest.pipeline import ingest
from conceptgraph.progress import NoProgress
from conceptgraph.settings import Settings
from tests.drawn_data import draw_concept_data

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "tests.lively_run:lively_network"
SETTINGS = Settings(quantile=0.1, min_iou=0.01, image_size=64, top_images=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_concept_data(tmp_path / "data", 16, size=64)


class Notes(NoProgress):
    """Keeps what is noted."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def note(self, text: str) -> None:
        self._notes.append(text)


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


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def recolor(file: Path, color: tuple[int, int, int]) -> None:
    Image.new("RGB", Image.open(file).size, color).save(file)


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "an empty image": (".jpg", lambda file: cut(file, 0), "found an empty file"),
    "an empty mask": ("_color.png", lambda file: cut(file, 0), "found an empty file"),
    "a mask cut in its header": ("_color.png", lambda file: cut(file, 30), "truncated to 30 bytes"),
    "a mask cut later": ("_color.png", lambda file: cut(file, 60), "damaged PNG"),
    "a mask of another size": (
        "_color.png",
        lambda file: Image.new("RGB", (3, 3)).save(file),
        "found 8-bit RGB PNG 3×3",
    ),
    "an unknown label": ("_color.png", lambda file: recolor(file, (0, 99, 0)), "number 25344"),
    "a mask with blue": ("_color.png", lambda file: recolor(file, (0, 0, 9)), "mask with blue"),
}


@pytest.mark.parametrize(("ending", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_one_damaged_file_leaves_its_image_out(
    data: Path, ending: str, damage: Callable[[Path], None], message: str
) -> None:
    file = sorted((data / "images").rglob(f"*{ending}"))[3]
    damage(file)
    opened = open_concept_data(data, strict=False)
    notes: list[str] = []
    left = without_damaged(opened, ProcessGroup(), 1, Notes(notes), strict=False)
    name = file.name.removesuffix(ending)
    assert [Path(dropped).stem for dropped in left.dropped] == [name]
    assert len(left.images) == 15
    assert name not in [image.path.stem for image in left.images]
    assert len(notes) == 1
    assert notes[0].startswith("left out: ")
    assert message in notes[0]
    with pytest.raises(DataError, match=r"1 of 16 images cannot be read; the first: .*--strict"):
        without_damaged(opened, ProcessGroup(), 1, NoProgress(), strict=True)


@pytest.mark.parametrize("ending", [".jpg", "_color.png"])
def test_a_loop_of_links_is_a_missing_file(data: Path, ending: str) -> None:
    file = sorted((data / "images").rglob(f"*{ending}"))[3]
    file.unlink()
    file.symlink_to(file.name)
    with pytest.raises(DataError, match="file is missing"):
        open_concept_data(data)


def test_an_ingest_and_evidence_without_an_empty_image_and_a_damaged_mask(
    data: Path, tmp_path: Path
) -> None:
    empty = images(data)[2]
    empty.write_bytes(b"")
    mask = sorted((data / "images").rglob("*_color.png"))[5]
    cut(mask, 60)
    run = ingest(MODEL, data, tmp_path / "a.cg", SETTINGS)
    assert run.manifest["data"]["images"] == 14
    dropped = [Path(name).stem for name in run.manifest["data"]["dropped"]]
    assert dropped == [empty.stem, mask.stem.removesuffix("_color")]
    class_evidence(run)
