"""Files as annotation tools write them: YOLO, Label Studio, CVAT, VIA, Roboflow and others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conceptgraph.errors import DataError
from conceptgraph.ingest.sources.annotations.build import BuildSettings, build
from conceptgraph.ingest.sources.annotations.draw import draw
from conceptgraph.ingest.sources.annotations.format import detect_format, read_annotations
from conceptgraph.ingest.sources.annotations.run_lengths import decode
from tests.annotation_files import (
    HEIGHT,
    WIDTH,
    coco,
    cvat,
    cvat_box,
    label_studio,
    label_studio_box,
    labelme,
    shape,
    via_region,
    voc,
    voc_object,
    write_image,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from conceptgraph.ingest.sources.annotations.regions import Annotations, Region
    from tests.drawn_data import Bools

BOX = np.zeros((HEIGHT, WIDTH), np.bool_)
BOX[5:35, 10:30] = True
YOLO_BOX = f"{20 / WIDTH} {20 / HEIGHT} {20 / WIDTH} {30 / HEIGHT}"
CORNERS = [(10, 5), (30, 5), (30, 35), (10, 35)]


@pytest.fixture(autouse=True)
def images(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "b.png")):
        write_image(tmp_path / "images" / name, seed)
    return tmp_path / "images"


def pixels(region: Region) -> Bools:
    return decode(draw(region.geometry, HEIGHT, WIDTH))


def read(path: Path, images: Path, form: str) -> Annotations:
    assert detect_format(path) == form
    return read_annotations(path, images, category="action")


def is_box(region: Region) -> bool:
    return region.concept == "walking" and np.array_equal(pixels(region), BOX)


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


NAMES = {
    "data.yaml": "path: ..\nnc: 2\nnames: [cycling, walking]\n",
    "dataset.yml": "names:\n  0: cycling\n  1: walking\n",
    "classes.txt": "cycling\nwalking\n",
    "obj.names": "cycling\nwalking\n",
}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("layout", ["labels/train/a.txt", "labels/a.txt", "a.txt"])
def test_yolo(names: str, layout: str, tmp_path: Path, images: Path) -> None:
    folder = tmp_path / "yolo"
    text(folder / names, NAMES[names])
    text(folder / "README.txt", "exported by a tool\n")
    text(folder / "train.txt", "images/a.png\n")
    corners = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in CORNERS)
    text(folder / layout, f"1 {YOLO_BOX}\n1 {YOLO_BOX} 0.93\n1 {corners}\n\n7 {YOLO_BOX}\n1 x 1\n")
    text(folder / layout.replace("a.txt", "b.txt"), "")
    annotations = read(folder, images, "yolo")
    assert len(annotations.regions) == 3
    assert all(map(is_box, annotations.regions))
    assert [row.reason for row in annotations.dropped] == ["class", "polygon"]
    assert str(folder / names) in annotations.notes[0]
    assert {name.rpartition("/")[2] for name in annotations.sizes} == {"a", "b"}
    if names.startswith("data"):
        assert len(read(folder / names, images, "yolo").regions) == 3


def test_yolo_of_keypoints_has_boxes(tmp_path: Path, images: Path) -> None:
    text(tmp_path / "yolo" / "data.yaml", "kpt_shape: [2, 3]\nnames: [walking]\n")
    text(tmp_path / "yolo" / "a.txt", f"0 {YOLO_BOX} 0.1 0.2 2 0.3 0.4 2\n")
    (region,) = read(tmp_path / "yolo", images, "yolo").regions
    assert is_box(region)


def test_yolo_without_names(tmp_path: Path, images: Path) -> None:
    folder = tmp_path / "some" / "where" / "else"
    text(folder / "a.txt", f"0 {YOLO_BOX}\n")
    with pytest.raises(DataError, match="no names of the classes; expected a list of names: data"):
        read_annotations(folder, images, category="action", format_name="yolo")


def test_label_studio(tmp_path: Path, images: Path) -> None:
    points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in CORNERS]
    polygon = label_studio_box("polygonlabels", points=points, closed=True)
    unsized = label_studio_box()
    del unsized["original_width"]
    turned = label_studio_box(
        x=100 * 30 / WIDTH, y=100 * 5 / HEIGHT, width=50.0, height=50.0, rotation=90
    )
    task = label_studio(label_studio_box(), polygon, unsized, turned)
    path = write_json(tmp_path / "a.json", [task])
    region, *others = read(path, images, "label_studio").regions
    assert all(map(is_box, [region, *others]))
    assert (region.image, region.worker) == ("data/upload/1/a.png", "3")


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/1/1a2b3c4d-a.png",
        "/data/local-files/?d=photos/a.png",
        "s3://bucket/photos/a.png",
        "https://images.example/photos/a.png?signature=1/2",
    ],
)
def test_the_image_of_a_task(image: str, tmp_path: Path, images: Path) -> None:
    task = label_studio(label_studio_box(), image=image)
    (region,) = read(write_json(tmp_path / "a.json", [task]), images, "label_studio").regions
    assert region.image.rpartition("/")[2] == "a.png"


def test_what_label_studio_has_besides_shapes(tmp_path: Path, images: Path) -> None:
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    point = label_studio_box("keypointlabels")
    task = label_studio(label_studio_box(), choice, point, {"type": "relation"})
    task["annotations"].append({**task["annotations"][0], "was_cancelled": True})
    annotations = read(write_json(tmp_path / "a.json", [task]), images, "label_studio")
    assert len(annotations.regions) == 1
    assert [row.reason for row in annotations.dropped] == ["result without an area"] * 2


def test_label_studio_min(tmp_path: Path, images: Path) -> None:
    full = label_studio_box()
    label = {**full.pop("value"), **full}
    del label["type"]
    task = {"image": "/data/upload/1/a.png", "id": 1, "label": [label], "annotator": 4}
    (region,) = read(write_json(tmp_path / "a.json", [task]), images, "label_studio").regions
    assert is_box(region)
    assert region.worker == "4"


def test_cvat(tmp_path: Path, images: Path) -> None:
    points = ";".join(f"{x}.0,{y}.0" for x, y in CORNERS)
    lengths = ", ".join(map(str, [0, 600]))
    shapes = [
        cvat_box(),
        f'<polygon label="walking" points="{points}"/>',
        f'<mask label="walking" rle="{lengths}" left="10" top="5" width="20" height="30"/>',
        '<box label="walking" xtl="5" ytl="10" xbr="35" ybr="30" rotation="90"/>',
        '<polyline label="walking" points="1,1;2,2"/>',
        '<points label="walking" points="1,1"/>',
        '<box label="walking" xtl="5" ytl="9" xbr="5" ybr="30"/>',
        '<mask label="walking" rle="5" left="50" top="5" width="20" height="30"/>',
        '<tag label="outdoors"/>',
    ]
    path = text(tmp_path / "cvat" / "annotations.xml", cvat("".join(shapes)))
    for given in (path, path.parent):
        annotations = read(given, images, "cvat")
        assert len(annotations.regions) == 4
        assert all(map(is_box, annotations.regions))
        assert [row.reason for row in annotations.dropped] == [
            "shape without an area",
            "shape without an area",
            "box without an area",
            "mask that does not fit",
        ]


def test_cvat_of_a_video(tmp_path: Path, images: Path) -> None:
    (images / "a.png").rename(images / "frame_000007.png")
    corners = 'xtl="10" ytl="5" xbr="30" ybr="35"'
    points = ";".join(f"{x}.0,{y}.0" for x, y in CORNERS)
    shapes = [
        f'<box frame="7" outside="0" {corners}><attribute name="annotator">ann</attribute></box>',
        f'<box frame="8" outside="1" {corners}/>',
        f'<polygon frame="7" outside="0" points="{points}"/>',
        '<points frame="7" outside="0" points="1,1"/>',
        f'<box frame="x" outside="0" {corners}/>',
    ]
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    track = f'<track id="0" label="walking">{"".join(shapes)}</track>'
    content = f"<annotations><meta><task>{size}</task></meta>{track}</annotations>"
    path = text(tmp_path / "a.xml", content)
    annotations = read(path, images, "cvat")
    assert list(map(is_box, annotations.regions)) == [True, True]
    assert [region.worker for region in annotations.regions] == ["ann", ""]
    assert annotations.sizes == {"frame_000007": (HEIGHT, WIDTH)}
    assert [row.reason for row in annotations.dropped] == ["shape without an area", "frame"]
    report = build(path, images, tmp_path / "out", BuildSettings(category="action"))
    assert report.images == 1


def test_via_in_all_its_files(tmp_path: Path, images: Path) -> None:
    xs, ys = zip(*CORNERS, strict=True)
    polygon = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    point = {"name": "point", "cx": 1, "cy": 2}
    regions = [
        via_region(),
        {"shape_attributes": polygon, "region_attributes": {"class": "walking", "colour": "red"}},
        {"shape_attributes": point, "region_attributes": {"class": "walking"}},
    ]
    record = {"filename": "a.png", "size": 7, "regions": regions, "file_attributes": {}}
    old = {**record, "regions": dict(enumerate(regions))}
    header = "filename,file_size,file_attributes,region_count,region_id,"
    rows = [header + "region_shape_attributes,region_attributes"]
    rows += [
        f"a.png,7,{{}},3,{place}," + ",".join(map(quoted, region.values()))
        for place, region in enumerate(regions)
    ]
    rows.append("b.png,7,{},0,0,{},{}")
    paths = [
        write_json(tmp_path / "project.json", {"_via_img_metadata": {"a.png7": record}}),
        write_json(tmp_path / "export.json", {"a.png7": record}),
        write_json(tmp_path / "old.json", {"a.png7": old}),
        text(tmp_path / "export.csv", "\n".join(rows) + "\n"),
    ]
    for path in paths:
        annotations = read(path, images, "via")
        assert len(annotations.regions) == 2
        assert all(map(is_box, annotations.regions))
        assert [row.reason for row in annotations.dropped] == ["shape without an area"]


OPTIONS_3 = {"0": "cycling", "1": "walking"}
ATTRIBUTES_3 = {
    "a text": ({"aname": "label", "options": {}}, "walking"),
    "a choice": ({"aname": "verb", "options": OPTIONS_3}, "1"),
    "a default": ({"aname": "verb", "options": OPTIONS_3}, "walking"),
}


@pytest.mark.parametrize(("attribute", "value"), ATTRIBUTES_3.values(), ids=ATTRIBUTES_3)
def test_a_project_of_via_3(attribute: object, value: str, tmp_path: Path, images: Path) -> None:
    def region(*shape: object, view: str = "v") -> dict[str, object]:
        return {"vid": view, "flg": 0, "z": [], "xy": list(shape), "av": {"1": value}}

    corners = [number for corner in CORNERS for number in corner]
    regions = [
        region(2, 10, 5, 20, 30),
        region(7, *corners),
        region(),  # of the whole file
        region(1, 10, 5),
        region(8, 10, 20, 20, 5, 30, 20, 20, 35),
        region(2, 10, 5, 20, 30, view="of no file"),
    ]
    content = {
        "project": {"vid_list": ["v"]},
        "attribute": {"1": attribute},
        "file": {"9": {"fid": 9, "fname": "a.png"}, "10": {"fid": 10, "fname": "b.png"}},
        "view": {"v": {"fid_list": [9]}},
        "metadata": {f"m{number}": region for number, region in enumerate(regions)},
    }
    annotations = read(write_json(tmp_path / "via.json", content), images, "via")
    assert list(map(is_box, annotations.regions)) == [True, True, True]
    assert set(annotations.sizes) == {"a.png", "b.png"}
    assert [row.reason for row in annotations.dropped] == ["shape without an area", "image"]


def test_ticked_boxes_of_via_3(tmp_path: Path, images: Path) -> None:
    content = {
        "attribute": {"1": {"aname": "verbs", "options": OPTIONS_3}},
        "file": {"1": {"fname": "a.png"}},
        "metadata": {"m": {"vid": "1", "xy": [3, 20, 20, 9], "av": {"1": "0,1"}}},
    }
    annotations = read(write_json(tmp_path / "via.json", content), images, "via")
    assert [region.concept for region in annotations.regions] == ["cycling", "walking"]


def quoted(value: object) -> str:
    return '"' + json.dumps(value).replace('"', '""') + '"'


def test_labels_of_via(tmp_path: Path, images: Path) -> None:
    def labels(**attributes: object) -> list[str]:
        region = {**via_region(), "region_attributes": attributes}
        record = {"filename": "a.png", "regions": [region]}
        path = write_json(tmp_path / "via.json", {"a.png7": record})
        return [region.concept for region in read(path, images, "via").regions]

    assert labels(verb="walking") == ["walking"]
    assert labels(verbs={"walking": True, "cycling": True, "none": False}) == ["walking", "cycling"]
    assert labels(colour="red", Class="walking") == ["walking"]
    assert labels() == []
    with pytest.raises(DataError, match=r"image 1, region 1: several attributes; found colour, v"):
        labels(colour="red", verb="walking")


def packed(values: NDArray[np.uint8], *, literal: bool) -> list[int]:
    """Pack bytes as thi.ng's rle-pack does, all as they are or in runs of equal ones."""
    counts = (1, 3, 7, 15)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{count:04b}" for count in counts)
    start = 0
    while start < len(values):
        same = 1
        while not literal and start + same < len(values) and values[start + same] == values[start]:
            same += 1
        same = min(same if not literal else len(values) - start, 2**16)
        bits += f"{int(not literal)}11{same - 1:016b}"
        bits += "".join(
            f"{value:08b}" for value in values[start : start + (same if literal else 1)]
        )
        start += same
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


@pytest.mark.parametrize("literal", [False, True])
def test_brush_masks_of_label_studio(literal: bool, tmp_path: Path, images: Path) -> None:
    colors = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    colors[..., :3] = 90
    colors[BOX, 3] = 255
    rle = packed(colors.ravel(), literal=literal)

    def brush(numbers: object) -> dict[str, Any]:
        value = {"format": "rle", "rle": numbers, "brushlabels": ["walking"]}
        size = {"original_width": WIDTH, "original_height": HEIGHT}
        return {"type": "brushlabels", **size, "value": value}

    wrong = [rle[: len(rle) // 2], packed(colors[:9].ravel(), literal=literal), [], ["x"], None]
    task = label_studio(brush(rle), *map(brush, wrong))
    path = write_json(tmp_path / "a.json", [task])
    annotations = read(path, images, "label_studio")
    assert list(map(is_box, annotations.regions)) == [True]
    fits, mask = "mask that does not fit", "mask"
    assert [row.reason for row in annotations.dropped] == [fits, fits, fits, mask, "rle"]


def createml(*labels: object, image: object = "a.png") -> dict[str, Any]:
    middle = {"x": 20, "y": 20, "width": 20, "height": 30}
    regions = [{"label": label, "coordinates": middle} for label in labels]
    return {"image": image, "annotations": regions}


def test_createml(tmp_path: Path, images: Path) -> None:
    old = {"imagefilename": "b.png", "annotation": createml("walking")["annotations"]}
    content = [createml("walking", None), old, createml(image=None), 3, createml(image="b.png")]
    (tmp_path / "train").mkdir()
    path = write_json(tmp_path / "train" / "_annotations.createml.json", content)
    for given in (path, path.parent):
        annotations = read(given, images, "createml")
        assert list(map(is_box, annotations.regions)) == [True, True]
        assert [region.image for region in annotations.regions] == ["a.png", "b.png"]
        assert [row.reason for row in annotations.dropped] == ["label", "image", "not a record"]


def test_voc_boxes_as_shares(tmp_path: Path, images: Path) -> None:
    corners = (10 / WIDTH, 5 / HEIGHT, 30 / WIDTH, 35 / HEIGHT)
    path = text(tmp_path / "voc" / "a.xml", voc(voc_object(box=corners)))
    annotations = read(path.parent, images, "voc")
    assert list(map(is_box, annotations.regions)) == [True]
    assert "shares of the image's width and height" in annotations.notes[0]
    pixel = text(tmp_path / "one" / "a.xml", voc(voc_object(box=(1, 1, 1, 1))))
    (region,) = read(pixel.parent, images, "voc").regions
    assert pixels(region).sum() == 1


def test_x_anylabeling(tmp_path: Path, images: Path) -> None:
    shapes = [
        shape("rectangle", CORNERS),
        shape("rotation", CORNERS[1:] + CORNERS[:1], direction=1.57),
        shape("quadrilateral", CORNERS),
        shape("line", [[1, 1], [20, 9]]),
        shape("point", [[1, 1]]),
        shape("polygon", [[1, 1], [5, 5]]),
    ]
    path = write_json(tmp_path / "a.json", {**labelme(*shapes), "imageHeight": 0, "imageWidth": 0})
    annotations = read(path, images, "labelme")
    assert len(annotations.regions) == 3
    assert all(map(is_box, annotations.regions))
    assert len(annotations.dropped) == 3
    assert annotations.sizes == {"a.png": None}


def test_a_rotated_box_is_no_upright_one(tmp_path: Path, images: Path) -> None:
    corners = [[10, 5], [30, 8], [28, 35], [8, 32]]
    path = write_json(tmp_path / "a.json", labelme(shape("rotation", corners)))
    (region,) = read(path, images, "labelme").regions
    assert 0 < pixels(region).sum() < 600
    assert pixels(region)[30, 10]
    assert not pixels(region)[6, 28]


def test_a_labelme_file_without_the_name_of_its_image(tmp_path: Path, images: Path) -> None:
    for name in (None, "", "///"):
        path = write_json(tmp_path / "a.json", {**labelme(shape()), "imagePath": name})
        (region,) = read(path, images, "labelme").regions
        assert region.image == "a"


def test_one_damaged_file_of_many(tmp_path: Path, images: Path) -> None:
    for form, good, bad in [
        ("labelme", json.dumps(labelme(shape())), "{"),
        ("voc", voc(voc_object()), "<annotation>"),
    ]:
        suffix = {"labelme": "json", "voc": "xml"}[form]
        text(tmp_path / form / f"a.{suffix}", good)
        text(tmp_path / form / f"0.{suffix}", bad)
        annotations = read(tmp_path / form, images, form)
        assert list(map(is_box, annotations.regions)) == [True]
        assert [row.reason for row in annotations.dropped] == ["file that cannot be read"]


def test_roboflow_coco_is_a_folder_with_images(tmp_path: Path) -> None:
    content: dict[str, Any] = coco()
    content["categories"].insert(0, {"id": 0, "name": "verbs", "supercategory": "none"})
    for split in ("train", "valid"):
        for seed, name in enumerate(("a.png", "b.png")):
            write_image(tmp_path / "set" / split / name, seed)
        write_json(tmp_path / "set" / split / "_annotations.coco.json", content)
    folder = tmp_path / "set"
    regions = read(folder, folder, "coco").regions
    assert {region.image for region in regions} == {
        f"{split}/{name}.png" for split in ("train", "valid") for name in "ab"
    }


TENSORFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
TABLES = {
    "tensorflow": TENSORFLOW + "a.png,60,40,walking,10,5,30,35\n",
    "retina": "image_path,label,x1,y1,x2,y2\n/data/a.png,walking,10,5,30,35\n",
    "title case": "Image,Class,x,y,width,height\na.png,walking,10,5,20,30\n",
    "excel": "Image;Class;X;Y;Width;Height\na.png;walking;10,0;5,0;20,0;30,0\n",
    "tabs": "filename\tclass\txmin\tymin\txmax\tymax\na.png\twalking\t10\t5\t30\t35\n",
    "make sense": "label_name,bbox_x,bbox_y,bbox_width,bbox_height,"
    "image_name,image_width,image_height\n"
    "walking,10,5,20,30,a.png,60,40\n",
    "open images": "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n"
    f"a,x,walking,1,{10 / 60},{30 / 60},{5 / 40},{35 / 40}\n",
    "centres": "image,label,x_center,y_center,width,height\n"
    f"a.png,walking,{20 / 60},{20 / 40},{20 / 60},{30 / 40}\n",
    "pandas": ",image,label,left,top,right,bottom\n0,a.png,walking,10.0,5.0,30.0,35.0\n",
    "image sizes of 0": TENSORFLOW + "a.png,0,0,walking,10,5,30,35\n",
}


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables(form: str, encoding: str, tmp_path: Path, images: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLES[form], encoding=encoding)
    annotations = read(path, images, "csv")
    assert list(map(is_box, annotations.regions)) == [True]
    shares = form in {"open images", "centres"}
    assert [note[:46] for note in annotations.notes] == (
        ["Coordinates are taken as shares of the image's"] if shares else []
    )


CORNERS_ROW = "a.png,10,5,30,35,walking"
WITHOUT_HEADER = {
    "retinanet": f"{CORNERS_ROW}\n{CORNERS_ROW}\nb.png,,,,,\n",
    "no region first": f"b.png,,,,,\n{CORNERS_ROW}\n",
    "label first": "walking,a.png,10.0,5.0,30.0,35.0\n",
    "tensorflow": "a.png,60,40,walking,10,5,30,35\n",
    "semicolons": "photos/a.png;walking;10,0;5,0;30,0;35,0\n",
}


@pytest.mark.parametrize("form", WITHOUT_HEADER)
@pytest.mark.parametrize("suffix", ["csv", "txt"])
def test_tables_without_a_header(form: str, suffix: str, tmp_path: Path, images: Path) -> None:
    path = text(tmp_path / f"a.{suffix}", WITHOUT_HEADER[form])
    annotations = read(path, images, "csv")
    assert set(map(is_box, annotations.regions)) == {True}
    assert annotations.dropped == []
    assert annotations.notes[0].startswith("The table has no header; it is read as ")
    assert ("b.png" in annotations.sizes) == ("b.png" in WITHOUT_HEADER[form])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.png,30,35,10,5,walking\n", "whose boxes are not xmin, ymin, xmax, ymax; found 1 of 1"),
        ("a.png,10,5,30,35,2\n", "row 1: column missing; found a.png,10,5,30,35,2; expected label"),
        ("a.png,walking\n", "row 1: column missing"),
    ],
)
def test_tables_without_a_header_that_are_unclear(
    rows: str, message: str, tmp_path: Path, images: Path
) -> None:
    with pytest.raises(DataError, match=message):
        read(text(tmp_path / "a.csv", rows), images, "csv")


def test_an_image_without_a_region_in_a_table(tmp_path: Path, images: Path) -> None:
    rows = TENSORFLOW + "a.png,60,40,walking,10,5,30,35\nb.png,60,40,,,,,\n"
    annotations = read(text(tmp_path / "a.csv", rows), images, "csv")
    assert set(annotations.sizes) == {"a.png", "b.png"}
    assert annotations.dropped == []


def test_shares_are_recognised_by_most_of_the_boxes(tmp_path: Path, images: Path) -> None:
    share = f"a.png,walking,{10 / 60},{5 / 40},{20 / 60},{30 / 40}\n"
    pixel = "a.png,walking,10,5,20,30\n"
    tiny = "a.png,walking,0.25,0.25,0.5,0.5\n"
    header = "image,label,x,y,width,height\n"
    shares = read(text(tmp_path / "a.csv", header + share + share + pixel), images, "csv")
    assert list(map(is_box, shares.regions)) == [True, True]
    assert [row.reason[:20] for row in shares.dropped] == ["box outside 0 to 1 a"]
    pixels_ = read(text(tmp_path / "a.csv", header + pixel + pixel + tiny), images, "csv")
    assert list(map(is_box, pixels_.regions)) == [True, True, False]
    assert pixels_.notes == []


def test_coco_boxes_and_polygons_as_shares(tmp_path: Path, images: Path) -> None:
    content = coco()
    corners = [value for x, y in CORNERS for value in (x / WIDTH, y / HEIGHT)]
    content["annotations"] = [
        {"image_id": 1, "category_id": 1, "bbox": [10 / 60, 5 / 40, 20 / 60, 30 / 40]},
        {"image_id": "1", "category_id": 1.0, "segmentation": [corners]},
    ]
    annotations = read(write_json(tmp_path / "a.json", content), images, "coco")
    assert list(map(is_box, annotations.regions)) == [True, True]
    assert "shares of the image's width and height" in annotations.notes[0]


def test_bad_rows_of_a_table(tmp_path: Path, images: Path) -> None:
    good = "a.png,walking,10,5,20,30\n"
    rows = ["a.png,walking,10,5,20\n", "a.png,walking,,5,20,30\n", "a.png,,10,5,20,30\n"]
    path = text(tmp_path / "a.csv", "image,label,x,y,width,height\n" + good + "".join(rows))
    annotations = read(path, images, "csv")
    assert list(map(is_box, annotations.regions)) == [True]
    reasons = [row.reason for row in annotations.dropped]
    assert reasons == ["wrong number of cells", "x", "label"]
