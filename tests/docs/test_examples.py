"""The notebooks of examples/: they run from top to bottom, and show what they showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(file: Path, tmp_path: Path) -> None:
    notebook: Any = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    committed = kinds_of_outputs(notebook)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, resources=resources).execute()
    assert kinds_of_outputs(notebook) == committed
    assert any(committed)


def kinds_of_outputs(notebook: Any) -> list[list[set[str]]]:
    """Return, for each cell and each of its outputs, how it can be shown."""
    return [
        [set(output.get("data", ())) for output in cell.get("outputs", ())]
        for cell in notebook.cells
    ]


def test_there_are_some_and_none_knows_a_machine() -> None:
    assert len(NOTEBOOKS) == 4
    for file in NOTEBOOKS:
        text = file.read_text(encoding="utf-8")
        assert "/root" not in text
        assert "/home" not in text
        assert '"output_type": "error"' not in text
