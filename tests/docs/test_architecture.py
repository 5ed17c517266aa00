"""docs/architecture.md names what exists."""

from __future__ import annotations

import re

from tests.repository import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)


def test_files_and_folders_exist() -> None:
    names = re.findall(r"`([\w.-]+/(?:[\w./-]+)?)`", PAGE)
    assert len(names) > 30
    places = (ROOT, ROOT / "ingest", ROOT / "conceptgraph")
    missing = [n for n in names if "290" not in n and not any((p / n).exists() for p in places)]
    assert missing == []


def test_the_rooms_are_the_layers() -> None:
    """From top to bottom, as import-linter holds them."""
    (layers,) = re.findall(r'^name = "(cli > [^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert re.findall(r"\w+", layers)[:8] == ROOMS[:8]
    assert ROOMS[8] == "conceptgraph"
