"""The validator finds every defect, with file and row, and counts what is there."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.checking.duplicates import (
    Fingerprint,
    fingerprint,
    near_duplicates,
)
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.drawn_data import draw_concept_data, write_broden, write_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_concept_data(tmp_path_factory.mktemp("good"), 12, size=32, mask_size=16)


@pytest.fixture
def data(good: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(good, tmp_path / "data")


def test_what_is_there_in_plain_counts(good: Path) -> None:
    report = check(good, quantile=0.01)
    data = open_concept_data(good)
    assert report.defects == ()
    assert report.images == {"train": 9, "val": 3}
    assert report.mask_sizes == {"16×16": 12}
    images, pixels = [0] * len(data.concepts), [0] * len(data.concepts)
    carrying = dict.fromkeys(data.categories, 0)
    for image in data.images:
        label_maps, categories = read_label_maps(data, image), set()
        for column in range(len(data.concepts)):
            count = int((label_maps == column + 1).sum()) + 256 * (column in image.image_labels)
            images[column] += count > 0
            pixels[column] += count
            categories |= {data.concepts[column].category} if count else set()
        for category in categories:
            carrying[category] += 1
    assert [concept.images for concept in report.concepts] == images
    assert [concept.pixels for concept in report.concepts] == pixels
    for summary in report.categories:
        own = [c for c, concept in enumerate(data.concepts) if concept.category == summary.category]
        assert summary.images == carrying[summary.category]
        assert summary.pixels == sum(pixels[c] for c in own)
        assert summary.concepts == sum(images[c] > 0 for c in own)
        for c in own:
            mask = 0.01 * 256 * summary.images
            expected = min(mask, pixels[c]) / max(mask, pixels[c]) if pixels[c] else 0
            assert report.concepts[c].attainable == pytest.approx(expected)
    few = [row.concept for row in check(good, quantile=0.01, min_iou=0.3).unreachable]
    assert set(few) == {
        row.concept for row in report.concepts if row.drawn and row.attainable <= 0.3
    }
    assert 0 < len(few) < len(data.concepts)


def edit(name: str, line: int, column: int, cell: str) -> Callable[[Path], None]:
    """Change one cell of a table; columns count from 0."""

    def change(folder: Path) -> None:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        rows[line - 1][column] = cell
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    return change


def cut(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "images" / "drawn" / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


def mask(name: str, values: object, mode: str = "RGB") -> Callable[[Path], object]:
    pixels = np.full((16, 16, 3), values, np.uint8)
    return lambda folder: (
        Image.fromarray(pixels).convert(mode).save(folder / "images" / "drawn" / name)
    )


# index.csv: image,split,ih,iw,sh,sw,color,object,part,scene,texture,action
DEFECTS: list[tuple[Callable[[Path], object], str, int, str]] = [
    (edit("index.csv", 3, 2, "x"), "index.csv", 3, "ih; found 'x'"),
    (edit("index.csv", 3, 5, "0"), "index.csv", 3, "sw; found '0'"),
    (edit("index.csv", 3, 2, "33"), "images/drawn/00001.jpg", 3, "image of another size"),
    (edit("index.csv", 3, 0, "none.jpg"), "index.csv", 3, "file is missing: no 'none.jpg'"),
    (edit("index.csv", 3, 0, "../a.jpg"), "index.csv", 3, "path outside images/"),
    (edit("index.csv", 3, 0, "a" * 300), "index.csv", 3, "file is missing"),
    (edit("index.csv", 3, 0, "drawn/00000.jpg"), "index.csv", 3, "is duplicated, first in"),
    (edit("index.csv", 3, 6, "drawn/none.png"), "index.csv", 3, "no 'drawn/none.png' below"),
    (edit("index.csv", 3, 9, "999"), "index.csv", 3, "image-level label in column 'scene'"),
    (edit("index.csv", 3, 9, "9" * 30), "index.csv", 3, "image-level label"),
    (edit("index.csv", 3, 3, "32\",\"7"), "index.csv", 3, "iw; found"),
    (edit("label.csv", 2, 0, "0"), "label.csv", 2, "number; found '0'"),
    (edit("label.csv", 2, 1, " "), "label.csv", 2, "label without a name"),
    (edit("label.csv", 2, 2, "colour(3)"), "label.csv", 2, "category of a label; found 'colour"),
    (edit("label.csv", 3, 1, "black-c"), "label.csv", 3, "label 'color/black' is duplicated"),
    (edit("label.csv", 3, 0, "1"), "label.csv", 3, "label 1 is duplicated, first in row 2"),
    (edit("c_color.csv", 2, 1, "many"), "c_color.csv", 2, "coverage; found 'many'"),
    (edit("c_color.csv", 1, 1, "cover"), "c_color.csv", 0, "row 1: column missing: coverage"),
    (cut("00001.jpg"), "images/drawn/00001.jpg", 3, "image cannot be decoded"),
    (cut("00001_color.png"), "images/drawn/00001_color.png", 3, "damaged PNG"),
    (mask("00001_color.png", (0, 0, 9)), "images/drawn/00001_color.png", 3, "mask with blue"),
    (mask("00001_color.png", (99, 0, 0)), "images/drawn/00001_color.png", 3, "unknown label"),
    (mask("00001_color.png", 1, "L"), "images/drawn/00001_color.png", 3, "8-bit greyscale PNG"),
    (lambda folder: write_mask(folder / "images/drawn/00001_color.png", np.ones((8, 8), int)),
     "images/drawn/00001_color.png", 3, "found 8-bit RGB PNG 8×8; expected"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "file", "row", "what"), DEFECTS, ids=[f"{d[1]} {d[3]}"[:60] for d in DEFECTS]
)
def test_one_defect(
    data: Path, damage: Callable[[Path], object], file: str, row: int, what: str
) -> None:
    damage(data)
    defects = check(data).defects
    assert (file, row) in {(defect.file, defect.row) for defect in defects}
    assert any(what in defect.what for defect in defects), defects
    assert not any(
        str(data) in defect.what or f"row {row}:" in defect.what for defect in defects if defect.row
    )


def test_every_defect_not_only_the_first(data: Path) -> None:
    """All that can stand side by side, at once, in different rows."""
    tables = [
        edit("index.csv", 2, 2, "x"),
        edit("index.csv", 2, 9, "999"),
        edit("index.csv", 3, 0, "none.jpg"),
        edit("label.csv", 2, 1, " "),
        edit("label.csv", 4, 2, "colour"),
        edit("c_color.csv", 2, 1, "many"),
        edit("c_object.csv", 2, 0, "0"),
    ]
    for change in (*tables, cut("00002.jpg"), cut("00002_color.png"), cut("00003_object.png")):
        change(data)
    with (data / "index.csv").open("a", encoding="utf-8") as file:
        file.write("short,row\n")
    defects = [(defect.file, defect.row) for defect in check(data).defects]
    assert defects == sorted(
        [
            *(("index.csv", row) for row in (2, 2, 3, 14)),
            *(("label.csv", row) for row in (2, 4)),
            ("c_color.csv", 2),
            ("c_object.csv", 2),
            ("images/drawn/00002.jpg", 4),
            ("images/drawn/00002_color.png", 4),
            ("images/drawn/00003_object.png", 5),
        ]
    )


def test_a_sound_set_is_what_the_reader_accepts(data: Path) -> None:
    """Whatever of the above the reader refuses is a defect; the rest is not."""
    open_concept_data(data)
    assert check(data).defects == ()
    edit("index.csv", 3, 6, "drawn/00001_color.png; drawn/00001_color.png")(data)
    assert check(data).defects == ()
    assert check(data).concepts == check(data).concepts


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("index.csv", None, "not concept data in the Broden layout; found no index.csv"),
        ("index.csv", "image,split\n", "row 1: column missing: ih"),
        ("index.csv", "image,split,ih,iw,sh,sw,color\n", "column missing"),
        ("index.csv", 'image,"split\n', "not CSV"),
        ("category.csv", "name\n", "no categories"),
        ("label.csv", "number,name,category\n", "no labels"),
    ],
)
def test_what_cannot_be_read_at_all(data: Path, name: str, text: str | None, message: str) -> None:
    if text is None:
        (data / name).unlink()
    else:
        (data / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        check(data)


def test_near_duplicates_are_found_and_others_are_not(good: Path) -> None:
    pictures = {path.name: Image.open(path).convert("RGB") for path in sorted(good.rglob("*.jpg"))}
    assert near_duplicates([(name, fingerprint(p, "")) for name, p in pictures.items()]) == []
    first = pictures["00000.jpg"]
    file = io.BytesIO()
    first.save(file, "JPEG", quality=90)
    pictures["encoded"] = Image.open(file).convert("RGB")
    pictures["resized"] = first.resize((48, 48), Image.Resampling.BICUBIC)
    pictures["brighter"] = ImageEnhance.Brightness(first).enhance(1.01)
    pictures["darker by half"] = ImageEnhance.Brightness(first).enhance(0.5)
    pictures["mirrored"] = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    groups = near_duplicates([(name, fingerprint(p, "")) for name, p in pictures.items()])
    assert groups == [["00000.jpg", "brighter", "encoded", "resized"]]


def test_groups_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(20, 230, (12, 16, 16, 3))
    copies = [base[k % 12] + rng.normal(0, 1 + k % 3, (16, 16, 3)) for k in range(60)]
    prints = [
        (f"{k:02d}", Fingerprint("", copy.astype(np.float32))) for k, copy in enumerate(copies)
    ]
    group_of = {
        name: place for place, group in enumerate(near_duplicates(prints)) for name in group
    }
    for a, first in prints:
        for b, second in prints:
            if a < b:
                near = np.abs(first.thumbnail - second.thumbnail).mean() <= 4
                assert (group_of[a] == group_of[b]) == near == (int(a) % 12 == int(b) % 12)


def test_images_with_little_to_see_are_told_apart() -> None:
    blank = [(str(v), fingerprint(Image.new("RGB", (9, 9), (v, 0, 0)), "")) for v in (0, 2, 9, 200)]
    assert near_duplicates(blank) == [["0", "2"]]
    dots = [Image.new("RGB", (64, 64), "white") for _ in range(2)]
    for place, picture in enumerate(dots):
        picture.paste("black", (40 * place, 8, 40 * place + 8, 16))
    assert (
        near_duplicates([(str(k), fingerprint(picture, "")) for k, picture in enumerate(dots)])
        == []
    )


def test_duplicates_and_remarks(tmp_path: Path) -> None:
    write_mask(tmp_path / "images" / "m.png", np.ones((8, 8), int))
    write_mask(tmp_path / "images" / "n.png", np.ones((4, 4), int))
    rows: list[dict[str, str | int]] = [
        {"image": "a.png", "object": "m.png"},
        {"image": "b.png", "object": "n.png", "split": "val", "sh": 4, "sw": 4},
        {"image": "c.png"},
    ]
    labels = [(1, "bag", "object"), (2, "box", "object")]
    write_broden(tmp_path, rows, labels, ("object",))
    report = check(tmp_path)
    (group,) = report.duplicates
    assert group == (("a.png", "b.png", "c.png"), ("train", "val"), True)
    assert report.bare_images == 1
    done = call("data", "check", tmp_path, folder=tmp_path)
    assert done.status == 0
    for text in (
        "1 group of images that are nearly the same, 1 across splits",
        "Masks of several sizes: 4×4 (1), 8×8 (2)",
        "1 image without any label",
        "1 label of label.csv in no image",
        "1 concept that no ordinary unit can reach (IoU 0.04): 0 too small, 1 too large",
        "No defects: every table, image and mask can be read.",
        f"Next: conceptgraph ingest --model MODEL --data {tmp_path} --out NAME.cg",
    ):
        assert text in done.out, done.out


def test_the_command(data: Path) -> None:
    for change in (cut("00002.jpg"), cut("00003_object.png"), edit("label.csv", 2, 1, " ")):
        change(data)
    done = call("data", "check", data, folder=data)
    assert done.status == 1
    assert done.err == ""
    assert "images/drawn/00002.jpg (row 4): image cannot be decoded" in done.out
    assert "label.csv (row 2): label without a name; found ' '" in done.out
    assert done.out.splitlines()[-1] == "3 defects."
    done = call("data", "check", data, "--json", folder=data)
    assert done.status == 1
    report = json.loads(done.out)
    assert [defect["row"] for defect in report["defects"]] == [4, 5, 2]
    assert report["images"] == {"train": 9, "val": 3}
    assert {row["category"] for row in report["categories"]} >= {"color", "action"}
    done = call("data", "check", "nowhere", folder=data)
    assert done.status == 1
    assert done.err.count("\n") == 1
