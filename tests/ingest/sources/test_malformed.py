"""Malformed annotations: what can be left out is dropped, with its reason; the rest is one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.sources.annotations.build import BuildSettings
from conceptgraph.ingest.sources.annotations.build import build as build_data
from tests.annotation_files import (
    HEIGHT,
    WIDTH,
    coco,
    label_studio,
    label_studio_box,
    labelme,
    png_text,
    shape,
    via_region,
    voc,
    voc_object,
    write_image,
    write_json,
    write_masks,
)
from tests.command_line import CommandResult, call

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with two images."""
    for seed, name in enumerate(("a.png", "b.png")):
        write_image(tmp_path / "images" / name, seed)
    return tmp_path


def build(desk: Path, annotations: str, words: tuple[str, ...]) -> CommandResult:
    return call(
        *("data", "build", annotations, "--images", "images", "--category", "action"),
        *("--out", "out", *words),
        folder=desk,
    )


def dropped(desk: Path, annotations: str, expected: str, words: tuple[str, ...] = ()) -> None:
    """The build succeeds, and one row of dropped.csv says what is expected."""
    done = build(desk, annotations, words)
    assert done.status == 0, done.err
    with (desk / "out" / "dropped.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            f"{row['source']}: {row['reason']}; {row['detail']}" for row in csv.DictReader(file)
        ]
    assert [row for row in rows if expected in row], rows


def refused(desk: Path, annotations: str, *expected: str, words: tuple[str, ...] = ()) -> None:
    """The build fails with one line that holds everything expected, and leaves nothing."""
    done = build(desk, annotations, words)
    assert not [path for path in desk.iterdir() if "out" in path.name]
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
    "[1, 2]": "format of the annotations cannot be determined",
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
    refused(desk, "nowhere", "nowhere: no such file or folder", words=("--format", "voc"))
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
    (image(1, id=1), "4 × image_id (a.json, annotation 1; found 1; expected an id of one)"),
    (
        category(id=1),
        "4 × category_id (a.json, annotation 1; a.png; found 1; expected an id of one)",
    ),
]
COCO_DROPPED: list[tuple[Change, str]] = [
    (lambda content: content["annotations"].append(7), "annotation 5: not a record; found the"),
    (lambda content: content["images"].append("a"), "image 3: not a record; found text"),
    (image(1, file_name=None), "image 2: image; found nothing; expected a name"),
    (image(1, id=None), "image 2: id; found nothing; expected a number"),
    (
        image(0, width=61, height=41),
        "annotation 1: image of another size than annotated; found 60×40",
    ),
    (image(1, file_name="c.png"), "annotation 3: no image file of this name; Did you mean 'b.png'"),
    (category(name=" "), "category 2: name; found ' '; expected a name"),
    (region(image_id=9), "annotation 1: image_id; found 9; expected one of the 2"),
    (region(image_id=[1]), "annotation 1: image_id; found [1]"),
    (region(bbox=None), "annotation 1: no region; found neither; expected a bbox"),
    (region(bbox=[1, 2, 3]), "annotation 1: box; found 3 numbers"),
    (region(bbox=[1, 2, 0, 5]), "annotation 1: box without an area; found 0 × 5"),
    (region(bbox=[1, 2, -3, 5]), "annotation 1: box without an area; found -3 × 5"),
    (region(bbox=[1, 2, True, 5]), "annotation 1: box; found True"),
    (region(bbox=[1, 2, float("nan"), 5]), "annotation 1: box; found nan"),
    (region(bbox=[1, 2, 1e300, 5]), "annotation 1: box; found 1e+300"),
    (region(bbox={"x": 1}), "annotation 1: no region; found bbox: an object"),
    (region(segmentation=[[1, 2, 3, 4]]), "annotation 1: polygon without an area; found 2 points"),
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


ACCEPTED: list[Change] = [
    image(1, file_name="/etc/b.png"),
    image(1, file_name="../images/b.png"),
    image(1, file_name="B.PNG"),
    image(1, file_name=None, coco_url="http://images.example/val/b.png"),
    image(1, height=0),
    image(1, width="60"),
    image(1, height=None, width=0),
    image(1, id="2"),
    region(category_id="1", image_id="1"),
    category(name=5),
    category(name="a\nb"),
    region(bbox=[1, 2, "3", 5]),
    region(bbox=[1, 2, 3, 5], segmentation=[[]]),
    region(segmentation=[[1, 2, 9, 2, 9, 9], [4, 4, 5, 5]]),
]


@pytest.mark.parametrize("change", ACCEPTED, ids=range(len(ACCEPTED)))
def test_coco_that_is_read_nevertheless(desk: Path, change: Change) -> None:
    content = coco()
    change(content)
    (desk / "a.json").write_text(json.dumps(content), encoding="utf-8")
    done = build(desk, "a.json", ())
    assert done.status == 0, done.err
    assert (desk / "out" / "dropped.csv").read_text("utf-8").count("\n") == 1


@pytest.mark.parametrize(("change", "message"), COCO_DROPPED, ids=range(len(COCO_DROPPED)))
def test_one_bad_item_of_coco(desk: Path, change: Change, message: str) -> None:
    content = coco()
    change(content)
    (desk / "a.json").write_text(json.dumps(content), encoding="utf-8")
    dropped(desk, "a.json", message)


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
    assert "a.json: no supercategory of 'cycling'. Name the category" in done.err


VOC: list[tuple[str, str]] = [
    ("<annotation>", "line 1, column 12: not XML"),
    ("", "line 1, column 0: not XML"),
    ("<data></data>", "format of the annotations cannot be determined"),
    (
        '<!DOCTYPE a [<!ENTITY b "c">]>' + voc(voc_object()),
        "XML with a document type or an encoding that is refused",
    ),
    ('<?xml version="1.0" encoding="martian"?>' + voc(voc_object()), "refused"),
    (voc(voc_object(), image="z.png"), "no image 'z.png' (of a.xml, object 1)"),
    (voc(voc_object(), width=61), "1 × image of another size than annotated (a.xml, object 1"),
    (
        voc("<object><name>x</name></object>"),
        "1 × no region (a.xml, object 1; a.png; found no <bndbox>",
    ),
    (voc(voc_object(box=(1, 1, "x", 5))), "1 × xmax (a.xml, object 1; a.png; found 'x'"),
    (voc(voc_object(box=(1, 1, "inf", 5))), "1 × xmax (a.xml, object 1; a.png; found 'inf'"),
    (
        voc(voc_object(box=(9, 1, 5, 5))),
        "1 × box without an area (a.xml, object 1; a.png; found -3 × 5",
    ),
    (
        voc(voc_object(more="<verified>hm</verified>")),
        "1 × verified (a.xml, object 1; a.png; found 'hm'",
    ),
    (voc(""), "no regions"),
]


@pytest.mark.parametrize(("text", "message"), VOC, ids=range(len(VOC)))
def test_voc(desk: Path, text: str, message: str) -> None:
    (desk / "voc").mkdir()
    (desk / "voc" / "a.xml").write_text(text, encoding="utf-8")
    refused(desk, "voc", message)


TABLES: list[tuple[str, str]] = [
    ("", "row 1: column missing; found an empty file; expected label"),
    ("image,label\na.png,x\n", "row 1: column missing; found image,label; expected x,y,width"),
    ("image,x,y,width,height\n", "row 1: column missing; found image,x,y,width,height; expected l"),
    ("image,label,x,y,width,height\n", "no boxes; expected one row per box"),
    ("image,label,x,y,width,height\na.png,x,1,2,3\n", "no boxes; expected one row per box"),
    ('image,label,x,y,width,height\na.png,"x,1,2,3,4\n', "not CSV"),
    (
        "image,label,x,y,width,height\na.png,x,1,2,wide,4\n",
        "1 × width (a.csv, row 2; a.png; found 'wide'",
    ),
    (
        "image,label,x,y,width,height\na.png,x,1,2,3,nan\n",
        "1 × height (a.csv, row 2; a.png; found 'nan'",
    ),
    (
        "image,label,x,y,width,height\na.png,x,1,2,3,0\n",
        "1 × box without an area (a.csv, row 2; a.png; found 3 × 0",
    ),
    (
        "image,label,xmin,ymin,xmax,ymax\na.png,x,9,2,3,8\n",
        "1 × box without an area (a.csv, row 2; a.png; found -6",
    ),
    ("image,label,x,y,width,height\na.png,,1,2,3,4\n", "1 × label (a.csv, row 2; a.png; found ''"),
    ("image,label,x,y,width,height\n,x,1,2,3,4\n", "1 × image (a.csv, row 2; found ''"),
    ("image,label,x,y,width,height\nz.png,x,1,2,3,4\n", "no image 'z.png' (of a.csv, row 2)"),
    ("image,label,label,x,y,width,height\n", "row 1: column 'label' is duplicated"),
    (
        "image,label,x,y,width,height,verified\na.png,x,1,2,3,4,si\n",
        "1 × verified (a.csv, row 2; a.png; found 'si'; expected yes or no",
    ),
]


@pytest.mark.parametrize(("text", "message"), TABLES, ids=range(len(TABLES)))
def test_tables(desk: Path, text: str, message: str) -> None:
    (desk / "a.csv").write_text(text, encoding="utf-8")
    refused(desk, "a.csv", message)


LABELME: list[tuple[Any, str]] = [
    ({"shapes": {}}, "a.json: file: shapes; found an object; expected a list"),
    (labelme(image="z.png"), "no regions"),
    (labelme(shape(), image="z.png"), "no image 'z.png' (of a.json, shape 1)"),
    (labelme(shape()) | {"shapes": None}, "file: shapes; found nothing; expected a list"),
    (labelme(shape()) | {"imageHeight": 41}, "1 × image of another size than annotated (a.json"),
    (labelme(shape("line")), "1 × shape without an area (a.json, shape 1; a.png; found 'line'"),
    (
        labelme(shape("polygon")),
        "1 × polygon without an area (a.json, shape 1; a.png; found 2 points",
    ),
    (
        labelme(shape("rectangle", [[1, 2]])),
        "1 × rectangle (a.json, shape 1; a.png; found 1 points; expected 2",
    ),
    (
        labelme(shape("rectangle", [[1, 2], [1, 9]])),
        "1 × box without an area (a.json, shape 1; a.png; found 0 × 7",
    ),
    (
        labelme(shape("rectangle", [[1, 2], [3]])),
        "1 × point (a.json, shape 1; a.png; found [3]; expected [x, y]",
    ),
    (
        labelme(shape("circle", [[1, 2], [1, 2]])),
        "1 × circle without an area (a.json, shape 1; a.png; found radius 0)",
    ),
    (
        labelme(shape(points=7)),
        "1 × points (a.json, shape 1; a.png; found the number 7; expected a list",
    ),
    (
        labelme(shape("mask")),
        "1 × mask (a.json, shape 1; a.png; found nothing; expected a PNG in base64",
    ),
    (labelme(shape("mask", mask="!!")), "1 × mask (a.json, shape 1; a.png; found damaged"),
    (labelme(shape("mask", mask="AAAA")), "1 × mask (a.json, shape 1; a.png; found damaged"),
    (
        labelme(shape("mask", [[50, 5], [70, 35]], mask=png_text(np.ones((31, 21), np.bool_)))),
        "1 × mask outside its image (a.json, shape 1; a.png; found 21×31 pixels from 50,5",
    ),
]


@pytest.mark.parametrize(("content", "message"), LABELME, ids=range(len(LABELME)))
def test_labelme(desk: Path, content: object, message: str) -> None:
    (desk / "a.json").write_text(json.dumps(content), encoding="utf-8")
    refused(desk, "a.json", message, words=("--format", "labelme"))


GOOD = np.full((HEIGHT, WIDTH), 3, np.uint8)
MASKS: list[tuple[dict[str, Any], list[tuple[object, ...]], str]] = [
    ({"a.png": GOOD}, [(4, "x")], "1 × value that is not in labels.csv (a.png, value 3"),
    ({"a.png": GOOD}, [(3, "x"), (3, "y")], "labels.csv: row 3: value 3 is duplicated"),
    ({"a.png": GOOD}, [("3.5", "x")], "labels.csv: row 2: value; found '3.5'"),
    ({"a.png": GOOD}, [(70_000, "x")], "labels.csv: row 2: value; found '70000'"),
    ({"z.png": GOOD}, [(3, "x")], "1 × mask without an image (z.png; found no image 'z'"),
    ({"a.png": GOOD[:9]}, [(3, "x")], "1 × image of another size than annotated (a.png, value 3"),
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
    refused(desk, "masks", "mask cannot be read")
    (masks / "a.png").write_text("no PNG", encoding="utf-8")
    refused(desk, "masks", "mask cannot be read")
    Image.fromarray(np.stack([GOOD] * 3, -1)).save(masks / "a.png")
    refused(desk, "masks", "a.png: mask of another kind; found mode RGB; expected a palette")
    (masks / "labels.csv").write_text("color,name\n#03030,x\n", encoding="utf-8")
    refused(desk, "masks", "labels.csv: row 2: color; found '#03030'; expected #rrggbb")
    (masks / "labels.csv").write_text("number,name\n3,x\n", encoding="utf-8")
    refused(desk, "masks", "labels.csv: row 1: column missing; expected a column 'value'")
    write_image(desk / "images" / "a.jpg", 5)
    write_masks(desk / "masks", {"a.png": GOOD}, (3, "x"))
    refused(desk, "masks", "1 × mask of several images (a.png; found a.jpg, a.png")


IMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(b"no image"), "1 × not an image (a.csv, row 2; a.png"),
    (lambda path: path.write_bytes(b""), "1 × not an image (a.csv, row 2; a.png"),
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
    words = ("data", "build", "a.csv", "--out", "out", "--format", "yollo")
    done = call(*words, folder=desk)
    assert done.status == 2
    assert "'yollo' is none of coco, createml, csv, cvat, label_studio, labelme" in done.err


ODD: tuple[object, ...] = (
    *(None, True, False, "", "x", "\0", "\ud800", "..", "a.png/", "9" * 400, [], {}, [None]),
    *(-1, 0, 0.5, 1e300, 10**30, float("nan"), {"a": 1}, [[1, 2]]),
)
VIA_3 = {
    "attribute": {"1": {"aname": "verb", "options": {"0": "cycling", "1": "walking"}}},
    "file": {"9": {"fname": "a.png"}, "10": {"fname": "b.png"}},
    "view": {"9": {"fid_list": [9]}, "10": {"fid_list": ["10"]}},
    "metadata": {
        "m": {"vid": "9", "xy": [2, 10, 5, 20, 30], "av": {"1": "0,1"}},
        "n": {"vid": "10", "xy": [7, 1, 1, 20, 5, 9, 30], "av": {"1": "1"}},
        "o": {"vid": "10", "xy": [8, 1, 2, 3, 4, 5, 6, 7, 8], "av": {}},
    },
}
CREATEML = [
    {
        "image": "a.png",
        "annotations": [
            {"label": "walking", "coordinates": {"x": 20, "y": 20, "width": 9, "height": 9}}
        ],
    }
]
BRUSH = {"type": "brushlabels", "value": {"rle": [0, 0, 0, 1], "brushlabels": ["walking"]}}
WHOLE = {
    "coco": coco(),
    "labelme": labelme(shape(), shape("polygon", [[1, 1], [20, 5], [9, 30]])),
    "via": {"_via_img_metadata": {"a.png1": {"filename": "a.png", "regions": [via_region()]}}},
    "via_3": VIA_3,
    "createml": CREATEML,
    "label_studio": [label_studio(label_studio_box(), BRUSH)],
}


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a JSON value."""
    items: Any = enumerate(value) if isinstance(value, list) else ()
    items = value.items() if isinstance(value, dict) else items
    inner = [place for key, one in items for place in places(one, (*path, key))]
    return [*([path] if path else []), *inner]


@pytest.mark.parametrize("form", WHOLE)
def test_any_odd_value_is_dropped_or_refused_in_one_line(desk: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    for place in places(WHOLE[form]):
        for odd in (ODD[number] for number in rng.choice(len(ODD), 4, replace=False)):
            content: Any = json.loads(json.dumps(WHOLE[form]))
            holder = content
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
            path = write_json(desk / "a.json", content)
            try:
                build_data(
                    path, desk / "images", desk / "out", BuildSettings(category="action"),
                    overwrite=True,
                )  # fmt: skip
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017  # most are built
