"""The commands of docs/video.md that make concept data, and its script for JHMDB, run as shown."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.io import savemat

from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.drawn_data import write_csv
from tests.repository import ROOT
from tests.video_files import frames_of, moving_right, square_at, write_video

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "video.md").read_text(encoding="utf-8")


def commands(needs: str) -> list[list[str]]:
    """Return the commands of the block that needs this, without `pip`."""
    (block,) = re.findall(rf'^```sh title="needs {needs}"\n(.*?)^```', PAGE, re.DOTALL | re.M)
    return [shlex.split(line)[1:] for line in block.splitlines() if not line.startswith("pip")]


def test_boxes_of_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "clips/a.mp4", moving_right(20))
    rows = [("a", frame, "rolling", 2 * frame, 9, 12, 12) for frame in range(20)]
    columns = ("video", "frame", "label", "x", "y", "width", "height")
    write_csv(tmp_path / "boxes.csv", columns, rows)
    for words in commands("videos and their boxes"):
        assert call(*words, folder=tmp_path).status == 0
    (clip,) = open_concept_data(tmp_path / "clipset").images
    assert (clip.frames, clip.annotated) == (16, tuple(range(16)))


def test_jhmdb(tmp_path: Path) -> None:
    places = moving_right(18)
    for video in ("one", "two"):
        mats, frames = (tmp_path / top / "walk" / video for top in ("puppet_mask", "Rename_Images"))
        mats.mkdir(parents=True)
        frames.mkdir(parents=True)
        masks = np.stack([square_at(*place) for place in places], -1).astype(np.uint8)
        savemat(mats / "puppet_mask.mat", {"part_mask": masks})
        for number, pixels in enumerate(frames_of(places), 1):
            Image.fromarray(pixels).save(frames / f"{number:05d}.png")
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    (words,) = commands("JHMDB")
    done = call(*words, folder=tmp_path)
    assert done.status == 0, done.err
    data = open_concept_data(tmp_path / "jhmdb")
    assert [concept.uid for concept in data.concepts] == ["action/walk", "motion/right"]
    assert [image.name for image in data.images] == ["walk/one.jpg", "walk/two.jpg"]
    assert {image.annotated for image in data.images} == {tuple(range(16))}
