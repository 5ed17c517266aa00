"""Photographs by key: dropped ones, and those of a run."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from conceptgraph import open_run
from conceptgraph.errors import ConceptGraphError, DataError, QueryError
from conceptgraph.serve.explorer.explain import photographs
from conceptgraph.serve.explorer.explain.photographs import Photographs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.user_folder import UserFolder


def png(seed: int = 0, size: int = 24) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def kept(user_folder: UserFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Photographs:
    monkeypatch.chdir(user_folder.folder)
    return Photographs(open_run("net.cg"), tmp_path / "photographs")


def test_a_photograph_is_found_again_by_its_content(kept: Photographs) -> None:
    content = png()
    key = kept.add(content)
    assert kept.add(content) == key != kept.add(png(1))
    assert kept.file(key).read_bytes() == content
    assert Image.open(io.BytesIO(kept.picture(key, still=False))).format == "JPEG"


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", png()[:60], b"\x89PNG\r\n\x1a\n" + bytes(900), b"<svg></svg>"],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(
    kept: Photographs, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(DataError):
        kept.add(content)
    assert not list(tmp_path.rglob("*.*"))
    assert not (tmp_path / "photographs").exists()


def test_a_photograph_of_too_many_pixels_is_refused_by_its_header(
    kept: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "MOST_PIXELS", 24 * 24 - 1)
    with pytest.raises(DataError, match="24 × 24"):
        kept.add(png())


def test_the_one_not_looked_at_for_longest_makes_room(
    kept: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "KEPT", 2)
    keys = [kept.add(png(seed)) for seed in range(2)]
    for time, key in enumerate(keys):
        os.utime(kept.file(key), (time, time))
    kept.picture(keys[0], still=True)
    keys.append(kept.add(png(2)))
    with pytest.raises(QueryError):
        kept.file(keys[1])
    assert all(kept.file(key).is_file() for key in (keys[0], keys[2]))


@pytest.mark.parametrize(
    "key",
    ["", "..", "../photographs", "/etc/passwd", "data/../../x.jpg", "data/", "data//etc/passwd",
     "0" * 32, "0" * 31, "data/x\0.jpg", "x.jpg"],
)  # fmt: skip
def test_a_key_is_never_a_path(kept: Photographs, key: str) -> None:
    with pytest.raises(QueryError):
        kept.file(key)


def test_images_of_a_trusted_run_are_found_by_name(kept: Photographs) -> None:
    keys = kept.of_run()
    assert len(keys) == 16
    assert all(kept.file(key).is_file() for key in keys)
    name = keys[0].removeprefix("data/")
    assert kept.of_run(name.upper()) == [keys[0]]
    assert kept.key_in_run(name) == keys[0]
    assert kept.key_in_run("no such image") is None


def test_the_folder_of_a_run_that_is_not_trusted_is_not_read(
    user_folder: UserFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user_folder.folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Photographs(open_run("net.cg"), tmp_path / "photographs").of_run() == []


def test_a_folder_that_cannot_be_written_is_said(
    user_folder: UserFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user_folder.folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConceptGraphError):
        Photographs(open_run("net.cg"), tmp_path / "file" / "photographs").add(png())
