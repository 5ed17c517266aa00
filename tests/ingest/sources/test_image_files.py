"""Images found by names that are only like theirs, and what is dropped with those that are not."""

from __future__ import annotations

import csv
import unicodedata
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.errors import DataError
from conceptgraph.ingest.concept_data.checking.check import check
from conceptgraph.ingest.concept_data.masks import read_label_maps
from conceptgraph.ingest.concept_data.opening import open_concept_data
from conceptgraph.ingest.sources.annotations.build import BuildSettings, build
from conceptgraph.ingest.sources.annotations.image_files import ImageFiles
from tests.annotation_files import HEIGHT, WIDTH, coco, write_image, write_json, write_masks

if TYPE_CHECKING:
    from pathlib import Path

    from conceptgraph.ingest.sources.annotations.report import BuildReport

NFC, NFD = (unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("files", "name", "expected"),
    [
        (["a.png"], "a.png", "a.png"),
        (["x/a.png"], "a.png", "x/a.png"),
        (["a.png"], "deep/er/a.png", "a.png"),
        (["train/a.png"], "data/train/a.png", "train/a.png"),
        (["x/a.png", "y/a.png"], "data/y/a.png", "y/a.png"),
        (["photos/a.png"], "images/a.png", "photos/a.png"),
        ([NFD], NFC, NFD),
        ([NFC], NFD, NFC),
        (["a.PNG"], "a.png", "a.PNG"),
        (["A.png"], "a.PNG", "A.png"),
        (["a.jpg"], "a.png", "a.jpg"),
        (["a.jpg"], "a", "a.jpg"),
        (["a.b.jpg"], "a.b", "a.b.jpg"),
        (["a.jpg", "a.png"], "a.png", "a.png"),
        (["A.png", "a.jpg"], "a.png", "A.png"),
    ],
)
def test_a_name_and_its_file(files: list[str], name: str, expected: str, tmp_path: Path) -> None:
    for file in files:
        write_image(tmp_path / file)
    assert ImageFiles(tmp_path).resolve([name]) == ({name: expected}, {})


@pytest.mark.parametrize(
    ("files", "names", "problem"),
    [
        (["x/a.png", "y/a.png"], ["a.png"], "several files fit: 'x/a.png', 'y/a.png'"),
        (["a.jpg", "a.webp"], ["a.png"], "several files fit"),
        (["a.png"], ["one/a.png", "two/a.png"], "'a.png' fits several names: 'one/a.png', 'two/a"),
        (["two/a.png"], ["one/a.png", "two/a.png"], "'two/a.png' is the image of 'two/a.png'"),
        (["a.png"], ["a.png", "a.jpg"], "'a.png' is the image of 'a.png'"),
        (["cat.png", "dog.png"], ["cats.png"], "Did you mean 'cat.png'"),
        (["a.png"], ["b\0.png"], ""),
    ],
)
def test_a_name_that_fits_none(
    files: list[str], names: list[str], problem: str, tmp_path: Path
) -> None:
    for file in files:
        write_image(tmp_path / file)
    _, problems = ImageFiles(tmp_path).resolve(names)
    assert problems
    assert all(text.startswith(problem) for text in problems.values())


def built(folder: Path, *names: str, settings: BuildSettings | None = None) -> BuildReport:
    """Build COCO's two regions for each of two images of those names."""
    content = coco()
    for image, name in zip(content["images"], names, strict=True):
        image.update(file_name=name)
    path = write_json(folder / "a.json", content)
    return build(path, folder / "images", folder / "out", settings, overwrite=True)


def dropped(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "dropped.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_missing_image_is_dropped(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    report = built(tmp_path, "a.png", "aa.png")
    assert report.images == 1
    assert report.dropped == {"no image file of this name": 2}
    rows = dropped(tmp_path)
    assert {row["image"] for row in rows} == {"aa.png"}
    assert {row["detail"] for row in rows} == {"Did you mean 'a.png'?"}
    with pytest.raises(DataError, match=r"no image 'x.png' and 1 more.*--images"):
        built(tmp_path, "x.png", "y.png")


def test_an_image_of_another_name_is_said(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.JPG")
    write_image(tmp_path / "images" / "b.png", 1)
    report = built(tmp_path, "a.png", "b.png")
    assert report.images == 2
    assert report.notes == (
        "1 images have another name than annotated, such as 'a.JPG' for 'a.png'.",
    )


def test_an_unreadable_image_is_dropped(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").write_text("<html>")
    assert built(tmp_path, "a.png", "b.png").dropped == {"not an image": 2}
    Image.fromarray(np.full((HEIGHT, WIDTH), 1e6, np.float32)).save(tmp_path / "images" / "b.tif")
    reasons = built(tmp_path, "a.png", "b.tif").dropped
    assert reasons == {"image of values that cannot be shown": 2}


def test_two_images_of_one_stem_and_odd_names(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a:1.png")
    write_image(tmp_path / "images" / "a:1.jpg", 1)
    built(tmp_path, "a:1.png", "a:1.jpg")
    data = open_concept_data(tmp_path / "out")
    assert len({image.name for image in data.images}) == 2
    assert all(image.name.startswith("a_1~") for image in data.images)
    assert check(tmp_path / "out").defects == ()


def rotated(path: Path, orientation: int) -> None:
    """Save an image of which the upper left corner, as it is stored, is red."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    pixels[:20, :20] = (250, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif)


SEEN = {2: (40, 0), 3: (40, 20), 4: (0, 20), 5: (0, 0), 6: (20, 0), 7: (20, 40), 8: (0, 40)}
"""Left and top of the red square, as the image is seen."""


@pytest.mark.parametrize(
    ("stated", "orientation"),
    [
        *product(["nothing", "as it is seen"], SEEN),
        *product(["as it is stored"], [orientation for orientation in SEEN if orientation >= 5]),
    ],
)
def test_regions_of_a_rotated_photograph(orientation: int, stated: str, tmp_path: Path) -> None:
    turned = orientation >= 5
    rotated(tmp_path / "images" / "a.png", orientation)
    seen = (WIDTH, HEIGHT) if turned else (HEIGHT, WIDTH)
    height, width = (HEIGHT, WIDTH) if stated == "as it is stored" else seen
    left, top = (0, 0) if stated == "as it is stored" else SEEN[orientation]
    content = coco()
    content["images"][0].update(height=height, width=width)
    if stated == "nothing":
        content["images"][0].update(height=0, width=0)
    content["annotations"] = [{"image_id": 1, "category_id": 1, "bbox": [left, top, 20, 20]}]
    path = write_json(tmp_path / "a.json", content)
    report = build(path, tmp_path / "images", tmp_path / "out", BuildSettings(mask_size=120))
    assert "1 images are rotated by their EXIF orientation" in report.notes[0]
    assert check(tmp_path / "out").defects == ()
    data = open_concept_data(tmp_path / "out")
    (image,) = data.images
    assert (image.height, image.width) == seen
    mask = read_label_maps(data, image)[0] > 0
    y, x = SEEN[orientation][1] / seen[0] * 120, SEEN[orientation][0] / seen[1] * 120
    expected = np.zeros((120, 120), np.bool_)
    expected[round(y) : round(y + 2400 / seen[0]), round(x) : round(x + 2400 / seen[1])] = True
    assert np.array_equal(mask, expected)


def test_masks_beside_their_images(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:30, 5:30] = 3
    layouts = {
        "together": ("all", "all"),
        "below": ("all/masks", "all"),
        "above": ("all", "all/photos"),
        "apart": ("masks", "photos"),
        "workers": ("all/ann", "all"),
    }
    for layout, (masks, photos) in layouts.items():
        folder = tmp_path / layout
        write_image(folder / photos / "a.jpg")
        write_image(folder / photos / "other.png", 1)
        write_masks(folder / masks, {"a.png": mask}, (3, "walking"))
        settings = BuildSettings(category="action")
        report = build(folder / masks, folder / photos, folder / "out", settings)
        assert (report.images, report.dropped) == (1, {}), layout
        assert open_concept_data(folder / "out").images[0].name == "a.jpg"


def test_labels_become_plain_and_it_is_said(tmp_path: Path) -> None:
    names = {
        "polka\u00a0dotted": "polka dotted",
        "walk\u200bing": "walking",
        "foot\u00adball": "football",
        "a\tb": "a b",
        "\u0645\u06cc\u200c\u062f\u0648\u062f": "\u0645\u06cc\u200c\u062f\u0648\u062f",
        "\u0915\u094d\u200d\u0937": "\u0915\u094d\u200d\u0937",
        "cafe\u0301": "caf\u00e9",
        "bell\x07\ud800": "bell",
    }
    write_image(tmp_path / "images" / "a.png")
    content = coco()
    for written, plain in names.items():
        content["categories"][0].update(name=written)
        content["annotations"] = content["annotations"][:1]
        path = write_json(tmp_path / "a.json", content)
        report = build(path, tmp_path / "images", tmp_path / "out", overwrite=True)
        assert [concept.concept for concept in report.concepts] == [plain]
        assert len(report.notes) == (written != plain)
        assert [one.name for one in open_concept_data(tmp_path / "out").concepts] == [plain]
    content["categories"][0].update(name="\u200b")
    with pytest.raises(DataError, match="1 × label without a visible character"):
        build(write_json(tmp_path / "a.json", content), tmp_path / "images", tmp_path / "none")


def test_attributes_are_no_workers(tmp_path: Path) -> None:
    for seed, name in enumerate(("a.png", "b.png")):
        write_image(tmp_path / "images" / name, seed)
    content = coco()
    content["annotations"][0].update(attributes={"round": True, "worker": "yes", "occluded": False})
    content["annotations"][1].update(attributes={"round": "oval", "verified": False})
    report = build(write_json(tmp_path / "a.json", content), tmp_path / "images", tmp_path / "out")
    assert report.dropped == {}
    assert [worker.worker for worker in report.workers] == [""]
    assert report.notes[0].startswith('1 regions have a box "verified" that is not ticked')
