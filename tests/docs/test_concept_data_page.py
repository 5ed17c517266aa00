"""The commands of docs/concept-data.md, run as they stand."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from PIL import Image

from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.repository import ROOT
from tests.verify_server import verifying

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "concept-data.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    given = ("color", "object", "scene")
    broden = draw_concept_data(tmp_path / "broden1_224", 8, mask_size=56, categories=given)
    photos = sorted((broden / "images").rglob("*.jpg"))[:4]
    records = []
    for number, photo in enumerate(photos):
        name = f"{('striped', 'none')[number % 2]}/{photo.name}"  # a folder per tag, as it happens
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(photo.read_bytes())
        width, height = Image.open(photo).size
        records.append({"id": number, "file_name": name, "width": width, "height": height})
    regions = {
        "images": records,
        "categories": [{"id": 1, "name": "juggling"}],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1, "bbox": [4, 4, 40, 30]} for k in range(4)
        ],
    }
    (tmp_path / "regions.json").write_text(json.dumps(regions), encoding="utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert [line[1:3] for line in lines] == [
        ["data", "build"],
        ["data", "tags"],
        ["data", "annotate"],
        ["data", "verify"],
        ["data", "check"],
        ["data", "merge"],
    ]
    for line in lines:
        if line[2] == "verify":
            with verifying(tmp_path / line[3]) as server:
                assert server.state()["folder"] == "by-models"
                done = server.stop()
            assert done.status == 0
            continue
        done = call(*line[1:], folder=tmp_path)
        assert done.status == 0, done.err
        assert done.err == ""
    joined = open_concept_data(tmp_path / "joined")
    assert joined.categories == ("color", "object", "scene", "action")
    assert len(joined.images) == 8
    assert call("data", "check", "joined", folder=tmp_path).status == 0


def test_the_commands_that_verify(tmp_path: Path) -> None:
    draw_concept_data(tmp_path / "concepts", 12)
    (block,) = re.findall(
        r"^```\n(conceptgraph data verify.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    ask, *others = [shlex.split(line)[1:] for line in block.splitlines()]
    assert ask == ["data", "verify", "concepts"]
    with verifying(tmp_path / "concepts") as server:
        label = server.state()["label"]
        server.post("/answer", label=label["key"], answer="no")
        assert server.stop().status == 0
    for words in others:
        done = call(*words, folder=tmp_path)
        assert done.status == 0, done.err
    header = (tmp_path / "concepts.verified.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert f"`{header}`" in PAGE
    assert label["image"] in (tmp_path / "verified" / "dropped.csv").read_text(encoding="utf-8")
