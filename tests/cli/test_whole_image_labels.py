"""Concept data of tags alone, from `data tags` to an audit."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.drawn_data import CLASSES, draw_concept_data, write_untrained
from tests.user_folder import INGEST

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def sort_into_folders(data: Path, photos: Path) -> None:
    """Copy the images of concept data into a folder for each scene, and `none`."""
    drawn = open_concept_data(data)
    for image in drawn.images:
        names = [drawn.concepts[c].name for c in image.image_labels
                 if drawn.concepts[c].category == "scene"]  # fmt: skip
        folder = photos / (names[0] if names else "none")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, folder)


def test_every_command(tmp_path: Path) -> None:
    sort_into_folders(draw_concept_data(tmp_path / "drawn", 24, size=64), tmp_path / "photos")
    photos = sorted((tmp_path / "photos").rglob("*.jpg"))
    names = [photo.relative_to(tmp_path / "photos").as_posix() for photo in photos[:8]]
    rows = [f"{name},{CLASSES[number % 4]}" for number, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
    image = photos[0].relative_to(tmp_path)

    def succeed(text: str) -> str:
        done = call(*shlex.split(text), folder=tmp_path)
        assert done.status == 0, (text, done.err)
        return done.out

    summary = succeed("data tags photos --out data")
    assert "24 images, 4 concepts" in summary
    assert "all others" in summary
    checked = succeed("data check data")
    assert "No defects" in checked
    assert "with none of the concepts: they count as without" in checked
    assert "image by image (AUC)" in checked
    assert "can reach" not in checked
    write_untrained(tmp_path / "data")
    done = call(*INGEST, "--out", "net.cg", folder=tmp_path)
    assert done.status == 0, done.err
    for text in (
        "why --class juggling",
        f"why --image {image} --ablate night --flip --html why.html",
        "show night",
        "show block4/1",
        "audit --images photos --labels labels.csv --html audit.html",
        "report -o report.html",
        "export html --class juggling -o paths.html",
    ):
        assert succeed(text)
    assert "Units that tell a concept of whole images: " in done.out
    card = json.loads(succeed("show night --json"))
    assert card["units_by_auc"] == json.loads(succeed("query units-by-auc -p concept=night --json"))
    units = [row["auc"] for row in card["units_by_auc"]]
    assert units == sorted(units, reverse=True)
    assert units
    if not card["units"]:
        assert "AUC is the measure, not IoU" in card["no_answer"]
    assert "units that tell images with it, by AUC" in succeed("show night")
    assert "concepts of whole images with the largest AUC" in succeed("show block4/1")
    done = call("why", "--image", f"data/images/{names[0]}", "--masks", folder=tmp_path)
    assert done.status == 1
    assert "has no masks in the concept data, only labels of the whole image" in done.err
    assert "Its labels were made by tags." in succeed("show night")
    note = "Labels that nobody drew, made by tags (4 concepts)."
    assert note in succeed("data check data")
    answer = json.loads(succeed(f"why --image {image} --json"))
    shown = any(row["contribution"] for row in answer["by_concept"][:-1]) or answer["things"]
    assert (answer["names_by"] or "").startswith("Names by tags, so " if shown else "")


def test_folders_and_yes_no_tables_give_the_same_run(tmp_path: Path) -> None:
    """An image in no folder of a concept is without it, as one with a no is."""
    sort_into_folders(draw_concept_data(tmp_path / "drawn", 24, size=64), tmp_path / "photos")
    photos = sorted(path.relative_to(tmp_path / "photos") for path in tmp_path.glob("photos/*/*"))
    names = sorted({path.parts[0] for path in photos} - {"none"})
    assert "none" in {path.parts[0] for path in photos}
    rows = [[path.as_posix(), *(str(int(path.parts[0] == name)) for name in names)]
            for path in photos]  # fmt: skip
    text = "\n".join(",".join(row) for row in [["image", *names], *rows])
    (tmp_path / "photos" / "tags.csv").write_text(text, encoding="utf-8")
    runs: list[Path] = []
    for tags in ("photos", "photos/tags.csv"):
        done = call("data", "tags", tags, "--out", "data", "--overwrite", folder=tmp_path)
        assert done.status == 0, done.err
        write_untrained(tmp_path / "data")
        runs.append(tmp_path / f"net{len(runs)}.cg")
        done = call(*INGEST, "--out", runs[-1].name, folder=tmp_path)
        assert done.status == 0, done.err
    for table in ("presence", "detections", "units", "concepts"):
        by_folders, by_table = (pd.read_parquet(run / f"{table}.parquet") for run in runs)
        pd.testing.assert_frame_equal(by_folders, by_table)
    presence, detections = (pd.read_parquet(runs[0] / f"{table}.parquet")
                            for table in ("presence", "detections"))  # fmt: skip
    assert (presence["precision"] < 1).all()  # there are positions without
    assert (detections["auc"].notna()).any()
    for file in runs[0].glob("presence_*.npy"):
        np.testing.assert_array_equal(np.load(file), np.load(runs[1] / file.name))
