"""Every format gives the same regions, and is recognised; geometries become the right pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.sources.annotations import formats
from conceptgraph.ingest.sources.annotations.draw import draw
from conceptgraph.ingest.sources.annotations.format import (
    AnnotationFormat,
    detect_format,
    load_format,
    read_annotations,
)
from conceptgraph.ingest.sources.annotations.regions import Box, Polygons
from conceptgraph.ingest.sources.annotations.run_lengths import (
    RunLengths,
    area,
    decode,
    encode,
    from_lengths,
    lengths_of,
    pairwise_iou,
    union,
)
from tests.annotation_files import (
    HEIGHT,
    WIDTH,
    coco,
    cvat,
    cvat_box,
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

if TYPE_CHECKING:
    from conceptgraph.ingest.sources.annotations.regions import Region
    from tests.drawn_data import Bools

BOX = np.zeros((HEIGHT, WIDTH), np.bool_)
BOX[5:35, 10:30] = True
OTHER_FORMS = {"yolo", "label_studio", "createml", "youtube_vos"}
"""Formats that cannot hold this box, its worker or verification; each has a test of its own."""


@pytest.fixture(autouse=True)
def images(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "b.png")):
        write_image(tmp_path / "images" / name, seed)
    return tmp_path / "images"


def pixels(region: Region) -> Bools:
    return decode(draw(region.geometry, HEIGHT, WIDTH))


def write_of_tool(folder: Path, form: str) -> Path:
    """The same, of tools that have attributes for who and whether."""
    if form == "cvat":
        path = folder / "annotations.xml"
        path.write_text(cvat(cvat_box(annotator="ann", verified="true")), encoding="utf-8")
        return path
    region = via_region(annotator="ann", verified="yes")
    images = {"a.png1": {"filename": "a.png", "size": 1, "regions": [region]}}
    return write_json(folder / "via.json", {"_via_settings": {}, "_via_img_metadata": images})


def write(folder: Path, form: str) -> Path:
    """The region `BOX` of walking in a.png, by worker ann, verified, in each format."""
    if form == "coco":
        content = coco()
        content["annotations"][0].update(worker="ann", verified="yes")
        content["annotations"] = content["annotations"][:1]
        return write_json(folder / "regions.json", content)
    if form == "csv":
        path = folder / "boxes.csv"
        rows = "image,label,x,y,width,height,worker,verified\na.png,walking,10,5,20,30,ann,yes\n"
        path.write_text(rows, encoding="utf-8")
        return path
    if form == "masks":
        masks = {"ann/a.png": BOX.astype(np.uint8) * 3}
        return write_masks(folder / "masks", masks, (3, "walking"), (255, ""))
    if form in {"via", "cvat"}:
        return write_of_tool(folder, form)
    target = folder / form / "ann"
    target.mkdir(parents=True)
    if form == "voc":
        text = voc(voc_object(more="<verified>1</verified>"))
        (target / "a.xml").write_text(text, encoding="utf-8")
        return folder / form
    assert form == "labelme", f"write the region in the format {form}"
    content = labelme(shape(flags={"verified": True}), image="../../images/a.png")
    write_json(target / "a.json", content)
    return folder / form


@pytest.mark.parametrize(
    "form", [form for form in formats.format_names() if form not in OTHER_FORMS]
)
def test_every_format_gives_the_same_region(form: str, tmp_path: Path, images: Path) -> None:
    path = write(tmp_path, form)
    assert detect_format(path) == form
    annotations = read_annotations(path, images, category="action")
    (region,) = annotations.regions
    assert (region.image, region.concept, region.category) == ("a.png", "walking", "action")
    assert region.worker == "ann"
    assert region.verified is (None if form == "masks" else True)
    assert np.array_equal(pixels(region), BOX)
    named = {"a.png", "b.png"} if form == "coco" else {"a.png"}
    assert set(annotations.sizes) == named
    unstated = form in {"csv", "via"}
    assert annotations.sizes["a.png"] == (None if unstated else (HEIGHT, WIDTH))
    assert Path(region.source.split(",")[0]).suffix in {".json", ".csv", ".xml", ".png"}


@pytest.mark.parametrize("form", ["voc", "labelme"])
@pytest.mark.parametrize("beside", [True, False])
def test_images_in_subfolders(form: str, beside: bool, tmp_path: Path) -> None:
    """Beside their annotations, or in a subfolder of the same name elsewhere."""
    text = voc(voc_object()) if form == "voc" else json.dumps(labelme(shape()))
    for seed, scene in enumerate(("one", "two")):
        path = tmp_path / "notes" / scene / f"a.{'xml' if form == 'voc' else 'json'}"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        write_image(tmp_path / ("notes" if beside else "photos") / scene / "a.png", seed)
    folder = tmp_path / ("notes" if beside else "photos")
    regions = read_annotations(tmp_path / "notes", folder, category="action").regions
    assert [region.image for region in regions] == ["one/a.png", "two/a.png"]


def test_coco_has_boxes_polygons_and_both_kinds_of_run_lengths(
    tmp_path: Path, images: Path
) -> None:
    regions = read_annotations(write_json(tmp_path / "a.json", coco()), images).regions
    polygon = np.zeros_like(BOX)
    polygon[10:30, 20:50] = True
    runs = np.zeros_like(BOX)
    runs[:, 1:11] = True
    expected = [BOX, polygon, runs, runs]
    assert all(map(np.array_equal, map(pixels, regions), expected))
    assert {region.category for region in regions} == {"action"}
    assert [region.source for region in regions][2] == "a.json, annotation 3"


def test_coco_attributes_as_cvat_writes_them(tmp_path: Path, images: Path) -> None:
    content = coco()
    content["annotations"][0]["attributes"] = {"annotator": 7, "verified": False}
    region = read_annotations(write_json(tmp_path / "a.json", content), images).regions[0]
    assert (region.worker, region.verified) == ("7", None), "an unticked box is no answer"
    content["annotations"][0]["attributes"] = {"worker": "yes", "round": True, "verified": "no"}
    region = read_annotations(write_json(tmp_path / "a.json", content), images).regions[0]
    assert (region.worker, region.verified) == ("", False)


def test_a_table_may_give_corners_and_categories(tmp_path: Path, images: Path) -> None:
    path = tmp_path / "boxes.csv"
    rows = "concept,category,image,x1,y1,x2,y2\nwalking,action,a.png,10,5,30,35\n"
    path.write_text("\ufeff" + rows, encoding="utf-8")
    (region,) = read_annotations(path, images).regions
    assert (region.category, region.worker, region.verified) == ("action", "", None)
    assert np.array_equal(pixels(region), BOX)


def test_labelme_shapes(tmp_path: Path, images: Path) -> None:
    inside = np.arange(21 * 31).reshape(31, 21) % 3 > 0
    shapes = [
        shape("polygon", [[10, 5], [30, 5], [30, 35], [10, 35]]),
        shape("rectangle", [[30, 35], [10, 5]]),
        shape("circle", [[30, 20], [30, 30]]),
        shape("mask", [[10, 5], [30, 35]], mask=png_text(inside)),
    ]
    path = write_json(tmp_path / "a.json", labelme(*shapes))
    regions = read_annotations(path, images, category="x").regions
    polygon, rectangle, circle, mask = map(pixels, regions)
    assert np.array_equal(polygon, BOX)
    assert np.array_equal(rectangle, BOX)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    disc = np.hypot(x - 30, y - 20) < 10
    assert (circle & disc).sum() / (circle | disc).sum() > 0.95
    assert np.array_equal(mask[5:36, 10:31], inside)
    assert mask.sum() == inside.sum()


@pytest.mark.parametrize("mode", ["P", "L", "I;16", "RGB"])
def test_masks_of_every_kind(mode: str, tmp_path: Path, images: Path) -> None:
    values = np.zeros((HEIGHT, WIDTH), np.uint16)
    values[:5], values[5:9], values[9:12] = 7, 200, 255
    folder = tmp_path / "masks"
    folder.mkdir()
    if mode == "RGB":
        Image.fromarray(np.stack([values] * 3, -1).astype(np.uint8)).save(folder / "b.png")
        rows = "color,name,category\n#070707,sky,object\n#C8C8C8,road,object\n#ffffff,,\n"
    else:
        picture = Image.fromarray(values if mode == "I;16" else values.astype(np.uint8))
        if mode == "P":
            picture.putpalette([0, 0, 0, 255, 0, 0] * 128)
        picture.save(folder / "b.png")
        assert Image.open(folder / "b.png").mode == mode
        rows = "value,name,category\n7,sky,object\n200,road,object\n255,,\n"
    (folder / "labels.csv").write_text(rows, encoding="utf-8")
    sky, road = read_annotations(folder, images).regions
    assert [(region.image, region.concept) for region in (sky, road)] == [
        ("b.png", "sky"),
        ("b.png", "road"),
    ]
    assert np.array_equal(pixels(sky), values == 7)
    assert np.array_equal(pixels(road), values == 200)


def test_a_box_contains_the_pixels_whose_centres_are_inside() -> None:
    for box, rows, columns in [
        (Box(0.5, 1.4, 2, 1.2), slice(1, 3), slice(0, 2)),
        (Box(0.6, 0, 2, 100), slice(0, 8), slice(1, 3)),
        (Box(-5, -5, 6, 7), slice(0, 2), slice(0, 1)),
        (Box(8, 8, 3, 3), slice(0, 0), slice(0, 0)),
    ]:
        expected = np.zeros((8, 8), np.bool_)
        expected[rows, columns] = True
        assert np.array_equal(decode(draw(box, 8, 8)), expected), box


def test_a_polygon_of_two_rings_is_their_union() -> None:
    from array import array

    rings = (array("d", [0, 0, 4, 0, 4, 4, 0, 4]), array("d", [2, 2, 8, 2, 8, 6, 2, 6]))
    expected = np.zeros((8, 8), np.bool_)
    expected[:4, :4] = expected[2:6, 2:8] = True
    assert np.array_equal(decode(draw(Polygons(rings), 8, 8)), expected)


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)), unique=False))
def test_run_lengths_come_back(mask: Bools) -> None:
    runs = encode(mask)
    assert np.array_equal(decode(runs), mask)
    assert area(runs) == mask.sum()
    lengths = lengths_of(runs.counts)
    assert lengths is not None
    assert sum(lengths) == mask.size
    assert from_lengths(lengths, *mask.shape) == runs
    assert union([runs, encode(~mask)]) == encode(np.ones_like(mask))
    if mask.any():
        full = encode(np.ones_like(mask))
        assert pairwise_iou([runs, full])[0, 1] == pytest.approx(mask.mean())


@given(st.text(max_size=12))
def test_any_text_is_run_lengths_or_refused(text: str) -> None:
    lengths = lengths_of(text.encode())
    if lengths and min(lengths) >= 0 and 0 < sum(lengths) < 10_000:
        mask = decode(RunLengths(text.encode(), sum(lengths), 1))
        assert mask.sum() == sum(lengths[1::2])


def test_formats_are_detected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        detect_format(tmp_path / "nothing")
    (tmp_path / "both").mkdir()
    with pytest.raises(DataError, match="found none that is known"):
        detect_format(tmp_path / "both")
    (tmp_path / "both" / "a.xml").write_text(voc(""), encoding="utf-8")
    write_json(tmp_path / "both" / "a.json", labelme())
    with pytest.raises(DataError, match=r"found labelme and voc\. Name it with --format"):
        detect_format(tmp_path / "both")
    other: dict[str, Any] = {"info": 1}
    with pytest.raises(DataError, match="cannot be determined"):
        detect_format(write_json(tmp_path / "other.json", other))
    assert json.loads((tmp_path / "other.json").read_text("utf-8")) == other
    with pytest.raises(
        DataError, match=r"none that is known\. Name it with --format: coco, createml, csv, c"
    ):
        detect_format(write_json(tmp_path / "other.geojson", other))
    (tmp_path / "other.txt").write_text("no JSON", encoding="utf-8")
    with pytest.raises(DataError, match="none that is known"):
        detect_format(tmp_path / "other.txt")


def test_formats_are_the_modules_of_their_package() -> None:
    modules = Path(formats.__file__).parent.glob("[a-z]*.py")
    assert formats.format_names() == sorted(path.stem for path in modules)
    for name in formats.format_names():
        assert isinstance(load_format(name), AnnotationFormat)
    with pytest.raises(DataError, match=r"no format 'coko' of annotations\. Did you mean 'coco'"):
        load_format("coko")
