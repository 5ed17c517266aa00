"""Malformed annotations: one line each, that names the file and the item, and nothing is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.annotation_files import (
    HEIGHT,
    WIDTH,
    coco,
    labelme,
    png_text,
    shape,
    voc,
    voc_object,
    write_image,
    write_masks,
)
from tests.command_line import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Path]:
    """A folder with two images; whatever a test does there, no data set is written."""
    for seed, name in enumerate(("a.png", "b.png")):
        write_image(tmp_path / "images" / name, seed)
    yield tmp_path
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def refused(desk: Path, annotations: str, *expected: str, words: tuple[str, ...] = ()) -> None:
    """The build fails with one line that holds everything expected."""
    done = call(
        *("data", "build", annotations, "--images", "images", "--category", "action"),
        *("--out", "out", *words),
        folder=desk,
    )
    assert done.status == 1
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("conceptgraph: error: ")
    for text in expected:
        assert text in done.err


TEXTS = {
    "": "line 1: not JSON",
    "{": "line 1: not JSON",
    '{"images": [],\n "annotations": [}': "line 2: not JSON",
    "[1, 2]": "found a list; expected a JSON object",
    '{"annotations": NaN, "images": 3}': "file: images; found the number 3; expected a list",
    "[" * 100_000: "not JSON that can be read",
    '{"a": ' + "9" * 5_000 + "}": "not JSON that can be read",
}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_json(desk: Path, text: str) -> None:
    (desk / "a.json").write_text(text, encoding="utf-8")
    refused(desk, "a.json", "a.json: ", TEXTS[text])


def test_no_utf_8(desk: Path) -> None:
    (desk / "a.json").write_bytes(b'{"images": "\xff"}')
    refused(desk, "a.json", "a.json: not UTF-8; found byte 0xff at 12")


def test_what_is_not_there(desk: Path) -> None:
    refused(desk, "nowhere.json", "nowhere.json: no such file or folder")
    refused(desk, "nowhere", "nowhere: no such folder", words=("--format", "voc"))
    (desk / "empty").mkdir()
    refused(desk, "empty", "format of the annotations cannot be determined", "none that is known")
    refused(desk, "empty", "nothing to read; expected files *.xml", words=("--format", "voc"))


def image(place: int, **changes: object) -> Change:
    return lambda content: content["images"][place].update(changes)


def category(**changes: object) -> Change:
    return lambda content: content["categories"][1].update(changes)


def region(**changes: object) -> Change:
    return lambda content: content["annotations"][0].update(changes)


def runs(counts: object, size: object = (HEIGHT, WIDTH)) -> Change:
    return region(segmentation={"size": size, "counts": counts})


COCO: list[tuple[Change, str]] = [
    (lambda content: content.pop("images"), "file: images; found nothing; expected a list"),
    (lambda content: content.pop("categories"), "file: categories; found nothing"),
    (lambda content: content.update(annotations={}), "file: annotations; found an object"),
    (lambda content: content.update(annotations=[]), "no regions; expected at least one"),
    (lambda content: content["annotations"].append(7), "annotation 5: not a record; found the"),
    (lambda content: content["images"].append("a"), "image 3: not a record; found text"),
    (image(1, file_name=None), "image 2: image; found nothing; expected a name"),
    (image(1, file_name="/etc/b.png"), "image 2: image; found '/etc/b.png'; expected a path below"),
    (image(1, file_name="../images/b.png"), "image 2: image; found '../images/b.png'"),
    (image(1, file_name="a.png"), "image 2: image 'a.png' is duplicated"),
    (image(1, id=1), "image 2: id 1 is duplicated"),
    (image(1, id=None), "image 2: id; found nothing; expected a number"),
    (image(1, height=0), "image 2: size of the image; found 0"),
    (image(1, width="60"), "image 2: size of the image; found '60'"),
    (image(0, width=61, height=41), "a.png: image of another size than annotated; found 60×40"),
    (image(1, file_name="c.png"), "no image 'c.png' (of a.json, annotation 3)"),
    (category(name=" "), "category 2: name; found ' '; expected a name"),
    (category(name=5), "category 2: name; found 5"),
    (category(id=1), "category 2: id 1 is duplicated"),
    (category(name="a\nb"), "name of category 'action' that cannot be written; found 'a\\nb'"),
    (region(image_id=9), "annotation 1: image_id; found 9; expected one of the 2"),
    (region(image_id=[1]), "annotation 1: image_id; found [1]"),
    (region(category_id="1"), "annotation 1: category_id; found '1'"),
    (region(bbox=None), "annotation 1: no region; found neither; expected a bbox"),
    (region(bbox=[1, 2, 3]), "annotation 1: box; found 3 numbers"),
    (region(bbox=[1, 2, 0, 5]), "annotation 1: box without an area; found 0 × 5"),
    (region(bbox=[1, 2, -3, 5]), "annotation 1: box without an area; found -3 × 5"),
    (region(bbox=[1, 2, "3", 5]), "annotation 1: box; found '3'; expected numbers"),
    (region(bbox=[1, 2, True, 5]), "annotation 1: box; found True"),
    (region(bbox=[1, 2, float("nan"), 5]), "annotation 1: box; found nan"),
    (region(bbox=[1, 2, 1e300, 5]), "annotation 1: box; found 1e+300"),
    (region(bbox={"x": 1}), "annotation 1: no region; found bbox: an object"),
    (region(segmentation=[[1, 2, 3, 4]]), "annotation 1: polygon; found 4 numbers"),
    (region(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "annotation 1: polygon; found 7 numbers"),
    (region(segmentation=[[1, 2, 3, 4, 5, None]]), "annotation 1: polygon; found None"),
    (region(segmentation=[[1, 2, 3, 4, 5, 6], 3]), "annotation 1: segmentation; found a mixture"),
    (region(segmentation="poly"), "annotation 1: segmentation; found text"),
    (runs([0, 10]), "annotation 1: run lengths; found 2 that sum to 10"),
    (runs([-1, 2401]), "annotation 1: run lengths; found 2 that sum to 2400; expected none below"),
    (runs([0.5]), "annotation 1: run lengths; found other values"),
    (runs("é"), "annotation 1: run lengths; found damaged text"),
    (runs("0:fZ"), "annotation 1: run lengths; found damaged text"),
    (runs("~~~"), "annotation 1: run lengths; found damaged text"),
    (runs("0:"), "annotation 1: run lengths; found 2 that sum to 10"),
    (runs(None), "annotation 1: run lengths; found nothing"),
    (runs([2400], [40]), "annotation 1: size of run lengths; found [40]"),
    (runs([2400], [60, 40]), "annotation 1: size of run lengths; found 40×60; expected 60×40"),
    (region(verified="perhaps"), "annotation 1: verified; found 'perhaps'; expected yes or no"),
    (region(worker=["ann"]), "annotation 1: worker; found ['ann']"),
]


@pytest.mark.parametrize(("change", "message"), COCO, ids=range(len(COCO)))
def test_coco(desk: Path, change: Change, message: str) -> None:
    content = coco()
    change(content)
    (desk / "a.json").write_text(json.dumps(content), encoding="utf-8")
    refused(desk, "a.json", message, words=("--format", "coco"))


def test_coco_without_a_category(desk: Path) -> None:
    content = coco()
    content["categories"][1].pop("supercategory")
    (desk / "a.json").write_text(json.dumps(content), encoding="utf-8")
    done = call("data", "build", "a.json", "--images", "images", "--out", "out", folder=desk)
    assert done.status == 1
    assert "category 2: no supercategory of 'cycling'. Name the category" in done.err


VOC: list[tuple[str, str]] = [
    ("<annotation>", "line 1, column 12: not XML"),
    ("", "line 1, column 0: not XML"),
    ("<data></data>", "not a VOC annotation; found <data>"),
    (
        '<!DOCTYPE a [<!ENTITY b "c">]>' + voc(voc_object()),
        "XML with a document type or an encoding that is refused",
    ),
    ('<?xml version="1.0" encoding="martian"?>' + voc(voc_object()), "refused"),
    (voc(voc_object(), image=""), "file: image; found ''; expected a name"),
    (voc(voc_object(), image="../a.png"), "file: image; found '../a.png'"),
    (voc(voc_object(), image="z.png"), "no image 'z.png' (of a.xml, object 1)"),
    (voc(voc_object(), width="wide"), "file: width; found 'wide'"),
    (voc(voc_object(), width=61), "a.png: image of another size than annotated"),
    (voc(voc_object() + voc_object(name=" ")), "object 2: name; found ' '"),
    (voc("<object><name>x</name></object>"), "object 1: no region; found no <bndbox>"),
    (voc(voc_object(box=(1, 1, "x", 5))), "object 1: xmax; found 'x'"),
    (voc(voc_object(box=(1, 1, "inf", 5))), "object 1: xmax; found 'inf'"),
    (voc(voc_object(box=(9, 1, 5, 5))), "object 1: box without an area; found -3 × 5"),
    (voc(voc_object(more="<verified>hm</verified>")), "object 1: verified; found 'hm'"),
    (voc(""), "no regions"),
]


@pytest.mark.parametrize(("text", "message"), VOC, ids=range(len(VOC)))
def test_voc(desk: Path, text: str, message: str) -> None:
    (desk / "voc").mkdir()
    (desk / "voc" / "a.xml").write_text(text, encoding="utf-8")
    refused(desk, "voc", message)


TABLES: list[tuple[str, str]] = [
    ("", "row 1: column missing: image; found an empty file"),
    ("image,label\na.png,x\n", "row 1: column missing; found image,label; expected x,y,width"),
    ("image,x,y,width,height\n", "row 1: column missing; found image,x,y,width,height; expected l"),
    ("image,label,x,y,width,height\n", "no boxes; expected one row per box"),
    ("image,label,x,y,width,height\na.png,x,1,2,3\n", "row 2: wrong number of cells; found 5"),
    ('image,label,x,y,width,height\na.png,"x,1,2,3,4\n', "not CSV"),
    ("image,label,x,y,width,height\na.png,x,1,2,wide,4\n", "row 2: width; found 'wide'"),
    ("image,label,x,y,width,height\na.png,x,1,2,3,nan\n", "row 2: height; found 'nan'"),
    ("image,label,x,y,width,height\na.png,x,1,2,3,0\n", "row 2: box without an area; found 3 × 0"),
    ("image,label,xmin,ymin,xmax,ymax\na.png,x,9,2,3,8\n", "row 2: box without an area; found -6"),
    ("image,label,x,y,width,height\na.png,,1,2,3,4\n", "row 2: label; found ''"),
    ("image,label,x,y,width,height\n,x,1,2,3,4\n", "row 2: image; found ''"),
    ("image,label,x,y,width,height\nz.png,x,1,2,3,4\n", "no image 'z.png' (of a.csv, row 2)"),
    ("image,label,label,x,y,width,height\n", "row 1: column 'label' is duplicated"),
    (
        "image,label,x,y,width,height,verified\na.png,x,1,2,3,4,si\n",
        "row 2: verified; found 'si'; expected yes or no",
    ),
]


@pytest.mark.parametrize(("text", "message"), TABLES, ids=range(len(TABLES)))
def test_tables(desk: Path, text: str, message: str) -> None:
    (desk / "a.csv").write_text(text, encoding="utf-8")
    refused(desk, "a.csv", message)


LABELME: list[tuple[Any, str]] = [
    ({"shapes": {}}, "a.json: file: imagePath; found nothing"),
    (labelme(image="z.png"), "no regions"),
    (labelme(shape(), image="z.png"), "no image 'z.png' (of a.json, shape 1)"),
    (labelme(shape(), image="///"), "file: image; found ''; expected a name"),
    (labelme(shape()) | {"shapes": None}, "file: shapes; found nothing; expected a list"),
    (labelme(shape()) | {"imageHeight": "40"}, "file: size of the image; found '40'"),
    (labelme(shape()) | {"imageHeight": 41}, "a.png: image of another size than annotated"),
    (labelme(shape(), {"points": []}), "shape 2: label; found nothing"),
    (labelme(shape("line")), "shape 1: shape without an area; found 'line'"),
    (labelme(shape("polygon")), "shape 1: polygon; found 4 numbers"),
    (labelme(shape("rectangle", [[1, 2]])), "shape 1: rectangle; found 1 points; expected 2"),
    (labelme(shape("rectangle", [[1, 2], [1, 9]])), "shape 1: box without an area; found 0 × 7"),
    (labelme(shape("rectangle", [[1, 2], [3]])), "shape 1: point; found [3]; expected [x, y]"),
    (labelme(shape("rectangle", [[1, 2], [3, "4"]])), "shape 1: point; found '4'"),
    (labelme(shape("circle", [[1, 2], [1, 2]])), "shape 1: circle without an area"),
    (labelme(shape(points=7)), "shape 1: points; found the number 7; expected a list"),
    (labelme(shape("mask")), "shape 1: mask; found nothing; expected a PNG in base64"),
    (labelme(shape("mask", mask="!!")), "shape 1: mask; found damaged"),
    (labelme(shape("mask", mask="AAAA")), "shape 1: mask; found damaged"),
    (
        labelme(shape("mask", [[50, 5], [70, 35]], mask=png_text(np.ones((31, 21), np.bool_)))),
        "shape 1: mask outside its image; found 21×31 pixels from 50,5",
    ),
]


@pytest.mark.parametrize(("content", "message"), LABELME, ids=range(len(LABELME)))
def test_labelme(desk: Path, content: object, message: str) -> None:
    (desk / "a.json").write_text(json.dumps(content), encoding="utf-8")
    refused(desk, "a.json", message, words=("--format", "labelme"))


GOOD = np.full((HEIGHT, WIDTH), 3, np.uint8)
MASKS: list[tuple[dict[str, Any], list[tuple[object, ...]], str]] = [
    ({"a.png": GOOD}, [(4, "x")], "a.png: value 3: not in labels.csv"),
    ({"a.png": GOOD}, [(3, "x"), (3, "y")], "labels.csv: row 3: value 3 is duplicated"),
    ({"a.png": GOOD}, [("3.5", "x")], "labels.csv: row 2: value; found '3.5'"),
    ({"a.png": GOOD}, [(70_000, "x")], "labels.csv: row 2: value; found '70000'"),
    ({"z.png": GOOD}, [(3, "x")], "z.png: mask without an image; found no image 'z'"),
    ({"a.png": GOOD[:9]}, [(3, "x")], "a.png: image of another size than annotated"),
    ({"a.png": GOOD}, [(3, "")], "no regions"),
    ({}, [(3, "x")], "nothing to read; expected files *.png"),
]


@pytest.mark.parametrize(("masks", "rows", "message"), MASKS, ids=range(len(MASKS)))
def test_masks(
    desk: Path, masks: dict[str, Any], rows: list[tuple[object, ...]], message: str
) -> None:
    (desk / "masks").mkdir()
    write_masks(desk / "masks", masks, *rows)
    refused(desk, "masks", message)


def test_mask_files(desk: Path) -> None:
    masks = write_masks(desk / "masks", {"a.png": GOOD}, (3, "x"))
    content = (masks / "a.png").read_bytes()
    (masks / "a.png").write_bytes(content[: len(content) // 2])
    refused(desk, "masks", "a.png: mask cannot be read")
    (masks / "a.png").write_text("no PNG", encoding="utf-8")
    refused(desk, "masks", "a.png: mask cannot be read")
    Image.fromarray(np.stack([GOOD] * 3, -1)).save(masks / "a.png")
    refused(desk, "masks", "a.png: mask of another kind; found mode RGB; expected a palette")
    (masks / "labels.csv").write_text("color,name\n#03030,x\n", encoding="utf-8")
    refused(desk, "masks", "labels.csv: row 2: color; found '#03030'; expected #rrggbb")
    (masks / "labels.csv").write_text("number,name\n3,x\n", encoding="utf-8")
    refused(desk, "masks", "labels.csv: row 1: column missing; expected a column 'value'")
    write_image(desk / "images" / "a.jpg", 5)
    write_masks(desk / "masks", {"a.png": GOOD}, (3, "x"))
    refused(desk, "masks", "a.png: mask of several images; found a.jpg, a.png")


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (WIDTH, HEIGHT)).save(path, exif=exif)


IMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(b"no image"), "a.png: not an image"),
    (lambda path: path.write_bytes(b""), "a.png: not an image"),
    (
        rotated,
        "image rotated by its EXIF orientation: 'a.png'; expected images stored without rotation",
    ),
    (Path.unlink, "no image 'a.png' (of a.csv, row 2). Name their folder with --images"),
]


@pytest.mark.parametrize(("damage", "message"), IMAGES, ids=range(len(IMAGES)))
def test_images(desk: Path, damage: Callable[[Path], object], message: str) -> None:
    (desk / "a.csv").write_text("image,label,x,y,width,height\na.png,x,1,2,3,4\n", "utf-8")
    damage(desk / "images" / "a.png")
    refused(desk, "a.csv", message)


SETTINGS: list[tuple[tuple[str, ...], str]] = [
    (("--quorum", "most"), "quorum; found 'most'; expected majority, a number"),
    (("--quorum", "0"), "quorum out of range; found 0"),
    (("--quorum", "1.5"), "quorum out of range; found 1.5"),
    (("--quorum", "nan"), "quorum out of range"),
    (("--agree-iou", "0"), "agree-iou out of range"),
    (("--size", "3"), "size out of range"),
    (("--mask-size", "5000"), "mask-size out of range"),
    (("--verified-only",), "no region is kept; found 1 × not verified"),
]


@pytest.mark.parametrize(("words", "message"), SETTINGS)
def test_settings(desk: Path, words: tuple[str, ...], message: str) -> None:
    (desk / "a.csv").write_text("image,label,x,y,width,height\na.png,x,1,2,30,30\n", "utf-8")
    refused(desk, "a.csv", message, words=words)


def test_a_format_that_is_not_known(desk: Path) -> None:
    words = ("data", "build", "a.csv", "--out", "out", "--format", "yolo")
    done = call(*words, folder=desk)
    assert done.status == 2
    assert "'yolo' is none of coco, csv, labelme, masks, voc" in done.err
