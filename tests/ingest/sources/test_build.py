"""From annotations to concept data: what is read back is what was drawn, resized and agreed on."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.concept_data.writing.label_maps import pack_label_maps, resize_mask
from conceptgraph.ingest.sources.annotations.build import BuildSettings, build
from conceptgraph.ingest.sources.annotations.consensus import AgreementRules
from conceptgraph.ingest.sources.annotations.draw import draw
from conceptgraph.ingest.sources.annotations.format import read_annotations
from conceptgraph.ingest.sources.annotations.run_lengths import decode
from tests.annotation_files import HEIGHT, WIDTH, coco, write_image, write_json
from tests.command_line import call
from tests.drawn_data import write_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.drawn_data import Bools

COLUMNS = ("image", "label", "x", "y", "width", "height", "worker", "verified")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "sub/b.png", "c.png")):
        write_image(tmp_path / "images" / name, seed)
    return tmp_path


def boxes(folder: Path, *rows: tuple[object, ...]) -> Path:
    """Rows of image, label, x, y, width, height, worker, verified; the last may be left out."""
    path = folder / "boxes.csv"
    write_csv(path, COLUMNS, [(*row, *[""] * (len(COLUMNS) - len(row))) for row in rows])
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def masks(folder: Path) -> dict[tuple[str, str], Bools]:
    """The union of each concept's masks by image and concept."""
    data = open_concept_data(folder)
    by_name: dict[tuple[str, str], Bools] = {}
    for image in data.images:
        label_maps = read_label_maps(data, image)
        for column, concept in enumerate(data.concepts, 1):
            mask = (label_maps == column).any(axis=0)
            if mask.any():
                by_name[image.name, concept.name] = mask
    return by_name


def resize_plainly(mask: Bools, side: int) -> Bools:
    """Every pixel cut into side × side, so that the parts fill the mask's pixels exactly."""
    fine = np.kron(mask, np.ones((side, side), np.bool_))
    parts = fine.reshape(side, mask.shape[0], side, mask.shape[1])
    result: Bools = parts.mean((1, 3)) >= 0.5
    return result


def test_what_is_built_is_what_was_drawn(desk: Path) -> None:
    content = coco()
    content["images"][1]["file_name"] = "sub/b.png"
    path = write_json(desk / "regions.json", content)
    settings = BuildSettings(mask_size=20)
    report = build(path, desk / "images", desk / "set", settings)
    assert (report.images, report.empty_images, len(report.workers)) == (2, 0, 1)
    assert report.dropped == {}
    expected: dict[tuple[str, str], Bools] = {}
    for region in read_annotations(path, desk / "images").regions:
        small = resize_plainly(decode(draw(region.geometry, HEIGHT, WIDTH)), 20)
        if small.any():
            expected[region.image, region.concept] = small
    written = masks(desk / "set")
    assert written.keys() == expected.keys()
    assert all(np.array_equal(written[key], expected[key]) for key in expected)


def test_regions_that_leave_nothing(desk: Path) -> None:
    rows = [("a.png", "x", 0, 0, 1, 40), ("a.png", "y", 70, 0, 9, 9), ("c.png", "y", 0, 0, 9, 9)]
    report = build(
        boxes(desk, *rows), desk / "images", desk / "set", BuildSettings("z", mask_size=20)
    )
    assert report.dropped == {"too small for masks of 20×20": 1, "no pixel of the image": 1}
    assert [image.name for image in open_concept_data(desk / "set").images] == ["c.png"]


def test_rows_of_the_data_set(desk: Path) -> None:
    """Overlapping concepts of one category, files copied, dropped regions listed."""
    path = boxes(
        desk,
        ("a.png", "riding", 0, 0, 30, 40),
        ("a.png", "waving", 15, 0, 30, 40),
        ("a.png", "waving", 55, 0, 5, 40),
        ("sub/b.png", "riding", 0, 0, 30, 20, "", "no"),
        ("sub/b.png", "waving", 0, 0, 30, 20, "", "yes"),
        ("c.png", "waving", 0, 0, 60, 40, "", "no"),
    )
    settings = BuildSettings(category="action", mask_size=40)
    report = build(path, desk / "images", desk / "set", settings)
    data = open_concept_data(desk / "set")
    by_name = {image.name: image for image in data.images}
    assert sorted(by_name) == ["a.png", "sub/b.png"]
    assert [len(by_name[name].mask_paths) for name in sorted(by_name)] == [2, 1]
    for name, image in by_name.items():
        assert image.path.read_bytes() == (desk / "images" / name).read_bytes()
        assert (image.height, image.width, image.mask_height) == (HEIGHT, WIDTH, 40)
    written = masks(desk / "set")
    assert written["a.png", "riding"].mean() == 0.5
    assert written["a.png", "waving"].mean() == pytest.approx(35 / 60, abs=0.02)
    assert (written["a.png", "waving"] & written["a.png", "riding"]).mean() == 0.25
    assert [row["reason"] for row in table(desk / "set" / "dropped.csv")] == ["verifier: no"] * 2
    assert table(desk / "set" / "dropped.csv")[1] == {
        "image": "sub/b.png",
        "category": "action",
        "concept": "riding",
        "worker": "",
        "reason": "verifier: no",
        "detail": "",
        "source": "boxes.csv, row 5",
    }
    assert not (desk / "set" / "agreement.csv").exists()
    assert report.concepts[0][:5] == ("action", "riding", 1, 2, 1)
    assert report.concepts[1][:5] == ("action", "waving", 2, 4, 3)
    assert (report.images, report.empty_images) == (2, 1)
    build(path, desk / "images", desk / "all", BuildSettings(category="x", empty_images=True))
    assert {image.name for image in open_concept_data(desk / "all").images} == {*by_name, "c.png"}


def test_several_workers(desk: Path) -> None:
    path = boxes(
        desk,
        ("a.png", "riding", 0, 0, 30, 40, "ann"),
        ("a.png", "riding", 6, 0, 30, 40, "bob"),
        ("a.png", "riding", 40, 20, 20, 20, "eve"),
        ("sub/b.png", "riding", 0, 0, 30, 40, "ann"),
    )
    settings = BuildSettings(category="action", mask_size=60)
    report = build(path, desk / "images", desk / "set", settings)
    assert report.workers == (("ann", 2, 2, 2), ("bob", 1, 1, 1), ("eve", 1, 1, 0))
    assert report.shared_images == 1
    assert table(desk / "set" / "workers.csv")[2] == {
        "worker": "eve",
        "images": "1",
        "regions": "1",
        "kept": "0",
    }
    written = masks(desk / "set")
    columns = np.zeros(60, np.bool_)
    columns[6:30] = True
    assert np.array_equal(written["a.png", "riding"], np.tile(columns, (60, 1)))
    assert written["sub/b.png", "riding"].mean() == 0.5
    first, second = table(desk / "set" / "agreement.csv")
    counts = {"workers": "3", "drew": "3", "regions": "3", "kept": "2"}
    assert {key: first[key] for key in counts} == counts
    assert float(first["mean_iou"]) == pytest.approx((24 / 36 + 0 + 0) / 3, abs=1e-4)
    assert (second["workers"], second["mean_iou"]) == ("1", "")
    (summary,) = report.concepts
    assert summary.mean_iou == pytest.approx(24 / 36 / 3, abs=1e-4)
    assert report.dropped == {"1 of 3 workers, 2 needed": 1}
    strict = BuildSettings(category="action", rules=AgreementRules(quorum=2))
    assert build(path, desk / "images", desk / "two", strict).images == 1


def test_nothing_is_kept(desk: Path) -> None:
    path = boxes(desk, ("a.png", "x", 0, 0, 9, 9, "ann"), ("a.png", "x", 30, 0, 9, 9, "bob"))
    with pytest.raises(DataError, match=r"no region is kept; found 2 × 1 of 2 workers, 2 needed"):
        build(path, desk / "images", desk / "set", BuildSettings(category="x"))
    assert not (desk / "set").exists()


@pytest.mark.parametrize("name", ["a.png", "d.webp", "d.jpg"])
def test_resized_images(desk: Path, name: str) -> None:
    path = desk / "images" / name
    if not path.exists():
        Image.new("RGB", (50, 30), (200, 10, 10)).save(path)
    settings = BuildSettings(category="x", size=32, mask_size=16)
    build(boxes(desk, (name, "x", 0, 0, 30, 30)), desk / "images", desk / "set", settings)
    (image,) = open_concept_data(desk / "set").images
    assert image.name == ("d.png" if name == "d.webp" else name)
    assert (image.height, image.width) == (32, 32)
    assert Image.open(image.path).size == (32, 32)


@pytest.mark.parametrize("seed", range(6))
def test_resizing_masks_against_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.random((5, 7)) < 0.5
    mask = np.kron(coarse, np.ones((9, 8), np.bool_))[: rng.integers(20, 45)].astype(np.bool_)
    assert np.array_equal(resize_mask(mask, 10, 10), resize_plainly(mask, 10))
    assert np.array_equal(resize_mask(mask, *mask.shape), mask)
    large = resize_mask(coarse, 20, 28)
    assert np.array_equal(large, np.kron(coarse, np.ones((4, 4), np.bool_)))


def test_planes_hold_every_label_as_often_as_it_counts() -> None:
    rng = np.random.default_rng(0)
    times = {number: rng.integers(0, 3, (6, 6)) for number in (4, 9, 2)}
    label_maps = pack_label_maps(times)
    for number, count in times.items():
        assert np.array_equal(
            sum((label_map == number).astype(int) for label_map in label_maps), count
        )
    apart = {number: (np.arange(9).reshape(3, 3) % 3 == number) * 1 for number in (1, 2)}
    assert len(pack_label_maps(apart)) == 1
    assert pack_label_maps({}) == []


def read_files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_order_of_the_annotations_matters_only_in_messages(desk: Path) -> None:
    content: dict[str, Any] = coco()
    content["images"][1]["file_name"] = "sub/b.png"
    for place, region in enumerate(content["annotations"]):
        region["worker"] = "ab"[place % 2]
    settings = BuildSettings(rules=AgreementRules(quorum=1), mask_size=60)
    contents = []
    for name in ("first", "second"):
        path = write_json(desk / "regions.json", content)
        build(path, desk / "images", desk / name, settings)
        contents.append(read_files(desk / name))
        for records in content.values():
            records.reverse()
    for files in contents:
        files.pop("dropped.csv")
    assert contents[0] == contents[1]


def test_a_data_set_is_replaced_only_when_asked_and_never_something_else(desk: Path) -> None:
    path, images, out = boxes(desk, ("a.png", "x", 0, 0, 30, 30)), desk / "images", desk / "set"
    settings = BuildSettings(category="x")
    build(path, images, out, settings)
    before = read_files(desk)
    with pytest.raises(DataError, match=r"already exists\. Choose another name, or replace it"):
        build(path, images, out, settings)
    with pytest.raises(DataError, match="no data set, so it is not replaced"):
        build(path, images, images, settings, overwrite=True)
    broken = boxes(desk, ("z.png", "x", 0, 0, 30, 30))
    with pytest.raises(DataError, match=r"z\.png"):
        build(broken, images, out, settings, overwrite=True)
    boxes(desk, ("a.png", "x", 0, 0, 30, 30))
    assert read_files(desk) == before
    build(boxes(desk, ("c.png", "y", 0, 0, 30, 30)), images, out, settings, overwrite=True)
    assert [image.name for image in open_concept_data(out).images] == ["c.png"]
    assert sorted(path.name for path in desk.iterdir()) == ["boxes.csv", "images", "set"]


WORDS = ("data", "build", "boxes.csv", "--images", "images", "--category", "action", "--out", "set")


def test_the_command(desk: Path) -> None:
    rows: Sequence[tuple[object, ...]] = [
        ("a.png", "riding", 0, 0, 30, 40, "ann"),
        ("a.png", "riding", 6, 0, 30, 40, "bob"),
        ("sub/b.png", "waving", 6, 0, 30, 40, "bob", "no"),
    ]
    boxes(desk, *rows)
    done = call(*WORDS, folder=desk)
    assert done.status == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "set: 1 image, 2 concepts"
    assert "action riding 1 2 2 100% 0.67" in lines
    assert "action waving 0 1 0 0% —" in lines
    assert "1 verifier: no" in lines
    assert "the lowest: bob 50%, ann 100% (all in set/workers.csv)" in done.out
    assert lines[-1] == "Next: conceptgraph data check set"
    assert call(*WORDS, folder=desk).status == 1
    done = call(*WORDS, "--overwrite", "--json", "--quorum", "60%", folder=desk)
    report = json.loads(done.out)
    assert report["folder"] == "set"
    assert report["concepts"][0]["mean_iou"] == pytest.approx(24 / 36, abs=1e-4)
    assert report["dropped"] == {"verifier: no": 1}


def test_the_command_for_one_worker(desk: Path) -> None:
    boxes(desk, ("a.png", "riding", 0, 0, 30, 40))
    done = call(*WORDS, folder=desk)
    assert "One worker an image: no agreement is needed" in done.out
    assert "No region was dropped." in done.out
    assert "mean IoU" not in done.out
