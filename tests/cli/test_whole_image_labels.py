"""Concept data of whole-image labels alone, from `data check` to an audit."""

from __future__ import annotations

import csv
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.command_line import call
from tests.drawn_data import CLASSES, draw_concept_data, write_untrained
from tests.user_folder import INGEST

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def keep_scenes_only(folder: Path) -> None:
    """Leave of concept data the labels of whole images."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [list(row.items()) for row in csv.DictReader(file)]
    categories = {"color", "object", "part", "texture", "action"}
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column for column, _ in rows[0]])
        for row in rows:
            writer.writerow(["" if column in categories else cell for column, cell in row])


def test_every_command(tmp_path: Path) -> None:
    write_untrained(draw_concept_data(tmp_path / "data", 24, size=64))
    keep_scenes_only(tmp_path / "data")
    photos = sorted((tmp_path / "data" / "images" / "drawn").glob("*.jpg"))
    rows = [f"{photo.name},{CLASSES[number % 4]}" for number, photo in enumerate(photos[:8])]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
    image = photos[0].relative_to(tmp_path)

    def succeed(text: str) -> str:
        done = call(*shlex.split(text), folder=tmp_path)
        assert done.status == 0, (text, done.err)
        return done.out

    assert "No defects" in succeed("data check data")
    done = call(*INGEST, "--out", "net.cg", folder=tmp_path)
    assert done.status == 0, done.err
    for text in (
        "why --class juggling",
        f"why --image {image} --ablate night --flip --html why.html",
        "show night",
        "show block4/1",
        "audit --images data/images/drawn --labels labels.csv --html audit.html",
        "report -o report.html",
        "export html --class juggling -o paths.html",
    ):
        assert succeed(text)
    done = call("why", "--image", image, "--masks", folder=tmp_path)
    assert done.status == 1
    assert "has no masks in the concept data, only labels of the whole image" in done.err
