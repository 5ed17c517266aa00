"""Concept data: what is read, and what is refused with which message."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.masks import check_mask, read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.drawn_data import CATEGORIES, draw_concept_data, write_broden, write_csv, write_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.ingest.concept_data.concepts import ConceptData

LABELS = [
    (1, "red-c", "color(2)"),
    (2, "fabric", "object(1);material(9)"),
    (7, "street-s", "scene(1)"),
    (300, "typing", "action(1)"),
    (301, "riding", "action(1)"),
]
NAMES = ("color", "object", "material", "scene", "action")


def write_rows_mask(path: Path, *numbers: int) -> None:
    """An 8 × 8 mask, each number in one row of pixels."""
    label_map = np.zeros((8, 8), np.int64)
    label_map[: len(numbers)] = np.array(numbers)[:, None]
    write_mask(path, label_map)


def small(folder: Path) -> Path:
    """Two images: masks, image-level labels, both in one cell, empty cells."""
    images = folder / "images"
    write_rows_mask(images / "s/b_color.png", 1)
    write_rows_mask(images / "s/b_action_1.png", 300, 301)
    write_rows_mask(images / "s/b_action_2.png", 301)
    write_rows_mask(images / "a_object.png", 2, 0, 2)
    return write_broden(
        folder,
        [
            {"image": "s/b.png", "color": "s/b_color.png", "scene": "7", "split": "val"}
            | {"action": "s/b_action_1.png;2;s/b_action_2.png;7"},
            {"image": "a.png", "object": "a_object.png", "scene": "0"},
        ],
        LABELS,
        NAMES,
    )


def image_names(data: ConceptData) -> list[str]:
    return [image.name for image in data.images]


def test_cells(tmp_path: Path) -> None:
    data = open_concept_data(small(tmp_path))
    assert data.categories == NAMES
    assert [concept.uid for concept in data.concepts] == [
        "color/red",
        "material/fabric",
        "scene/street",
        "action/typing",
        "action/riding",
    ]
    first, second = data.images
    assert (first.name, first.row, first.split, first.image_labels) == ("a.png", 3, "train", ())
    assert first.path.read_bytes()
    assert (first.height, first.width, first.mask_height, first.mask_width) == (16, 16, 8, 8)
    assert [path.name for path in second.mask_paths] == [
        "b_color.png",
        "b_action_1.png",
        "b_action_2.png",
    ]
    assert second.image_labels == (1, 2)  # a label that two cells name counts once
    label_maps = read_label_maps(data, second)
    assert label_maps.dtype == np.uint16
    assert label_maps.shape == (3, 8, 8)
    assert label_maps[:, :3, 0].tolist() == [[1, 0, 0], [4, 5, 0], [5, 0, 0]]


def test_image_without_masks_has_no_planes(tmp_path: Path) -> None:
    folder = write_broden(
        tmp_path, [{"image": "a.png", "scene": " 7 ;", "sh": 5, "sw": 3}], LABELS, NAMES
    )
    data = open_concept_data(folder)
    assert data.images[0].image_labels == (2,)
    assert read_label_maps(data, data.images[0]).shape == (0, 5, 3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 7), (112, 56)])
def test_masks_of_any_size_against_a_plain_loop(tmp_path: Path, height: int, width: int) -> None:
    rng = np.random.default_rng(height)
    known = [1, 255, 256, 257, 511, 40_000, 65_534]
    labels = [(number, f"n{number}", "object") for number in known]
    drawn = rng.choice([0, *known], (height, width))
    write_mask(tmp_path / "images/a_m.png", drawn)
    row: dict[str, str | int] = {"image": "a.png", "object": "a_m.png", "sh": height, "sw": width}
    data = open_concept_data(write_broden(tmp_path, [row], labels, ["object"]))
    label_map = read_label_maps(data, data.images[0])[0]
    picture = Image.open(tmp_path / "images/a_m.png")
    for y in range(height):
        for x in range(width):
            pixel = picture.getpixel((x, y))
            assert isinstance(pixel, tuple)
            number = pixel[0] + 256 * pixel[1]
            assert label_map[y, x] == (0 if number == 0 else 1 + known.index(number))
    assert [data.column(number) for number in (*known, 0, 2, 65_535)] == [*range(7), -1, -1, -1]


@pytest.mark.parametrize(
    ("cell", "coverage", "category"),
    [
        ("object(1);color(9)", {"color": {5: 0.5}, "object": {5: 2.0}}, "object"),
        ("object(1);color(9)", {"color": {5: 2.0}, "object": {5: 2.0}}, "object"),
        ("object(1);color(9)", {"color": {5: 2.0}}, "color"),
        ("object(1);color(9)", {"color": {6: 2.0}}, "scene"),  # absent: the last of all
        ("object(1);color(9)", {"scene": {5: 2.0}}, "scene"),
        ("color(9)", {"object": {5: 2.0}}, "color"),
        ("object(1);color(9)", None, "color"),
        ("object(4);color(4)", None, "object"),
        ("object;color", None, "object"),
        ("", None, "scene"),
    ],
)
def test_primary_category(
    tmp_path: Path, cell: str, coverage: dict[str, dict[int, float]] | None, category: str
) -> None:
    labels = [(5, "glass", cell), (6, "sky", "color")]
    categories = ["color", "object", "scene"]
    write_broden(tmp_path, [{"image": "a.png"}], labels, categories, coverage=coverage)
    assert open_concept_data(tmp_path).concepts[0].category == category


def test_suffixes_are_dropped_only_where_they_mark_the_category(tmp_path: Path) -> None:
    labels = [(1, "red-c", "color"), (2, "bar-s", "scene"), (3, "x-c", "object"), (4, "y-s", "")]
    write_broden(tmp_path, [{"image": "a.png"}], labels, ["color", "scene", "object"])
    names = [concept.name for concept in open_concept_data(tmp_path).concepts]
    assert names == ["red", "bar", "x-c", "y-s"]


def test_label_zero(tmp_path: Path) -> None:
    plain = open_concept_data(small(tmp_path))
    kept = open_concept_data(tmp_path, label_zero=True)
    assert (kept.concepts[0].number, kept.concepts[0].name) == (0, "")
    assert kept.concepts[0].category == NAMES[-1]
    assert kept.concepts[1:] == plain.concepts
    assert kept.images[0].image_labels == (0,)
    assert kept.digest != plain.digest
    # Unlabelled pixels stay unlabelled: only image-level labels of 0 count.
    assert read_label_maps(kept, kept.images[0])[0, :3, 0].tolist() == [3, 0, 3]
    only_val = open_concept_data(tmp_path, label_zero=True, split="val")
    assert only_val.concepts == plain.concepts


def test_nothing_of_a_category(tmp_path: Path) -> None:
    rows = [{"image": "a.png", "color": "-0"}, {"image": "b.png", "color": "1;-0", "scene": "0"}]
    rows.append({"image": "c.png"})
    labels = [(1, "red", "color"), (2, "bar", "scene")]
    write_broden(tmp_path, rows, labels, ["color", "scene"])
    for label_zero in (False, True):
        data = open_concept_data(tmp_path, label_zero=label_zero)
        assert [image.nothing_of for image in data.images] == [(0,), (0,), ()]
        assert not data.asked.any()
        assert [bool(image.image_labels) for image in data.images] == [False, True, False]
    assert [concept.number for concept in data.concepts] == [0, 1, 2]  # of b.png's scene alone
    report = check(tmp_path)
    assert report.defects == ()
    assert (report.bare_images, report.images_without) == (1, 1)


def test_order_of_rows_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    before = open_concept_data(draw_concept_data(tmp_path, 12))
    for name in ("index", "label", "c_color"):
        header, *lines = (tmp_path / f"{name}.csv").read_text("utf-8").splitlines()
        text = "\r\n".join([header, "", *reversed(lines)])
        (tmp_path / f"{name}.csv").write_text(text, "utf-8-sig")
    after = open_concept_data(tmp_path)
    assert after == before
    assert after.images[0].row != before.images[0].row


def test_digest_follows_tables_and_file_sizes(tmp_path: Path) -> None:
    digests = [open_concept_data(small(tmp_path)).digest]
    with (tmp_path / "images/a.png").open("ab") as file:
        file.write(b"more")
    digests.append(open_concept_data(tmp_path).digest)
    labels = (tmp_path / "label.csv").read_text()
    (tmp_path / "label.csv").write_text(labels.replace("riding", "walking"))
    digests.append(open_concept_data(tmp_path).digest)
    digests.append(open_concept_data(tmp_path, split="val").digest)
    assert len(set(digests)) == 4


def test_split(tmp_path: Path) -> None:
    assert image_names(open_concept_data(small(tmp_path), split="val")) == ["s/b.png"]
    with pytest.raises(DataError, match=r"no images of split 'test'; found train, val"):
        open_concept_data(tmp_path, split="test")


def test_drawn_data(tmp_path: Path) -> None:
    data = open_concept_data(draw_concept_data(tmp_path, 9, mask_size=20))
    assert data.categories == CATEGORIES
    assert {len(image.masks) for image in data.images} >= {1, 3, 4}
    seen = np.zeros(len(data.concepts) + 1, np.int64)
    for image in data.images:
        label_maps = read_label_maps(data, image)
        assert label_maps.shape[1:] == (20, 20)
        seen += np.bincount(label_maps.ravel(), minlength=len(seen))
    named = {data.concepts[place].uid for place in np.flatnonzero(seen[1:])}
    assert {"color/black", "object/disc", "part/rim", "action/juggling"} <= named


def test_empty_column_of_no_category_is_ignored(tmp_path: Path) -> None:
    before = open_concept_data(small(tmp_path))
    header, *lines = (tmp_path / "index.csv").read_text().splitlines()
    text = "\n".join([f"{header},texture", *(f"{line}," for line in lines)])
    (tmp_path / "index.csv").write_text(text)
    assert open_concept_data(tmp_path) == before


def test_links(tmp_path: Path) -> None:
    folder = small(tmp_path / "set")
    image, elsewhere = folder / "images/a.png", tmp_path / "elsewhere"
    (folder / "images/kept.png").symlink_to(image.rename(folder / "images/real.png"))
    image.symlink_to("kept.png")
    assert image_names(open_concept_data(folder)) == ["a.png", "s/b.png"]
    (folder / "images").rename(elsewhere)
    (folder / "images").symlink_to(elsewhere)  # the folder itself may lie on another disk
    assert image_names(open_concept_data(folder)) == ["a.png", "s/b.png"]
    (tmp_path / "private.png").write_bytes(b"x")
    (elsewhere / "a.png").unlink()
    (elsewhere / "a.png").symlink_to(tmp_path / "private.png")
    with pytest.raises(DataError, match=r"index\.csv: row 3: path outside images/"):
        open_concept_data(folder)


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace text in a table of the small set; it must stand there."""

    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def resave(mode: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        Image.open(folder / "images/a_object.png").convert(mode).save(
            folder / "images/a_object.png"
        )

    return change


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def png(pixels: NDArray[np.integer]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


INDEX = "index.csv: row "
MASK = "images/a_object.png: "
ROW3 = "(row 3 of index.csv)"

BAD: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "missing column": (edit("index.csv", ",sw,", ",w,"), [INDEX + "1: column missing: sw"]),
    "category not in index": (
        edit("category.csv", "scene", "scene\nplace"),
        [INDEX + "1: column missing: place"],
    ),
    "column twice": (edit("index.csv", "image,split", "image,ih"), [INDEX + "1", "split"]),
    "column of no category": (
        edit("category.csv", "object\n", ""),
        [INDEX + "3: column 'object' is no category", "found 'a_object.png'"],
    ),
    "cells": (edit("index.csv", "a.png,", "a.png,,"), [INDEX + "3: wrong number", "found 12"]),
    "quote": (edit("index.csv", "a.png,", '"a.png,'), [INDEX + "3: not CSV"]),
    "size": (edit("index.csv", "a.png,train,16", "a.png,train,1.5"), [INDEX + "3: ih", "'1.5'"]),
    "size 0": (edit("index.csv", "a.png,train,16", "a.png,train,0"), [INDEX + "3: ih", "'0'"]),
    "not UTF-8": (
        write("index.csv", b"image,split\nJ\xe4hn.png,train\n"),
        [INDEX + "2: not UTF-8; found byte 0xe4"],
    ),
    "empty table": (write("index.csv", b""), [INDEX + "1: column missing", "an empty file"]),
    "no rows": (
        lambda folder: write_csv(
            folder / "index.csv", ("image", "split", "ih", "iw", "sh", "sw", *NAMES), []
        ),
        ["index.csv: no images"],
    ),
    "image twice": (
        edit("index.csv", "a.png,train", "s/b.png,train"),
        [INDEX + "3: image 's/b.png'", "first in row 2"],
    ),
    "image missing": (
        lambda folder: (folder / "images/a.png").unlink(),
        [INDEX + "3: file is missing", "'a.png'"],
    ),
    "image empty": (write("images/a.png", b""), [INDEX + "3: image 'a.png'; found an empty file"]),
    "mask missing": (
        edit("index.csv", "a_object.png", "a_objekt.png"),
        [INDEX + "3: file is missing", "'a_objekt.png'"],
    ),
    "parent": (edit("index.csv", "a_object", "../a_object"), [INDEX + "3: path outside"]),
    "absolute": (edit("index.csv", "a_object", "/a_object"), [INDEX + "3: path outside"]),
    "long": (edit("index.csv", "a_object", "a" * 300), [INDEX + "3: file is missing"]),
    "folder": (edit("index.csv", "a_object.png", "s"), [INDEX + "3: file is missing"]),
    "unknown label": (
        edit("index.csv", ",0,", ",8,"),
        [INDEX + "3: image-level label", "'scene'", "number 8"],
    ),
    "huge label": (edit("index.csv", ",0,", f",{'9' * 5000},"), [INDEX + "3: image-level label"]),
    "label twice": (edit("label.csv", "7,", "2,"), ["label.csv: row 4: label 2", "first in row 3"]),
    "same concept": (
        edit("label.csv", "typing", "riding"),
        ["label.csv: row 6: label 'action/riding'", "first in row 5"],
    ),
    "label number": (edit("label.csv", "7,s", "+7,s"), ["label.csv: row 4: number; found '+7'"]),
    "label 0": (edit("label.csv", "7,s", "0,s"), ["label.csv: row 4: number; found '0'"]),
    "no name": (edit("label.csv", "street-s", "-s"), ["label.csv: row 4: label without a name"]),
    "label's category": (
        edit("label.csv", "scene(1)", "place(1)"),
        ["label.csv: row 4: category", "'place(1)'", "expected one of category.csv"],
    ),
    "category twice": (edit("category.csv", "scene", "color"), ["category.csv: row 5"]),
    "category name": (edit("category.csv", "scene", "../x"), ["category.csv: row 5", "'../x'"]),
    "no categories": (write("category.csv", b"name\n"), ["category.csv: no categories"]),
    "coverage": (
        write("c_color.csv", b"number,coverage\n1,nan\n"),
        ["c_color.csv: row 2: coverage; found 'nan'"],
    ),
    "palette": (resave("P"), [MASK, ROW3, "found 8-bit palette PNG 8×8", "8-bit RGB PNG 8×8"]),
    "grey": (resave("L"), [MASK, ROW3, "found 8-bit greyscale PNG 8×8"]),
    "bilevel": (resave("1"), [MASK, ROW3, "found 1-bit greyscale PNG 8×8"]),
    "16 bit": (resave("I;16"), [MASK, ROW3, "found 16-bit greyscale PNG 8×8"]),
    "RGBA": (resave("RGBA"), [MASK, ROW3, "found 8-bit RGBA PNG 8×8"]),
    "mask size": (
        edit("index.csv", "16,16,8,8,,a_o", "16,16,4,9,,a_o"),
        [MASK, ROW3, "found 8-bit RGB PNG 8×8", "8-bit RGB PNG 9×4 (sw×sh)"],
    ),
    "no PNG": (write("images/a_object.png", b"GIF89a"), [MASK, ROW3, "found no PNG"]),
    "short header": (
        write("images/a_object.png", png(np.zeros((8, 8, 3), np.uint8))[:30]),
        [MASK, ROW3, "truncated to 30 bytes"],
    ),
    "no layout": (
        lambda folder: (folder / "label.csv").unlink(),
        [": not concept data", "found no label.csv", "expected index.csv, label.csv"],
    ),
}


BAD_PIXELS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "truncated": (
        write("images/a_object.png", png(np.zeros((8, 8, 3), np.uint8))[:48]),
        [MASK, ROW3, "damaged PNG"],
    ),
    "unknown in mask": (
        lambda folder: write_rows_mask(folder / "images/a_object.png", 2, 258),
        [MASK, ROW3, "unknown label", "found number 258"],
    ),
    "blue": (
        write("images/a_object.png", png(np.full((8, 8, 3), (2, 0, 5), np.uint8))),
        [MASK, ROW3, "found B = 5"],
    ),
}


def check_message(message: str, folder: Path, parts: list[str]) -> None:
    assert str(folder) in message
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("case", BAD)
def test_refused_on_opening(tmp_path: Path, case: str) -> None:
    """What is bad is named with its file and row before anything is decoded."""
    damage, parts = BAD[case]
    damage(small(tmp_path))
    with pytest.raises(DataError) as caught:
        open_concept_data(tmp_path)
    check_message(str(caught.value), tmp_path, parts)


@pytest.mark.parametrize("case", BAD_PIXELS)
def test_refused_on_reading(tmp_path: Path, case: str) -> None:
    damage, parts = BAD_PIXELS[case]
    damage(small(tmp_path))
    data = open_concept_data(tmp_path)
    with pytest.raises(DataError) as caught:
        read_label_maps(data, data.images[0])
    check_message(str(caught.value), tmp_path, parts)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no such folder"):
        open_concept_data(tmp_path / "nowhere")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
@pytest.mark.parametrize(("height", "width"), [(4, 6), (6, 4)])
def test_header_check_agrees_with_pillow(
    tmp_path: Path, mode: str, height: int, width: int
) -> None:
    path = tmp_path / "m.png"
    Image.new(mode, (6, 4)).save(path)
    with Image.open(path) as picture:
        good = picture.mode == "RGB" and picture.size == (width, height)
    if good:
        assert check_mask(path, height, width, 2).st_size == path.stat().st_size
    else:
        with pytest.raises(DataError):
            check_mask(path, height, width, 2)


def test_every_damage_to_a_mask_is_noticed(tmp_path: Path) -> None:
    """Cut off anywhere, or any byte changed: refused, and never read as other labels."""
    data = open_concept_data(small(tmp_path))
    path = tmp_path / "images/a_object.png"
    whole, image = path.read_bytes(), data.images[0]
    for place, byte in enumerate(whole):
        changed = whole[:place] + bytes([byte ^ 0x55]) + whole[place + 1 :]
        for content in (whole[:place], changed):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"row 3 of index\.csv"):
                read_label_maps(data, image)


def test_texts_in_a_mask_do_not_matter(tmp_path: Path) -> None:
    folder = draw_concept_data(tmp_path / "set", 2, size=32, mask_size=16)
    before = open_concept_data(folder)
    image = next(one for one in before.images if one.masks)
    expected = read_label_maps(before, image)
    path = image.mask_paths[0]
    with Image.open(path) as picture:
        texts = PngInfo()
        texts.add_text("Comment", "x" * 5_000_000, zip=True)
        picture.save(path, pnginfo=texts)
    np.testing.assert_array_equal(read_label_maps(open_concept_data(folder), image), expected)
