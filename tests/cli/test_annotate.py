"""The way from a folder of photographs to an explanation, as docs/concept-data.md shows it."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from conceptgraph.demo.networks.shipped import SHIPPED, write_classes
from conceptgraph.demo.networks.small_resnet import FACTORY
from conceptgraph.demo.world.concept_data import write_concept_data
from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.repository import ROOT
from tests.small_segmenters import save_segformer

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "concept-data.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_from_photographs_to_an_explanation(tmp_path: Path) -> None:
    world = open_concept_data(write_concept_data(tmp_path / "world", 80))
    (tmp_path / "photos").mkdir()
    for image in world.images:
        shutil.copy(image.path, tmp_path / "photos")
    shutil.copy(world.images[3].path, tmp_path / "photo.jpg")
    shutil.copy(SHIPPED["shortcut"], tmp_path / "net.safetensors")
    write_classes(tmp_path / "classes.txt")
    segformer = save_segformer(tmp_path / "tiny", ("wall", "ground"))
    (block,) = re.findall(
        r"^```\n(pip install 'conceptgraph\[annotate.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    _, *lines = block.splitlines()
    for line in lines:
        words = (
            line.replace("nvidia/segformer-b0-finetuned-ade-512-512", str(segformer))
            .replace("resnet50", FACTORY)
            .replace("net.pth", "net.safetensors")
        )
        done = call(*shlex.split(words)[1:], folder=tmp_path)
        assert done.status == 0, done.err
    note = re.search(r"Names by CIELAB color terms: \w+", done.out)
    assert note is not None
    assert note[0] in (tmp_path / "why.html").read_text(encoding="utf-8")
    concepts = pd.read_parquet(tmp_path / "net.cg" / "concepts.parquet").set_index("uid")
    assert concepts["source"]["color/red"] == "CIELAB color terms"
    assert concepts["source"]["object/ground"] == "SegFormer tiny"
    shown = call("show", "color/red", folder=tmp_path).out
    assert "Its labels were made by CIELAB color terms." in shown
    told = call("why", "--class", "juggling", "--html", "class.html", folder=tmp_path).out
    assert "Names by CIELAB color terms: " in " ".join(told.split())
    call("report", "-o", "report.html", folder=tmp_path)
    call("audit", "--images", "photos", "--html", "audit.html", folder=tmp_path)
    for page in ("class.html", "report.html", "audit.html"):
        assert "by CIELAB color terms: " in (tmp_path / page).read_text(encoding="utf-8")
