"""From photographs and a list of words to words for units, as docs/concept-data.md shows it."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING

from conceptgraph.ingest.concept_data.opening import open_concept_data
from tests.command_line import call
from tests.drawn_data import draw_concept_data
from tests.lively_run import lively_run
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
    lively_run(data.folder, tmp_path)
    (tmp_path / "photos").mkdir()
    for image in data.images:
        shutil.copy(image.path, tmp_path / "photos")
    (tmp_path / "words.txt").write_text("stripes\nred\njuggling\n", encoding="utf-8")
    text = PAGE[PAGE.index("## `data embed`") :]
    block = re.findall(r"^```\n(pip install.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    _, *lines = block.splitlines()
    run = next(tmp_path.glob("*.cg"))
    for line in lines:
        words = line.replace("open_clip:RN50", "open_clip:tiny-RN:clip.pt")
        done = call(*shlex.split(words.replace("net.cg", run.name))[1:], folder=tmp_path)
        assert done.status == 0, done.err
    assert "words by open_clip tiny-RN (clip.pt), of 3, from 210 images" in done.out
    card = call("show", "block4/0", "--run", run.name, folder=tmp_path).out
    assert "by open_clip tiny-RN (clip.pt)" in card
    made = call(
        *("data", "embed", "photos", "--words", "words.txt", "--out", "patches.emb", "--patches"),
        *("--model", "open_clip:tiny-RN:clip.pt", "--device", "cpu"),
        folder=tmp_path,
    )
    assert made.status == 0, made.err
    words = ("data", "annotate", "photos", "--embeddings", "patches.emb", "--out", "masks")
    labelled = call(*words, "--word-threshold", "0.3", folder=tmp_path)
    assert labelled.status == 0, labelled.err
    assert call("data", "check", "masks", folder=tmp_path).status == 0
