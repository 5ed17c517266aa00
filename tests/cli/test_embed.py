"""From photographs and a list of words to words for units, as docs/concept-data.md shows it."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING

import torch

from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_network
from tests.repository import ROOT
from tests.small_clip import add_small_clips, save_clip

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGE = (ROOT / "docs" / "concept-data.md").read_text(encoding="utf-8")


def test_from_photographs_to_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_small_clips(monkeypatch)
    save_clip(tmp_path / "clip.pt")
    data = open_concept_data(draw_concept_data(tmp_path / "drawn", 210, size=64))
    (tmp_path / "photos").mkdir()
    for image in data.images:
        shutil.copy(image.path, tmp_path / "photos")
    shutil.copy(data.images[3].path, tmp_path / "photo.jpg")
    torch.save(lively_network().state_dict(), tmp_path / "net.pth")
    (tmp_path / "classes.txt").write_text("a\nb\nc\nd\n")
    (tmp_path / "words.txt").write_text("stripes\nred\njuggling\n", encoding="utf-8")
    text = PAGE[PAGE.index("## `data embed`") :]
    block = re.findall(r"^```\n(pip install.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    _, *lines = block.splitlines()
    printed = []
    for line in lines:
        words = line.replace("open_clip:RN50", "open_clip:tiny-RN:clip.pt")
        words = words.replace("resnet50", "tests.lively_run:lively_network")
        done = call(*shlex.split(words)[1:], folder=tmp_path)
        assert done.status == 0, done.err
        printed.append(done.out)
    assert "Next: conceptgraph label --embeddings words.emb" in printed[2]
    assert "words by open_clip tiny-RN (clip.pt), of 3, from 210 images" in printed[3]
    assert printed[4].startswith("photo.jpg: ")
    card = call("show", "block4/0", "--run", "net.cg", folder=tmp_path).out
    assert "by open_clip tiny-RN (clip.pt)" in card
    made = call(
        *("data", "embed", "photos", "--words", "words.txt", "--out", "patches.emb", "--patches"),
        *("--model", "open_clip:tiny-RN:clip.pt", "--device", "cpu"),
        folder=tmp_path,
    )
    assert made.status == 0, made.err
    masks = "conceptgraph data annotate photos --embeddings patches.emb --out OUT"
    assert f"Next, masks of the words: {masks}" in made.out
    words = ("data", "annotate", "photos", "--embeddings", "patches.emb", "--out", "masks")
    labelled = call(*words, "--word-threshold", "0.3", folder=tmp_path)
    assert labelled.status == 0, labelled.err
    assert call("data", "check", "masks", folder=tmp_path).status == 0
