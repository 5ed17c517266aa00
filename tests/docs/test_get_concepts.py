"""The commands of docs/get-concepts.md, on downloads in miniature."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.docs.how_to import HowTo

if TYPE_CHECKING:
    from pathlib import Path

PAGE = HowTo("get-concepts.md")
ADE = "ADEChallengeData2016"
SIDE = 64
XML = """<annotation><filename>{name}</filename><size><width>64</width><height>64</height>
<depth>3</depth></size><object><name>cat</name><bndbox><xmin>5</xmin><ymin>5</ymin>
<xmax>40</xmax><ymax>40</ymax></bndbox></object></annotation>"""
BOXES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded"
SETS = {
    "ade": {"wall", "building"},
    "coco": {"cat", "sky-other"},
    "voc": {"cat"},
    "openimages": {"Car", "Vehicle"},
    "textures": {"banded", "blotchy"},
}


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)

    def photo(name: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)

    for folder in (
        "annotations",
        "VOC2012/Annotations",
        "ADEChallengeData2016/annotations/validation",
    ):
        (tmp_path / folder).mkdir(parents=True)
    for number in range(2):
        photo(f"{ADE}/images/validation/ADE_val_{number}.jpg")
        mask = np.full((SIDE, SIDE), 1 + number, np.uint8)
        mask[:30] = 0
        Image.fromarray(mask).save(tmp_path / f"{ADE}/annotations/validation/ADE_val_{number}.png")
        photo(f"val2017/{number}.jpg")
        photo(f"VOC2012/JPEGImages/{number}.jpg")
        (tmp_path / f"VOC2012/Annotations/{number}.xml").write_text(
            XML.format(name=f"{number}.jpg")
        )
        photo(f"validation/{number:016x}.jpg")
        for texture in SETS["textures"]:
            photo(f"dtd/images/{texture}/{texture}_{number}.jpg")
    (tmp_path / ADE / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n"
        "1\t0.1576\t11664\t1172\t1\twall\n2\t0.1072\t6046\t612\t1\tbuilding, edifice\n"
    )
    for kind, name in (("instances", "cat"), ("stuff", "sky-other")):
        coco = {
            "images": [
                {"id": k, "file_name": f"{k}.jpg", "width": SIDE, "height": SIDE} for k in range(2)
            ],
            "categories": [{"id": 1, "name": name, "supercategory": "any"}],
            "annotations": [
                {"id": k, "image_id": k, "category_id": 1, "iscrowd": 0,
                 "segmentation": [[5, 5, 50, 5, 50, 50, 5, 50]], "bbox": [5, 5, 45, 45]}
                for k in range(2)
            ],
        }  # fmt: skip
        (tmp_path / f"annotations/{kind}_val2017.json").write_text(json.dumps(coco))
    (tmp_path / "oidv7-class-descriptions-boxable.csv").write_text(
        "LabelName,DisplayName\n/m/0k4j,Car\n/m/07yv9,Vehicle\n"
    )
    (tmp_path / "validation-annotations-bbox.csv").write_text(
        f"{BOXES}\n{0:016x},xclick,/m/0k4j,1,0.1,0.5,0.2,0.6,0\n"
        f"{1:016x},xclick,/m/07yv9,1,0.0,0.97,0.0,0.4,0\n"
    )
    return tmp_path


def test_the_commands_of_the_page(downloads: Path) -> None:
    for block in PAGE.blocks("sh"):
        for line in block.splitlines():
            if not line.startswith("conceptgraph"):
                subprocess.run(["sh", "-c", line], cwd=downloads, check=True)
                continue
            done = call(*shlex.split(line)[1:], folder=downloads)
            assert (done.status, done.err) == (0, "")
    for name, concepts in SETS.items():
        data = open_concept_data(downloads / name)
        assert {concept.name for concept in data.concepts} == concepts
